using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Grains;
using OrleansCache.Model.Tests;

namespace OrleansCache.ClusterModel.Tests;

/// <summary>The product's engine at a silo.</summary>
internal sealed class EngineAt : IEngine
{
    private readonly ScheduledGrains _grains;
    private readonly int _silo;
    private readonly ClusterEngine _engine;

    public EngineAt(ModelCluster cluster, ScheduledGrains grains, string scope, TimeProvider time, int silo)
    {
        (_grains, _silo) = (grains, silo);
        _engine = new ClusterEngine(cluster.EnginesAt(silo), scope, time);
        _engine.Attach(NamedGrains.Over(cluster.GrainsAt(silo), grains));
    }

    public IUploadNews News => _engine.News;

    public CoreServices Over(CoreServices direct)
    {
        var ending = direct with { Pushes = EndingPushes.Over(direct.Pushes, _grains) };
        _grains.Serve(_silo, ending);
        return _engine.Over(ending);
    }
}

/// <summary>The schedule's clock. Pauses are gates; how long a call is waited for is decided by who loses it.</summary>
internal sealed class CallClock(Schedule schedule) : TimeProvider
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);
    private readonly ModelClock _pauses = new();

    public override DateTimeOffset GetUtcNow() => schedule.Now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        _pauses.CreateTimer(callback, state, dueTime < LongestPause ? dueTime : Timeout.InfiniteTimeSpan, period);
}
