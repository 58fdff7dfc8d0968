using OrleansCache.Contracts;

namespace OrleansCache.Grains;

/// <summary>Pushes of one closure behind the first of them; all else is the catalog's, which decides by itself.</summary>
internal sealed class ClusterPushes(IPushes direct, ClosureLeadership leadership, Caller? caller = null) : IPushes
{
    private readonly Caller _caller = caller ?? Caller.Anonymous;

    public IPushes As(Caller other) => new ClusterPushes(direct.As(other), leadership, other);

    public async Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancel)
    {
        var closure = ClosureLeadership.DigestOf(request, _caller.Group);
        var first = await leadership.TakeAsync(cache, closure, operation, cancel);
        PushOpened? opened = null;
        try
        {
            return opened = await direct.BeginAsync(cache, request, operation, cancel);
        }
        finally
        {
            leadership.Opened(cache, closure, first, opened);
        }
    }

    public Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancel) =>
        direct.ReportAsync(cache, push, report, cancel);

    public Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancel) =>
        direct.WaitAsync(cache, push, request, cancel);

    public Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request, CancellationToken cancel) =>
        direct.UrlsAsync(cache, push, upload, request, cancel);

    public Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancel) =>
        direct.CommitAsync(cache, push, patience, cancel);

    public Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancel) => direct.PinAsync(cache, push, cancel);

    public Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancel) => direct.RenewAsync(cache, push, cancel);

    public Task AbortAsync(CacheName cache, PushId push, CancellationToken cancel) => direct.AbortAsync(cache, push, cancel);

    public Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancel) =>
        direct.MissingAsync(cache, request, cancel);
}
