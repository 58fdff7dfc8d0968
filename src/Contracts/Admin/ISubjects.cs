namespace OrleansCache.Contracts;

/// <summary>
/// The contract of blocks: publishers who are refused although their credential is good. No process remembers one, so a block holds for the
/// next request of every server.
/// </summary>
public interface ISubjects
{
    /// <summary>
    /// Refuses the publishers of a pattern, and ends their open pushes; a second block of the same pattern is the first one.
    /// </summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: nobody can have such a name, or only a token of the
    /// token file.</exception>
    Task<Blocked> BlockAsync(CacheName cache, BlockSubjects request, Caller caller, CancellationToken cancellationToken);

    /// <summary>
    /// Lets them in again; a second call does nothing. <see cref="ProblemKind.UnknownBlock"/>: there never was such a block.
    /// </summary>
    Task UnblockAsync(CacheName cache, long block, Caller caller, CancellationToken cancellationToken);

    /// <summary>The blocks, newest first.</summary>
    Task<BlockList> ListAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken);

    /// <summary>The block of a publisher; null: none, or no such cache.</summary>
    /// <exception cref="CacheProblemException">The database does not answer, so nothing is known.</exception>
    Task<SubjectBlock?> FindAsync(CacheName cache, string publisher, CancellationToken cancellationToken);
}

/// <summary>Why a publisher is refused.</summary>
/// <param name="Pattern">Of the block.</param>
/// <param name="Reason">Of the block; null: none was given.</param>
public sealed record SubjectBlock(string Pattern, string? Reason);
