using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The contract for who writes as stock Nix does: object by object, without a push. What it answers "there" or accepts is held for the
/// publisher that asked: two hours after
/// its last call, and a day at most. The hold is durable before the answer. What another trust group has published and no server has read
/// is not "there".
/// </summary>
public interface INixCopy
{
    /// <summary>Is the path there with all that it needs? Then it stays. What is being published or deleted is not there.</summary>
    Task<bool> PromisePathAsync(CacheName cache, Caller caller, StorePathHash path, CancellationToken cancellationToken);

    /// <summary>Is a NAR of this file's name there? Then it stays. Null when it is not.</summary>
    Task<NarFile?> PromiseNarAsync(CacheName cache, Caller caller, NarFileName name, CancellationToken cancellationToken);

    /// <summary>
    /// Stores a NAR in constant memory. Nothing is kept of a body that is shorter than declared, has another hash than its name says, or
    /// cannot be decompressed.
    /// </summary>
    /// <param name="length">The declared length of the body, in bytes.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: the body is not what it should be.</exception>
    Task ReceiveNarAsync(CacheName cache, Caller caller, NarFileName name, Stream body, long length, CancellationToken cancellationToken);

    /// <summary>Publishes a path whose NAR was put. Returns when readers see it.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.MissingPaths"/>: a reference is not in the cache;
    /// <see cref="ProblemKind.BadRequest"/>: its NAR is not, or is another.</exception>
    Task<NarInfoOutcome> PublishAsync(CacheName cache, Caller caller, NarInfo info, TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>Keeps a listing, log, realisation or debug info: with its path when that is there, else until it comes.</summary>
    Task KeepAsync(CacheName cache, Caller caller, NixExtra extra, TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>The content of an extra that waits for its path; null when none does.</summary>
    Task<byte[]?> FindWaitingAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken);
}

/// <param name="Key">Where it is in the bucket.</param>
/// <param name="Size">Of the file, in bytes.</param>
public sealed record NarFile(ObjectKey Key, long Size);

public enum NarInfoOutcome
{
    /// <summary>It was not there, and is now.</summary>
    Published,

    /// <summary>It was there; new signatures were added.</summary>
    Present,

    /// <summary>It was there with another NAR, which stays.</summary>
    Conflict,
}

/// <summary>What can belong to a path besides its NAR.</summary>
/// <param name="Key">Its key in the bucket.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Path">Of a listing or realisation: the path that it is about. Of a log: the derivation. Null: none that can be
/// told.</param>
/// <param name="File">Of debug info: the hash of the NAR's file that it names.</param>
/// <param name="Content">As it is in the bucket: a listing or log as zstd.</param>
public sealed record NixExtra(ObjectKey Key, NixExtraKind Kind, StorePathHash? Path, Sha256Hash? File, byte[] Content);

public enum NixExtraKind
{
    Listing,
    Log,
    Realisation,
    DebugInfo,
}
