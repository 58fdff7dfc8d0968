namespace OrleansCache.Contracts;

/// <summary>
/// Withdraws what should never have been published. From the start of an eviction nobody is promised its paths. It ends even when the
/// process that began it dies, as the catalog has its steps.
/// </summary>
public interface IWithdrawals
{
    /// <summary>A page of what a publisher has published.</summary>
    /// <param name="after">The previous page's <see cref="PublishedPaths.Next"/>; null for the first.</param>
    Task<PublishedPaths> ListPathsAsync(CacheName cache, string publisher, DateTimeOffset? since, string? after, int limit,
        CancellationToken cancellationToken);

    /// <summary>
    /// Withdraws paths with all that refers to them, and bars their content. Answers when that is done or the patience is over; the same
    /// <paramref name="operation"/> again tells the progress.
    /// </summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownPath"/>: there never was such a path;
    /// <see cref="ProblemKind.KeyReused"/>.</exception>
    Task<Eviction> EvictAsync(CacheName cache, EvictRequest request, Caller caller, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>The bars, newest first.</summary>
    Task<BarList> ListBarsAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken);

    /// <summary>
    /// Lets the content come back; a second call does nothing. <see cref="ProblemKind.UnknownBar"/>: there never was such a bar.
    /// </summary>
    Task LiftAsync(CacheName cache, long bar, Caller caller, CancellationToken cancellationToken);
}
