using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Testing;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>A garbage collection without a grace, step by step, for the schedules in which something comes in between.</summary>
internal sealed class Collector
{
    private const int Cache = 1;
    private readonly GcCatalog _catalog;
    private readonly GcRunner _runner;
    private readonly TimeSpan _olderThan;
    private long _g;
    private Garbage _garbage = new([], []);

    public Collector(World world, TimeSpan? olderThan = null)
    {
        _olderThan = olderThan ?? TimeSpan.FromDays(30);
        _catalog = new GcCatalog(world.Core.Database);
        Deletions = new Deletions(world.Core.Database, world.Store, world.Options, GcPace.Full, NullLogger.Instance,
            new RefusedDeletions(TimeProvider.System, NullLogger.Instance));
        _runner = new GcRunner(_catalog, new PushCatalog(world.Core.Database), Deletions, world.Options, world.Gc, GcPace.Full);
    }

    public Deletions Deletions { get; }

    public GcProgress Progress { get; } = new();

    /// <summary>Touches in flight have ended; from now on they stamp a higher number than this run's.</summary>
    public async Task BarrierAsync() => _g = await _catalog.BarrierAsync(Cache, 0, "", CancellationToken.None);

    public async Task MarkAsync() => _garbage = await _runner.MarkAsync(Cache, _olderThan, Progress, CancellationToken.None);

    public Task CondemnAsync() => _runner.CondemnAsync(Cache, _g, _olderThan, _garbage, Progress, CancellationToken.None);

    /// <summary>What is condemned is deleted, of NARs the first time.</summary>
    public Task SweepAsync() => _runner.SweepAsync(Cache, _g, TimeSpan.Zero, Progress, CancellationToken.None);

    public async Task RunAsync()
    {
        await BarrierAsync();
        await MarkAsync();
        await CondemnAsync();
        await SweepAsync();
    }
}
