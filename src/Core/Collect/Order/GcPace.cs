using System.Diagnostics;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Collect.Order;

/// <summary>
/// Keeps the collector out of the way of pushes. Nobody waits for a collection, so while pushes come, through whichever process, it works
/// in small steps and
/// rests after each one for a multiple of the time that it took: database and processors are left to the pushes for most of the time.
/// When none come it does not rest at all.
/// </summary>
/// <param name="database">Null: it never rests.</param>
internal sealed class GcPace(CatalogDatabase? database)
{
    private const int RestFactor = 3;
    private const int SmallerSteps = 8;
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxRest = TimeSpan.FromSeconds(2);
    // A timer is no finer than this; what took less is added to what comes next.
    private static readonly TimeSpan ShortestStep = TimeSpan.FromMilliseconds(4);
    // When the database was asked last; 0 before. Whoever changes it asks.
    private long _asked;
    private volatile bool _pushesCome;

    /// <summary>One that never rests.</summary>
    public static GcPace Full { get; } = new(null);

    public bool PushesCome => _pushesCome;

    /// <summary>How much to do in one step where <paramref name="most"/> is what nobody would mind when alone.</summary>
    public int Step(int most) => _pushesCome ? Math.Max(1, most / SmallerSteps) : most;

    /// <summary>The ids in their order, a step at a time.</summary>
    public IEnumerable<long[]> Steps(List<long> ids, int most)
    {
        for (var at = 0; at < ids.Count;)
        {
            var step = ids.GetRange(at, Math.Min(Step(most), ids.Count - at));
            at += step.Count;
            yield return [.. step];
        }
    }

    /// <summary>Rests for what was done since <paramref name="started"/>, when pushes come.</summary>
    /// <returns>When the next step begins; <paramref name="started"/> itself when the step was too short to rest for.</returns>
    public async ValueTask<long> RestAsync(long started, CancellationToken cancellationToken)
    {
        var worked = Stopwatch.GetElapsedTime(started);
        if (worked < ShortestStep)
            return started;
        await LookAsync(cancellationToken);
        if (!_pushesCome)
            return Stopwatch.GetTimestamp();
        await Task.Delay(worked * RestFactor < MaxRest ? worked * RestFactor : MaxRest, cancellationToken);
        return Stopwatch.GetTimestamp();
    }

    /// <summary>Finds out whether pushes come, once a second.</summary>
    public async ValueTask LookAsync(CancellationToken cancellationToken)
    {
        var asked = Volatile.Read(ref _asked);
        if (database is null || asked != 0 && Stopwatch.GetElapsedTime(asked) < AskEvery
            || Interlocked.CompareExchange(ref _asked, Stopwatch.GetTimestamp(), asked) != asked)
            return;
        // Of any cache: they share the database.
        _pushesCome = await database.SingleAsync(
            "select coalesce((select u.created > clock_timestamp() - $1 from push u order by u.id desc limit 1), false)", p =>
                p.With(Lately), r => r.GetBoolean(0), cancellationToken);
    }
}
