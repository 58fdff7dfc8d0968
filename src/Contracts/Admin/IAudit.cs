namespace OrleansCache.Contracts;

/// <summary>The audit log: what was done to a cache, by whom. The catalog writes its lines with each change.</summary>
public interface IAudit
{
    /// <summary>A page of lines, newest first.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: <see cref="AuditQuery.After"/> is no
    /// page's.</exception>
    Task<AuditPage> ReadAsync(CacheName cache, AuditQuery query, CancellationToken cancellationToken);
}

/// <param name="Since">Not before this.</param>
/// <param name="Until">Before this.</param>
/// <param name="By">Only what this publisher did.</param>
/// <param name="Action">Only this action; <c>pin</c> is all that begin with <c>pin.</c></param>
/// <param name="After">What the page before told as <see cref="AuditPage.Next"/>.</param>
public sealed record AuditQuery(DateTimeOffset? Since = null, DateTimeOffset? Until = null, string? By = null, string? Action = null,
    string? After = null, int Limit = AuditQuery.MaxLimit)
{
    public const int MaxLimit = 1000;
}
