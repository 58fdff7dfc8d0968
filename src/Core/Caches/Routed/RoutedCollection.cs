using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The collector's contract over all caches.</summary>
internal sealed class RoutedCollection(CacheRegistry caches) : IGarbageCollection
{
    public async Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Collection.StartAsync(cache, caller, request, operation, cancellationToken);
    }

    public async Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Collection.RunAsync(cache, run, cancellationToken);
    }

    public async Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Collection.StatusAsync(cache, cancellationToken);
    }

    public async Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Collection.HistoryAsync(cache, limit, cancellationToken);
    }

    public async Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Collection.CancelAsync(cache, cancellationToken);
    }

    public async Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Collection.WhyAsync(cache, path, cancellationToken);
    }
}
