using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Core;

/// <summary>
/// The layer that a cluster puts before each process's core services. Optional. It reduces load and latency; correctness never depends on
/// it.
/// </summary>
public interface IEngine
{
    /// <summary>News of uploads between the processes.</summary>
    IUploadNews News { get; }

    /// <summary>Returns what clients are served instead of the direct services: the contracts, each through its grains.</summary>
    CoreServices Over(CoreServices direct);
}

/// <summary>The contracts in process.</summary>
/// <param name="Gc">The engine keeps its schedule.</param>
public sealed record CoreServices(IPushes Pushes, IPins Pins, IGarbageCollection Collection, INixCopy NixCopy, IPaths Paths, GcOptions Gc,
    IReadOnlyCollection<CacheName> Caches);
