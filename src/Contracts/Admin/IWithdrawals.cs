namespace OrleansCache.Contracts;

/// <summary>
/// Takes back what should never have been published. Once an eviction has begun nobody is promised its paths any more, and it ends whatever
/// becomes of the process
/// that began it: the catalog has its steps.
/// </summary>
public interface IWithdrawals
{
    /// <summary>What a publisher has published, a page of it.</summary>
    /// <param name="after">What the page before answered as <see cref="PublishedPaths.Next"/>; null for the first.</param>
    Task<PublishedPaths> ListPathsAsync(CacheName cache, string publisher, DateTimeOffset? since, string? after, int limit,
        CancellationToken cancellationToken);

    /// <summary>
    /// Takes paths back, with all that refers to them, and bars their content. Answers when that is done or the patience is over; the same
    /// <paramref name="operation"/> again tells how far it is.
    /// </summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownPath"/>: there never was such a path;
    /// <see cref="ProblemKind.KeyReused"/>.</exception>
    Task<Eviction> EvictAsync(CacheName cache, EvictRequest request, Caller caller, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>Bars that stand, newest first.</summary>
    Task<BarList> ListBarsAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken);

    /// <summary>The content may come back; again does nothing. There never was such a bar: <see cref="ProblemKind.UnknownBar"/>.</summary>
    Task LiftAsync(CacheName cache, long bar, Caller caller, CancellationToken cancellationToken);
}
