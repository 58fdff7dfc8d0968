using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>Starts runs at the collector's grain. Their state is in the catalog, which answers any process at once.</summary>
internal sealed class ClusterCollection(IGarbageCollection direct, ClusterCalls calls, string scope) : IGarbageCollection
{
    /// <summary>The part of the grain's key after its cache.</summary>
    public const string Name = "gc";

    public async Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation,
        CancellationToken cancellationToken)
    {
        var start = new GcStart
        {
            Operation = operation.Value,
            Deadline = calls.DeadlineNow,
            OlderThanSeconds = request.OlderThanSeconds,
            FailedUploadsOlderThanSeconds = request.FailedUploadsOlderThanSeconds,
            GraceSeconds = request.GraceSeconds,
            Force = request.Force,
            DryRun = request.DryRun,
            Publisher = caller.Publisher,
            Address = caller.Address,
        };
        return await calls.AskAsync(
            async grains =>
            {
                var started = await grains.GetGrain<IGcGrain>(new GrainKey(scope, cache, Name).ToString()).StartAsync(start);
                return started.Problem is { } problem ? throw problem.ToException()
                    : await direct.RunAsync(cache, started.Run, cancellationToken);
            },
            () => direct.StartAsync(cache, caller, request, operation, cancellationToken),
            cancellationToken);
    }

    public Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken) =>
        direct.RunAsync(cache, run, cancellationToken);

    public Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken) => direct.StatusAsync(cache, cancellationToken);

    public Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        direct.HistoryAsync(cache, limit, cancellationToken);

    public Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken) => direct.CancelAsync(cache, cancellationToken);

    public Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken) =>
        direct.WhyAsync(cache, path, cancellationToken);
}
