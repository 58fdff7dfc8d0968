namespace OrleansCache.Contracts;

/// <summary>The audit log: who did what to a cache. The catalog writes its lines in the transaction of each change.</summary>
public interface IAudit
{
    /// <summary>A page of lines, newest first; where there is no such cache, of the last one of that name that was deleted.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: <see cref="AuditQuery.After"/> is from no
    /// page.</exception>
    Task<AuditPage> ReadAsync(CacheName cache, AuditQuery query, CancellationToken cancellationToken);
}

/// <param name="Since">Not before this time.</param>
/// <param name="Until">Before this time.</param>
/// <param name="By">Only this publisher's actions.</param>
/// <param name="Action">Only this action; <c>pin</c> stands for all that begin with <c>pin.</c></param>
/// <param name="After">The previous page's <see cref="AuditPage.Next"/>.</param>
public sealed record AuditQuery(DateTimeOffset? Since = null, DateTimeOffset? Until = null, string? By = null, string? Action = null,
    string? After = null, int Limit = AuditQuery.MaxLimit)
{
    public const int MaxLimit = 1000;
}
