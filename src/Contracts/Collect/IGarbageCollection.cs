using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The collector's contract. A run lives in the catalog, not in the request: whoever asks may go, and another process may end it.
/// </summary>
#pragma warning disable CA1711 // The collecting, not a collection of things.
public interface IGarbageCollection
#pragma warning restore CA1711
{
    /// <summary>
    /// Starts a run, or joins the one that the same <paramref name="operation"/> started. Another one under way:
    /// <see cref="ProblemKind.GcRunning"/>.
    /// </summary>
    /// <param name="caller">Who stands in the audit log; the schedule is the server's own.</param>
    Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation, CancellationToken cancellationToken);

    /// <summary>The same on the server's own account.</summary>
    Task<GcRun> StartAsync(CacheName cache, GcRequest request, OperationId operation, CancellationToken cancellationToken) =>
        StartAsync(cache, Caller.Server, request, operation, cancellationToken);

    /// <summary>A run as it is now; one that is not there: <see cref="ProblemKind.UnknownGcRun"/>.</summary>
    Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken);

    Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken);

    Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken);

    /// <summary>Asks the run under way to stop; it does so within seconds. Null when none is.</summary>
    Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>What keeps a path alive. A path that never was: <see cref="ProblemKind.UnknownPath"/>.</summary>
    Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken);
}
