using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The contract of attic's client over all caches.</summary>
internal sealed class RoutedAtticPushes(CacheRegistry caches) : IAtticPushes
{
    public async Task<IReadOnlyList<StorePathHash>> FindMissingAsync(CacheName cache, Caller caller, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.AtticPushes.FindMissingAsync(cache, caller, paths, cancellationToken);
    }

    public async Task<AtticUpload> UploadAsync(CacheName cache, Caller caller, AtticPath path, Stream nar, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.AtticPushes.UploadAsync(cache, caller, path, nar, patience, cancellationToken);
    }

    public async Task<WaitingPathList> ListWaitingAsync(CacheName cache, int limit, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.AtticPushes.ListWaitingAsync(cache, limit, cancellationToken);
    }
}
