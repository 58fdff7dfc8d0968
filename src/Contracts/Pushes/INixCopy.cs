using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The contract for clients that write as stock Nix does: object by object, without a push. A durable hold keeps what it answers "there" or
/// accepts, from before the answer until two hours after the publisher's last call, a day at most. What another trust group has published
/// and no server has read is not "there".
/// </summary>
public interface INixCopy
{
    /// <summary>
    /// Is the path there with all that it needs? Then it is held. A path that is being published or deleted is not there.
    /// </summary>
    Task<bool> PromisePathAsync(CacheName cache, Caller caller, StorePathHash path, CancellationToken cancellationToken);

    /// <summary>The NAR of this file's name, which is then held; null when it is not there.</summary>
    Task<NarFile?> PromiseNarAsync(CacheName cache, Caller caller, NarFileName name, CancellationToken cancellationToken);

    /// <summary>
    /// Stores a NAR in constant memory. A body that is shorter than declared, has another hash than its name says, or cannot be
    /// decompressed leaves nothing.
    /// </summary>
    /// <param name="length">The declared length of the body, in bytes.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: the body is not what it should be.</exception>
    Task ReceiveNarAsync(CacheName cache, Caller caller, NarFileName name, Stream body, long length, CancellationToken cancellationToken);

    /// <summary>Publishes a path whose NAR was put. Returns when readers see it.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.MissingPaths"/>: a reference is not in the cache;
    /// <see cref="ProblemKind.BadRequest"/>: its NAR is not there, or is another.</exception>
    Task<NarInfoOutcome> PublishAsync(CacheName cache, Caller caller, NarInfo info, TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>Keeps a listing, log, realisation or debug info: with its path when that is there, else until the path comes.</summary>
    Task KeepAsync(CacheName cache, Caller caller, NixExtra extra, TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>The content of an extra that waits for its path; null when none waits.</summary>
    Task<byte[]?> FindWaitingAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken);
}

/// <param name="Key">Its key in the bucket.</param>
/// <param name="Size">The size of the file, in bytes.</param>
public sealed record NarFile(ObjectKey Key, long Size);

public enum NarInfoOutcome
{
    /// <summary>The path was not there, and is now.</summary>
    Published,

    /// <summary>The path was there; new signatures were added.</summary>
    Present,

    /// <summary>The path was there with another NAR, which stays.</summary>
    Conflict,
}

/// <summary>What can belong to a path besides its NAR.</summary>
/// <param name="Key">Its key in the bucket.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Path">The path of a listing or realisation; the derivation of a log. Null: unknown.</param>
/// <param name="File">For debug info: the hash of the NAR's file that it names.</param>
/// <param name="Content">The bytes in the bucket: zstd for a listing or log.</param>
public sealed record NixExtra(ObjectKey Key, NixExtraKind Kind, StorePathHash? Path, Sha256Hash? File, byte[] Content);

public enum NixExtraKind
{
    Listing,
    Log,
    Realisation,
    DebugInfo,
}
