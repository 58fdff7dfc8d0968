using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>Single paths of all caches.</summary>
internal sealed class RoutedPaths(CacheRegistry caches) : IPaths
{
    public async Task<PathLife> GetAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Paths.GetAsync(cache, path, cancellationToken);
    }
}
