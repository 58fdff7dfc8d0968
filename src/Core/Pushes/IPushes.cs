using OrleansCache.Protocol;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The push contract; every engine and protocol goes through it. Each call may be sent again after a lost answer.
/// Bad requests and unmet conditions are <see cref="CacheProblemException"/>.
/// </summary>
public interface IPushes
{
    /// <summary>Opens a push of a closure. The same <paramref name="operation"/> again joins the push that it opened.</summary>
    Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancel);

    /// <summary>Checks and records finished uploads, and keeps listings, logs and realisations for the commit.</summary>
    Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancel);

    /// <summary>Waits until one of the paths is no longer being uploaded by others, or the timeout has passed.</summary>
    Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancel);

    /// <summary>Fresh upload URLs of a grant.</summary>
    Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request, CancellationToken cancel);

    /// <summary>
    /// Publishes the closure, all or nothing. Answers <see cref="PushState.Committing"/> when that takes longer than <paramref name="patience"/>; asking again joins it.
    /// Paths that are neither live nor uploaded: <see cref="ProblemKind.MissingPaths"/>.
    /// </summary>
    Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancel);

    /// <summary>The pin that the push's commit sets; null when it sets none, or there is no such push.</summary>
    Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancel);

    /// <summary>Extends an open push; says which promises a lapse has cost.</summary>
    Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancel);

    /// <summary>Ends an open push without publishing. Uploads that nobody else holds are collected. Aborting an ended push does nothing.</summary>
    Task AbortAsync(CacheName cache, PushId push, CancellationToken cancel);

    /// <summary>Which of the paths are absent? Advice only.</summary>
    Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancel);
}

/// <summary>Identifies a push within its cache; a positive integer in decimal.</summary>
public readonly record struct PushId(long Value)
{
    public static bool TryParse(string? text, out PushId id)
    {
        var ok = long.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var value) && value > 0;
        id = new PushId(value);
        return ok;
    }

    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The client's <c>Idempotency-Key</c>, or one minted at the gateway: 1 to 128 printable ASCII characters.</summary>
public readonly record struct OperationId
{
    private OperationId(string value) => Value = value;

    public string Value { get; }

    public static OperationId New() => new(Guid.CreateVersion7().ToString("n"));

    public static bool TryParse(string? text, out OperationId id)
    {
        id = default;
        if (text is null || text.Length is 0 or > 128 || text.AsSpan().ContainsAnyExceptInRange('!', '~'))
            return false;
        id = new OperationId(text);
        return true;
    }

    public override string ToString() => Value ?? "";
}
