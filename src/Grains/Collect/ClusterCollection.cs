using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>
/// Starts runs at the collector's grain, and asks it what it remembers. The state of a run is in the catalog, which answers any process at
/// once.
/// </summary>
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
                var started = await GrainOf(grains, cache).StartAsync(start);
                return started.Problem is { } problem ? throw problem.ToException()
                    : await direct.RunAsync(cache, started.Run, cancellationToken);
            },
            () => direct.StartAsync(cache, caller, request, operation, cancellationToken),
            cancellationToken);
    }

    public Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken) =>
        direct.RunAsync(cache, run, cancellationToken);

    public async Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken)
    {
        var status = await direct.StatusAsync(cache, cancellationToken);
        var memory = await calls.ReadAsync<GcMemory?>(async grains => await GrainOf(grains, cache).GetMemoryAsync(),
            () => Task.FromResult<GcMemory?>(null), cancellationToken);
        return status with
        {
            Started = memory?.Started is { } started ? new GcStartNote(started.Run, started.At, started.By) : null,
            Fired = memory?.Fired is { } fired ? new GcFiringNote(fired.At, fired.Run, fired.Refusal) : null,
        };
    }

    public Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        direct.HistoryAsync(cache, limit, cancellationToken);

    public Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken) => direct.CancelAsync(cache, cancellationToken);

    public Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken) =>
        direct.WhyAsync(cache, path, cancellationToken);

    private IGcGrain GrainOf(IGrainFactory grains, CacheName cache) =>
        grains.GetGrain<IGcGrain>(new GrainKey(scope, cache, Name).ToString());
}
