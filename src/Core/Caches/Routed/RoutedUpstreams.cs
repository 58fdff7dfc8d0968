using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The upstreams of all caches.</summary>
internal sealed class RoutedUpstreams(CacheRegistry caches, CacheDirectory ids) : IUpstreams
{
    public async Task<UpstreamReport> ReportAsync(CacheName cache, int limit, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Upstreams.ReportAsync(ids.IdOf(cache), limit, cancellationToken);
    }

    public async Task<BoundaryList> OfPathAsync(CacheName cache, StorePathHash path, int limit, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return new BoundaryList
        {
            Boundaries = await use.Services.Upstreams.OfClosureAsync(ids.IdOf(cache), path, limit, cancellationToken),
        };
    }
}
