using OrleansCache.Contracts;

namespace OrleansCache.Grains;

/// <summary>Lets the first push of a closure go ahead of the others; passes all else on, as the catalog alone decides it.</summary>
internal sealed class ClusterPushes(IPushes direct, ClosureLeadership leadership, Caller? caller = null) : IPushes
{
    private readonly Caller _caller = caller ?? Caller.Anonymous;

    public IPushes As(Caller other) => new ClusterPushes(direct.As(other), leadership, other);

    public async Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancellationToken)
    {
        var closure = ClosureLeadership.DigestOf(request, _caller.Group);
        var first = await leadership.TakeAsync(cache, closure, operation, cancellationToken);
        PushOpened? opened = null;
        try
        {
            return opened = await direct.BeginAsync(cache, request, operation, cancellationToken);
        }
        finally
        {
            leadership.Opened(cache, closure, first, opened);
        }
    }

    public Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancellationToken) =>
        direct.ReportAsync(cache, push, report, cancellationToken);

    public Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancellationToken) =>
        direct.WaitAsync(cache, push, request, cancellationToken);

    public Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request,
        CancellationToken cancellationToken) =>
        direct.UrlsAsync(cache, push, upload, request, cancellationToken);

    public Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancellationToken) =>
        direct.CommitAsync(cache, push, patience, cancellationToken);

    public Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancellationToken) =>
        direct.PinAsync(cache, push, cancellationToken);

    public Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancellationToken) =>
        direct.RenewAsync(cache, push, cancellationToken);

    public Task AbortAsync(CacheName cache, PushId push, CancellationToken cancellationToken) =>
        direct.AbortAsync(cache, push, cancellationToken);

    public Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancellationToken) =>
        direct.MissingAsync(cache, request, cancellationToken);
}
