using OrleansCache.Core;
using OrleansCache.Core.Gc;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Pushes;

namespace OrleansCache.Grains;

/// <summary>The three contracts over a cluster: the core services of this process, and grains that make them calmer. Without an answer of the cluster they work all the same.</summary>
public sealed class ClusterEngine(CacheCore core, IGrainFactory grains)
{
    public IPushes Pushes { get; } = core.Pushes;

    public IPins Pins { get; } = core.Pins;

    public IGarbageCollection Collection { get; } = core.Collection;

    public IGrainFactory Grains { get; } = grains;
}
