namespace OrleansCache.Contracts;

/// <summary>
/// The push contract. Clients that cannot wait, renew or declare first have contracts of their own over the same functions:
/// <see cref="INiks3Pushes"/>, <see cref="INixCopy"/>. Each call may be sent again after a lost answer.
/// Bad requests and unmet conditions are <see cref="CacheProblemException"/>.
/// </summary>
public interface IPushes
{
    /// <summary>
    /// The same for another caller. To it, the pushes of other publishers do not exist, except those that it was named a committer of; an
    /// admin sees all.
    /// </summary>
    IPushes As(Caller caller);

    /// <summary>Opens a push of a closure. The same <paramref name="operation"/> again joins the push that it opened.</summary>
    Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancellationToken);

    /// <summary>Checks and records finished uploads, and keeps listings, logs and realisations for the commit.</summary>
    Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancellationToken);

    /// <summary>Waits until one of the paths is no longer being uploaded by others, or the timeout has passed.</summary>
    Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancellationToken);

    /// <summary>Fresh upload URLs of a grant.</summary>
    Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Publishes the closure, all or nothing. Answers <see cref="PushState.Committing"/> when that takes longer than
    /// <paramref name="patience"/>; another call joins it. <see cref="ProblemKind.MissingPaths"/>: some paths are neither live nor
    /// uploaded.
    /// </summary>
    Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>The pin that the push's commit sets; null when it sets none, or there is no such push.</summary>
    Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancellationToken);

    /// <summary>Extends an open push; says which promises a lapse has cost.</summary>
    Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancellationToken);

    /// <summary>
    /// Ends an open push without publishing. Uploads that nobody else holds are collected. Aborting an ended push does nothing.
    /// </summary>
    Task AbortAsync(CacheName cache, PushId push, CancellationToken cancellationToken);

    /// <summary>Which of the paths are absent? Advice only.</summary>
    Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancellationToken);
}
