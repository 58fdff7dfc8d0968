using OrleansCache.Core.Gc;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Pushes;

namespace OrleansCache.Core;

/// <summary>
/// What a cluster puts before and beside the core services of each process. It makes them calmer and never right: all of it may be away at any time, and the
/// same is done without it.
/// </summary>
public interface IEngine
{
    /// <summary>News of uploads between the processes.</summary>
    IUploadNews News { get; }

    /// <summary>One push of a closure ahead of the others, wherever they begin.</summary>
    IPushTurns Turns { get; }

    /// <summary>What clients are served instead of the services themselves.</summary>
    (IPins Pins, IGarbageCollection Collection) Over(CoreServices direct);
}

/// <summary>The contracts in process.</summary>
/// <param name="Gc">Its schedule is the engine's to keep.</param>
public sealed record CoreServices(IPushes Pushes, IPins Pins, IGarbageCollection Collection, GcOptions Gc, IReadOnlyCollection<CacheName> Caches);
