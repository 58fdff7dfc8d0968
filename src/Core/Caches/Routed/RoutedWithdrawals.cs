using OrleansCache.Contracts;

namespace OrleansCache.Core.Caches;

/// <summary>Withdrawals of all caches.</summary>
internal sealed class RoutedWithdrawals(CacheRegistry caches) : IWithdrawals
{
    public async Task<PublishedPaths> ListPathsAsync(CacheName cache, string publisher, DateTimeOffset? since, string? after, int limit,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Withdrawals.ListPathsAsync(cache, publisher, since, after, limit, cancellationToken);
    }

    public async Task<Eviction> EvictAsync(CacheName cache, EvictRequest request, Caller caller, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Withdrawals.EvictAsync(cache, request, caller, operation, patience, cancellationToken);
    }

    public async Task<BarList> ListBarsAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Withdrawals.ListBarsAsync(cache, liftedToo, cancellationToken);
    }

    public async Task LiftAsync(CacheName cache, long bar, Caller caller, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await use.Services.Withdrawals.LiftAsync(cache, bar, caller, cancellationToken);
    }
}
