using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The contract for clients that write as attic's does: path by path, each with its NAR, in no order and without a push. It stands for
/// begin, report and commit of <see cref="IPushes"/> at once. A path that is put before its references waits for them, unseen by readers,
/// and is published when the last of them is. A durable hold keeps what waits, as it keeps what <see cref="INixCopy"/> answered.
/// </summary>
public interface IAtticPushes
{
    /// <summary>
    /// Which of the paths are to be uploaded. The others are there, or wait and were put by this publisher; a hold keeps them from before
    /// the answer.
    /// </summary>
    Task<IReadOnlyList<StorePathHash>> FindMissingAsync(CacheName cache, Caller caller, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken);

    /// <summary>
    /// Stores and records a path. Publishes it where its references are there, and then all that waits for it, as far as the patience goes;
    /// servers do the rest.
    /// </summary>
    /// <param name="nar">The NAR, uncompressed; another one than the path declares leaves nothing.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: the NAR is not what the path declares;
    /// <see cref="ProblemKind.QuotaExceeded"/>: so many paths of the publisher wait that no more are taken.</exception>
    Task<AtticUpload> UploadAsync(CacheName cache, Caller caller, AtticPath path, Stream nar, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>The paths that wait for references, the oldest first. Advice only.</summary>
    Task<WaitingPathList> ListWaitingAsync(CacheName cache, int limit, CancellationToken cancellationToken);
}

/// <summary>A path as its client declares it.</summary>
public sealed record AtticPath
{
    public required StorePath Path { get; init; }

    public required Sha256Hash NarHash { get; init; }

    /// <summary>Bytes of the NAR; at least one.</summary>
    public required long NarSize { get; init; }

    public IReadOnlyList<StorePath> References { get; init; } = [];

    public StorePath? Deriver { get; init; }

    public ContentAddress? Ca { get; init; }

    /// <summary>Each <c>keyname:base64</c>.</summary>
    public IReadOnlyList<string> Signatures { get; init; } = [];
}

/// <param name="Outcome">What became of the path.</param>
/// <param name="WasStored">Its NAR was there before, so what was sent is only compared.</param>
/// <param name="FileSize">The size of the NAR's file, in bytes.</param>
public sealed record AtticUpload(AtticOutcome Outcome, bool WasStored, long FileSize);

public enum AtticOutcome
{
    /// <summary>The path was not there, and is now.</summary>
    Published,

    /// <summary>The path was there.</summary>
    Present,

    /// <summary>The path was there with another content, which stays.</summary>
    Conflict,

    /// <summary>The path is recorded, and is published when its references are there.</summary>
    Waiting,
}

/// <param name="Paths">The oldest first.</param>
public sealed record WaitingPathList(IReadOnlyList<WaitingPath> Paths);

/// <summary>A path that was put before all of its references.</summary>
public sealed record WaitingPath
{
    public required StorePath Path { get; init; }

    /// <summary>Who put it.</summary>
    public required string Publisher { get; init; }

    public required DateTimeOffset Recorded { get; init; }

    /// <summary>When it lapses, unless its publisher's next request moves that on.</summary>
    public required DateTimeOffset Expires { get; init; }

    /// <summary>The first hundred of its references that are not there.</summary>
    public required IReadOnlyList<StorePath> Missing { get; init; }
}
