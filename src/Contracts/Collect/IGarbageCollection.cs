using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The collector's contract. A run lives in the catalog, not in the request: its caller may go, and another process may end it.
/// </summary>
#pragma warning disable CA1711 // The collecting, not a collection of things.
public interface IGarbageCollection
#pragma warning restore CA1711
{
    /// <summary>
    /// Starts a run, or joins the one that the same <paramref name="operation"/> started. <see cref="ProblemKind.GcRunning"/>: another one
    /// is under way.
    /// </summary>
    /// <param name="caller">The name in the audit log; a scheduled run is the server's own.</param>
    Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation, CancellationToken cancellationToken);

    /// <summary>The same, as the server itself.</summary>
    Task<GcRun> StartAsync(CacheName cache, GcRequest request, OperationId operation, CancellationToken cancellationToken) =>
        StartAsync(cache, Caller.Server, request, operation, cancellationToken);

    /// <summary>A run as it is now. <see cref="ProblemKind.UnknownGcRun"/>: there is no such run.</summary>
    Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken);

    Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken);

    Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken);

    /// <summary>Asks the run under way to stop, which it does within seconds. Null when none is under way.</summary>
    Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>What keeps a path alive. <see cref="ProblemKind.UnknownPath"/>: there never was such a path.</summary>
    Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken);
}
