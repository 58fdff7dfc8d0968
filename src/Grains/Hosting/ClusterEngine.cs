using OrleansCache.Contracts;
using OrleansCache.Core;

namespace OrleansCache.Grains;

/// <summary>
/// The core services of a process, with grains before and beside them. Each call of a grain is tried once more, and then the same operation
/// is done without it. The catalog keeps everything safe, so pushes succeed while one process and the database run.
/// </summary>
public sealed class ClusterEngine : IEngine
{
    private static readonly TimeSpan ArmPause = TimeSpan.FromSeconds(5);
    private readonly ServicesByScope _services;
    private readonly string _scope;
    private readonly ClusterCalls _calls;
    private CancellationToken _stopping;

    public ClusterEngine(TimeProvider time)
        : this(new ServicesByScope(), "", time)
    {
    }

    internal ClusterEngine(ServicesByScope services, string scope, TimeProvider time, TimeSpan? patience = null)
    {
        (_services, _scope) = (services, scope);
        _calls = new ClusterCalls(time);
        News = new ClusterNews(_calls, scope, time);
        Leadership = new ClosureLeadership(_calls, scope, time, patience ?? ClosureLeadership.Patience);
    }

    public IUploadNews News { get; }

    internal ClosureLeadership Leadership { get; }

    internal ServicesByScope Services => _services;

    public CoreServices Over(CoreServices direct)
    {
        _services.Add(_scope, direct);
        return direct with
        {
            Pushes = new ClusterPushes(direct.Pushes, Leadership),
            Pins = new ClusterPins(direct.Pins, _calls, _scope),
            Collection = new ClusterCollection(direct.Collection, _calls, _scope),
            NixCopy = new ClusterNixCopy(direct.NixCopy, Leadership),
            Paths = new ClusterPaths(direct.Paths, _calls, _scope),
        };
    }

    /// <summary>Connects the engine to the cluster.</summary>
    internal void Attach(IGrainFactory grains) => _calls.Grains = grains;

    /// <summary>Disconnects it: each call of a grain is then done without it.</summary>
    public void Detach() => _calls.Grains = null;

    /// <summary>Registers the collector's schedule of each cache; tries until the cluster has it.</summary>
    internal async Task ArmAsync(IGrainFactory grains, CancellationToken stopping)
    {
        _stopping = stopping;
        foreach (var cache in _services.Of(new GrainKey(_scope, CacheName.Default, "")).Caches())
            await ArmAsync(grains, cache, stopping);
    }

    public void Serves(CacheName cache)
    {
        // Before the silo has started nobody is told; its start tells of all.
        if (_calls.Grains is { } grains)
            _ = Task.Run(() => ArmAsync(grains, cache, _stopping), CancellationToken.None);
    }

    private async Task ArmAsync(IGrainFactory grains, CacheName cache, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested && _calls.Grains is not null)
        {
            try
            {
                await grains.GetGrain<IGcGrain>(new GrainKey(_scope, cache, ClusterCollection.Name).ToString()).ArmAsync();
                break;
            }
            catch (Exception) when (!stopping.IsCancellationRequested)
            {
                // A silo was lost, or the database is unreachable. Both are temporary.
                await Task.Delay(ArmPause, CancellationToken.None);
            }
        }
    }
}
