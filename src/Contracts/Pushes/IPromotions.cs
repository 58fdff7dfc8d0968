using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// Takes closures over from another cache of the same server: as a push of the target whose NARs the store copies itself, so that no bytes
/// of them pass through client or server. The target's own policy verifies them.
/// </summary>
public interface IPromotions
{
    /// <summary>
    /// Promotes, and returns when the closure is published. The same request with the same <paramref name="operation"/> goes on where the
    /// former one stopped, and repeats nothing that is done. Whoever asks must be allowed to read the source.
    /// </summary>
    /// <param name="target">The cache that takes the closure over.</param>
    /// <param name="request">What, and where from.</param>
    /// <param name="caller">Who pushes to the target.</param>
    /// <param name="operation">The caller's own.</param>
    /// <param name="tell">Called with how far it is; it must not block.</param>
    /// <param name="cancellationToken">Ends it: no copy goes on.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.PathNotInCache"/>: the source has a root, or something that it needs,
    /// not or no more; what a push of the target is refused for; <see cref="ProblemKind.Unavailable"/>: too many are under way, or
    /// database or store do not answer.</exception>
    Task<Promotion> PromoteAsync(CacheName target, PromoteRequest request, Caller caller, OperationId operation,
        Action<PromotionProgress> tell, CancellationToken cancellationToken);

    /// <summary>Paths of a cache's stages that do not go to it by themselves, and why.</summary>
    /// <param name="cache">The cache that the stages are of.</param>
    /// <param name="after">The last path of the former answer; null: from the start.</param>
    /// <param name="all">Also those about which nobody differs.</param>
    /// <param name="limit">So many at most, from 1 to <see cref="MaxConflicts"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownCache"/>, or the database does not answer.</exception>
    Task<ConflictList> ConflictsAsync(CacheName cache, StorePathHash? after, bool all, int limit, CancellationToken cancellationToken);

    /// <summary>As many paths as one answer has.</summary>
    const int MaxConflicts = 1_000;
}
