using System.Diagnostics;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Collect.Order;

/// <summary>
/// Keeps the collector out of the way of pushes. No client waits for a collection. So while pushes come, through any process, the collector
/// works in small steps and rests after each for a multiple of its time; pushes have the database and the processors most of the time.
/// Without pushes it does not rest.
/// </summary>
/// <param name="database">Null: it never rests.</param>
internal sealed class GcPace(CatalogDatabase? database)
{
    private const int RestFactor = 3;
    private const int SmallerSteps = 8;
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxRest = TimeSpan.FromSeconds(2);
    // A timer is no finer than this; a shorter step is added to the next one.
    private static readonly TimeSpan ShortestStep = TimeSpan.FromMilliseconds(4);
    // When the database was last asked; 0 before the first time. The thread that changes it asks.
    private long _asked;
    private volatile bool _pushesCome;

    /// <summary>One that never rests.</summary>
    public static GcPace Full { get; } = new(null);

    public bool PushesCome => _pushesCome;

    /// <summary>The size of one step; <paramref name="most"/> is its size while no push comes.</summary>
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
        // Pushes of all caches count, as they share the database.
        _pushesCome = await database.SingleAsync(
            "select coalesce((select u.created > clock_timestamp() - $1 from push u order by u.id desc limit 1), false)", p =>
                p.With(Lately), r => r.GetBoolean(0), cancellationToken);
    }
}
