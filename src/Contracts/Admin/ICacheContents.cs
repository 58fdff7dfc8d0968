using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>What is in a cache, as its catalog says it. Advice only: nothing is held.</summary>
public interface ICacheContents
{
    /// <summary>A NAR of this hash has arrived, whichever key it has.</summary>
    Task<bool> HasNarAsync(CacheName cache, Sha256Hash nar, CancellationToken cancellationToken);

    /// <summary>
    /// Where the NAR is now that this key had before: its path was deleted, and came back under another key. Null when it is nowhere, or
    /// only compressed in another way.
    /// </summary>
    Task<ObjectKey?> FindMovedNarAsync(CacheName cache, ObjectKey former, CancellationToken cancellationToken);

    /// <param name="cache">Where.</param>
    /// <param name="path">Which.</param>
    /// <param name="withListing">It has a listing too.</param>
    /// <param name="cancellationToken">Ends the question.</param>
    Task<bool> HasPathAsync(CacheName cache, StorePathHash path, bool withListing, CancellationToken cancellationToken);

    /// <summary>A log or realisation.</summary>
    Task<bool> HasObjectAsync(CacheName cache, ObjectKey key, CancellationToken cancellationToken);

    /// <summary>A pushed closure, by its root; null when there is none of that root.</summary>
    Task<PushedClosure?> ClosureAsync(CacheName cache, StorePathHash root, CancellationToken cancellationToken);
}

/// <param name="Pushed">When it was last pushed.</param>
public sealed record PushedClosure(DateTimeOffset Pushed, IReadOnlyList<ClosurePath> Paths);

/// <param name="Objects">Its logs and realisations.</param>
public sealed record ClosurePath(StorePathHash Path, Sha256Hash NarHash, bool HasListing, IReadOnlyList<ObjectKey> Objects);
