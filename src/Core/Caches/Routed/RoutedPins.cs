using OrleansCache.Contracts;

namespace OrleansCache.Core.Caches;

/// <summary>The contract of pins over all caches.</summary>
internal sealed class RoutedPins(CacheRegistry caches, Caller? caller = null) : IPins
{
    public IPins As(Caller other) => new RoutedPins(caches, other);

    public async Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).SetAsync(cache, name, request, condition, operation, patience, cancellationToken);
    }

    public async Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition,
        OperationId operation, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).RollbackAsync(cache, name, request, condition, operation, patience, cancellationToken);
    }

    public async Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).DeleteAsync(cache, name, condition, operation, patience, cancellationToken);
    }

    public async Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).WrittenAsync(cache, name, patience, cancellationToken);
    }

    public async Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).ListAsync(cache, cancellationToken);
    }

    public async Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).ShowAsync(cache, name, cancellationToken);
    }

    public async Task<PinVersion?> VersionAsync(CacheName cache, PinName name, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).VersionAsync(cache, name, cancellationToken);
    }

    private IPins Of(CacheRegistry.Use use) => caller is null ? use.Services.Pins : use.Services.Pins.As(caller);
}
