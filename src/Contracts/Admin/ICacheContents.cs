using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The contents of a cache, as its catalog says. Advice only: nothing is held. A caller who may not read others' is answered as if there
/// were only what his trust group has put.
/// </summary>
public interface ICacheContents
{
    /// <summary>True when a NAR of this hash has arrived, under any key.</summary>
    Task<bool> HasNarAsync(CacheName cache, Caller caller, Sha256Hash nar, CancellationToken cancellationToken);

    /// <summary>
    /// The present key of a NAR that had this key: its path was deleted, and came back under another key. Null when the NAR is gone, or
    /// there only in another compression.
    /// </summary>
    Task<ObjectKey?> FindMovedNarAsync(CacheName cache, ObjectKey former, CancellationToken cancellationToken);

    /// <param name="cache">The cache.</param>
    /// <param name="caller">Who asks.</param>
    /// <param name="path">The path.</param>
    /// <param name="withListing">It must have a listing too.</param>
    /// <param name="cancellationToken">Ends the question.</param>
    Task<bool> HasPathAsync(CacheName cache, Caller caller, StorePathHash path, bool withListing, CancellationToken cancellationToken);

    /// <summary>True when the cache has a log, a realisation, debug info or a NAR under this key.</summary>
    Task<bool> HasObjectAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken);

    /// <summary>A pushed closure, by its root; null when no closure has that root.</summary>
    Task<PushedClosure?> ClosureAsync(CacheName cache, Caller caller, StorePathHash root, CancellationToken cancellationToken);
}

/// <param name="Pushed">When it was last pushed.</param>
public sealed record PushedClosure(DateTimeOffset Pushed, IReadOnlyList<ClosurePath> Paths);

/// <param name="Objects">Its logs and realisations.</param>
public sealed record ClosurePath(StorePathHash Path, Sha256Hash NarHash, bool HasListing, IReadOnlyList<ObjectKey> Objects);
