using OrleansCache.Contracts;

namespace OrleansCache.Core.Caches;

/// <summary>The push contract over all caches: each call goes to the services of its cache.</summary>
internal sealed class RoutedPushes(CacheRegistry caches, Caller? caller = null) : IPushes
{
    public IPushes As(Caller other) => new RoutedPushes(caches, other);

    public async Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).BeginAsync(cache, request, operation, cancellationToken);
    }

    public async Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).ReportAsync(cache, push, report, cancellationToken);
    }

    public async Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).WaitAsync(cache, push, request, cancellationToken);
    }

    public async Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).UrlsAsync(cache, push, upload, request, cancellationToken);
    }

    public async Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).CommitAsync(cache, push, patience, cancellationToken);
    }

    public async Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).PinAsync(cache, push, cancellationToken);
    }

    public async Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).RenewAsync(cache, push, cancellationToken);
    }

    public async Task AbortAsync(CacheName cache, PushId push, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await Of(use).AbortAsync(cache, push, cancellationToken);
    }

    public async Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        return await Of(use).MissingAsync(cache, request, cancellationToken);
    }

    private IPushes Of(CacheRegistry.Use use) => caller is null ? use.Services.Pushes : use.Services.Pushes.As(caller);
}
