using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The contents of all caches.</summary>
internal sealed class RoutedContents(CacheRegistry caches) : ICacheContents
{
    public async Task<bool> HasNarAsync(CacheName cache, Caller caller, Sha256Hash nar, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.HasNarAsync(cache, caller, nar, cancellationToken);
    }

    public async Task<ObjectKey?> FindMovedNarAsync(CacheName cache, ObjectKey former, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.FindMovedNarAsync(cache, former, cancellationToken);
    }

    public async Task<bool> HasPathAsync(CacheName cache, Caller caller, StorePathHash path, bool withListing,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.HasPathAsync(cache, caller, path, withListing, cancellationToken);
    }

    public async Task<bool> HasObjectAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.HasObjectAsync(cache, caller, key, cancellationToken);
    }

    public async Task<PushedClosure?> ClosureAsync(CacheName cache, Caller caller, StorePathHash root, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.Contents.ClosureAsync(cache, caller, root, cancellationToken);
    }
}
