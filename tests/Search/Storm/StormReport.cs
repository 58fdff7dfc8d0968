using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace OrleansCache.Storm;

/// <summary>What happened, counted, logged, and what must not have happened. Used by all actors at once.</summary>
public sealed class StormReport : IDisposable
{
    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _violations = new();
    private readonly CancellationTokenSource _violated = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly StreamWriter _events;
    private readonly Lock _gate = new();
    private readonly List<TimeSpan> _pushes = [];
    private TimeSpan _lastSuccess;

    public StormReport(string folder)
    {
        _events = new StreamWriter(Path.Combine(folder, "events.log")) { AutoFlush = true };
        _lastSuccess = _clock.Elapsed;
    }

    /// <summary>Set by the first violation: the storm stops, so that what it left can be looked at.</summary>
    public CancellationToken Violated => _violated.Token;

    public IReadOnlyCollection<string> Violations => _violations;

    public TimeSpan LongestPush { get; private set; }

    public TimeSpan LongestWithoutPush { get; private set; }

    public long this[string name] => _counts.GetValueOrDefault(name);

    public IEnumerable<KeyValuePair<string, long>> Counts(string prefix) =>
        _counts.Where(count => count.Key.StartsWith(prefix, StringComparison.Ordinal)).OrderBy(count => count.Key, StringComparer.Ordinal);

    public void Count(string name, long by = 1) => _counts.AddOrUpdate(name, by, (_, before) => before + by);

    public void Event(string what)
    {
        lock (_gate)
            _events.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {what}"));
    }

    public void Violation(string what)
    {
        _violations.Enqueue(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {what}"));
        Event($"VIOLATION {what}");
        _violated.Cancel();
    }

    public void PushSucceeded(TimeSpan took)
    {
        Count("pushes");
        lock (_gate)
        {
            LongestPush = took > LongestPush ? took : LongestPush;
            _pushes.Add(took);
            NoteGap();
            _lastSuccess = _clock.Elapsed;
        }
    }

    /// <summary>The time within which this share of the pushes that succeeded was done.</summary>
    public TimeSpan Percentile(double share)
    {
        lock (_gate)
            return _pushes.Count == 0 ? TimeSpan.Zero : _pushes.Order().ElementAt((int)(share * (_pushes.Count - 1)));
    }

    /// <summary>The pushers stop: what comes now is no gap.</summary>
    public void PushingEnds()
    {
        lock (_gate)
            NoteGap();
    }

    /// <summary>The pushers start.</summary>
    public void PushingBegins()
    {
        lock (_gate)
            _lastSuccess = _clock.Elapsed;
    }

    public void Dispose()
    {
        _events.Dispose();
        _violated.Dispose();
    }

    private void NoteGap()
    {
        var gap = _clock.Elapsed - _lastSuccess;
        LongestWithoutPush = gap > LongestWithoutPush ? gap : LongestWithoutPush;
    }
}
