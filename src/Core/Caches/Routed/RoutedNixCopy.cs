using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The contract of stock Nix over all caches.</summary>
internal sealed class RoutedNixCopy(CacheRegistry caches) : INixCopy
{
    public async Task<bool> PromisePathAsync(CacheName cache, Caller caller, StorePathHash path, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.NixCopy.PromisePathAsync(cache, caller, path, cancellationToken);
    }

    public async Task<NarFile?> PromiseNarAsync(CacheName cache, Caller caller, NarFileName name, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.NixCopy.PromiseNarAsync(cache, caller, name, cancellationToken);
    }

    public async Task ReceiveNarAsync(CacheName cache, Caller caller, NarFileName name, Stream body, long length,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await use.Services.NixCopy.ReceiveNarAsync(cache, caller, name, body, length, cancellationToken);
    }

    public async Task<NarInfoOutcome> PublishAsync(CacheName cache, Caller caller, NarInfo info, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.NixCopy.PublishAsync(cache, caller, info, patience, cancellationToken);
    }

    public async Task KeepAsync(CacheName cache, Caller caller, NixExtra extra, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await use.Services.NixCopy.KeepAsync(cache, caller, extra, patience, cancellationToken);
    }

    public async Task<byte[]?> FindWaitingAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await use.Services.NixCopy.FindWaitingAsync(cache, caller, key, cancellationToken);
    }
}
