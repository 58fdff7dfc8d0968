using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The contract of niks3's clients over all caches.</summary>
internal sealed class RoutedNiks3Pushes(CacheRegistry caches, Caller? caller = null) : INiks3Pushes
{
    public INiks3Pushes As(Caller other) => new RoutedNiks3Pushes(caches, other);

    public async Task<IReadOnlySet<StorePathHash>> PresentAsync(CacheName cache, IReadOnlyCollection<StorePathHash> roots,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).PresentAsync(cache, roots, cancellationToken);
    }

    public async Task<Niks3Opened> OpenAsync(CacheName cache, Niks3Push request, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).OpenAsync(cache, request, cancellationToken);
    }

    public async Task<IReadOnlyDictionary<StorePathHash, IReadOnlyList<string>>> DeclareAsync(CacheName cache, PushId push,
        IReadOnlyList<Niks3Declaration> paths, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).DeclareAsync(cache, push, paths, cancellationToken);
    }

    public async Task<IReadOnlyList<Uri>> PartsAsync(CacheName cache, string upload, Sha256Hash nar, int first, int count,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).PartsAsync(cache, upload, nar, first, count, cancellationToken);
    }

    public async Task UploadedAsync(CacheName cache, string upload, Sha256Hash nar, IReadOnlyList<string> md5,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await Of(use).UploadedAsync(cache, upload, nar, md5, cancellationToken);
    }

    public async Task ReceiveNarAsync(CacheName cache, PushId push, string secret, string upload, Sha256Hash nar, ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await Of(use).ReceiveNarAsync(cache, push, secret, upload, nar, file, cancellationToken);
    }

    public async Task<bool> KeepListingAsync(CacheName cache, PushId push, string secret, StorePathHash path, byte[] content,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).KeepListingAsync(cache, push, secret, path, content, cancellationToken);
    }

    public async Task<bool> KeepObjectAsync(CacheName cache, PushId push, string secret, ObjectKey key, byte[] content,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).KeepObjectAsync(cache, push, secret, key, content, cancellationToken);
    }

    public async Task<bool> IsOpenAsync(CacheName cache, PushId push, string secret, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).IsOpenAsync(cache, push, secret, cancellationToken);
    }

    public async Task<int> EndSilentAsync(CacheName cache, TimeSpan silence, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).EndSilentAsync(cache, silence, cancellationToken);
    }

    private INiks3Pushes Of(CacheRegistry.Use use) => caller is null ? use.Services.Niks3Pushes : use.Services.Niks3Pushes.As(caller);
}
