using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The contents of all caches.</summary>
internal sealed class RoutedContents(CacheRegistry caches) : ICacheContents
{
    public async Task<bool> HasNarAsync(CacheName cache, Sha256Hash nar, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.HasNarAsync(cache, nar, cancellationToken);
    }

    public async Task<ObjectKey?> FindMovedNarAsync(CacheName cache, ObjectKey former, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.FindMovedNarAsync(cache, former, cancellationToken);
    }

    public async Task<bool> HasPathAsync(CacheName cache, StorePathHash path, bool withListing, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.HasPathAsync(cache, path, withListing, cancellationToken);
    }

    public async Task<bool> HasObjectAsync(CacheName cache, ObjectKey key, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.HasObjectAsync(cache, key, cancellationToken);
    }

    public async Task<PushedClosure?> ClosureAsync(CacheName cache, StorePathHash root, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.ClosureAsync(cache, root, cancellationToken);
    }
}
