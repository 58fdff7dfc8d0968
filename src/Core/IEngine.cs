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

    /// <summary>A cache is served from now on, or its schedule has changed.</summary>
    void Serves(CacheName cache)
    {
    }
}

/// <summary>The contracts in process.</summary>
/// <param name="GcOf">The collector's options of a cache, whose schedule the engine keeps; null: it is not served here.</param>
/// <param name="Caches">The caches that are served now.</param>
public sealed record CoreServices(IPushes Pushes, IPins Pins, IGarbageCollection Collection, INixCopy NixCopy, IPaths Paths,
    Func<CacheName, GcOptions?> GcOf, Func<IReadOnlyCollection<CacheName>> Caches);
