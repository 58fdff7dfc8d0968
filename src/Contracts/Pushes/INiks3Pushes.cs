using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The push contract for clients that open a push with hashes alone, and send names, derivers and signatures (what a narinfo says) after
/// all uploads. They neither wait nor renew; older ones open a push for each root, several of which share uploads. Commit and end are
/// those of <see cref="IPushes"/>.
/// </summary>
public interface INiks3Pushes
{
    /// <summary>The same for another caller: see <see cref="IPushes.As"/>.</summary>
    INiks3Pushes As(Caller caller);

    /// <summary>
    /// Which of these paths are roots of closures that are there whole. Each is held as <see cref="INixCopy"/> holds, from before the
    /// answer, and counts as pushed now: the client pushes none of them. A path that is no root is not answered, as a push of it makes it
    /// one.
    /// </summary>
    Task<IReadOnlySet<StorePathHash>> PresentAsync(CacheName cache, IReadOnlyCollection<StorePathHash> roots,
        CancellationToken cancellationToken);

    /// <summary>Opens a push. Each call opens another: when a call is repeated, the first push lapses.</summary>
    Task<Niks3Opened> OpenAsync(CacheName cache, Niks3Push request, CancellationToken cancellationToken);

    /// <summary>
    /// Declares what the narinfos of some paths say, and answers the signatures of each. <see cref="ProblemKind.NotOfThisPush"/>: a path is
    /// none of the push's; <see cref="ProblemKind.BadRequest"/>: a path differs from what the push was opened with. Then nothing is
    /// recorded. The same call again gets the same answer.
    /// </summary>
    Task<IReadOnlyDictionary<StorePathHash, IReadOnlyList<string>>> DeclareAsync(CacheName cache, PushId push,
        IReadOnlyList<Niks3Declaration> paths, CancellationToken cancellationToken);

    /// <summary>URLs of further parts of an upload. <see cref="ProblemKind.PushEnded"/>: the upload has ended.</summary>
    Task<IReadOnlyList<Uri>> PartsAsync(CacheName cache, string upload, Sha256Hash nar, int first, int count,
        CancellationToken cancellationToken);

    /// <summary>
    /// Joins the parts of an upload (their MD5s in order), checks the upload and records it. An upload that any push has finished already
    /// counts as done. <see cref="ProblemKind.PushEnded"/>: it has ended otherwise; <see cref="ProblemKind.BadRequest"/>: the parts are not
    /// the NAR.
    /// </summary>
    Task UploadedAsync(CacheName cache, string upload, Sha256Hash nar, IReadOnlyList<string> md5, CancellationToken cancellationToken);

    /// <summary>
    /// Checks the whole file (zstd) of an upload without parts, stores it and records it. <see cref="ProblemKind.PushEnded"/>: the upload
    /// has ended, or is none of this push's; <see cref="ProblemKind.BadRequest"/>: the file is not the NAR, and nothing was stored.
    /// </summary>
    /// <param name="secret">The push's; it stands for a caller.</param>
    Task ReceiveNarAsync(CacheName cache, PushId push, string secret, string upload, Sha256Hash nar, ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken);

    /// <summary>Keeps the listing (zstd) of a path until the commit. False: the secret is not this push's, or the push has ended.</summary>
    Task<bool> KeepListingAsync(CacheName cache, PushId push, string secret, StorePathHash path, byte[] content,
        CancellationToken cancellationToken);

    /// <summary>Keeps a log (zstd) or realisation (JSON) that the push has named. False: as above, or the push has not named it.</summary>
    Task<bool> KeepObjectAsync(CacheName cache, PushId push, string secret, ObjectKey key, byte[] content,
        CancellationToken cancellationToken);

    /// <summary>Does the secret belong to a push that is open, or was so within the last minute?</summary>
    Task<bool> IsOpenAsync(CacheName cache, PushId push, string secret, CancellationToken cancellationToken);

    /// <summary>Ends lapsed pushes without a sign of life for so long. Answers how many.</summary>
    Task<int> EndSilentAsync(CacheName cache, TimeSpan silence, CancellationToken cancellationToken);
}

/// <summary>Closures of which only hashes are known.</summary>
public sealed record Niks3Push
{
    /// <summary>Of <see cref="Paths"/>; at least one.</summary>
    public required IReadOnlyList<StorePathHash> Roots { get; init; }

    public required IReadOnlyList<Niks3Path> Paths { get; init; }

    /// <summary>Logs and realisations that the client could send.</summary>
    public IReadOnlyList<Niks3Object> Objects { get; init; } = [];

    /// <summary>Check in the store what the catalog says is there.</summary>
    public bool Verify { get; init; }

    /// <summary>The client sends a small NAR by one PUT.</summary>
    public bool SinglePuts { get; init; }
}

/// <param name="References">With the path itself when it refers to itself.</param>
public sealed record Niks3Path(StorePathHash Path, Sha256Hash NarHash, long NarSize, IReadOnlyList<StorePathHash> References);

/// <param name="Key">The key of a log or realisation.</param>
/// <param name="IsLog">Else a realisation.</param>
/// <param name="Path">The path that it belongs to. For a log, the path that keeps it, until another path of the push proves to be made by
/// its derivation.</param>
public sealed record Niks3Object(ObjectKey Key, bool IsLog, StorePathHash Path);

/// <summary>What the client has to send. Everything else of the request is there, and held until the push ends or lapses.</summary>
/// <param name="Secret">For the URLs of all but NARs: whoever knows it may send them.</param>
/// <param name="Missing">Paths to declare.</param>
/// <param name="Uploads">NARs to upload.</param>
/// <param name="MissingObjects">Logs and realisations to send.</param>
public sealed record Niks3Opened(
    PushId Id, string Secret, IReadOnlySet<StorePathHash> Missing, IReadOnlyList<Niks3Upload> Uploads,
    IReadOnlySet<ObjectKey> MissingObjects);

/// <param name="Id">Opaque; it names the upload to every server.</param>
/// <param name="Parts">URLs of the first parts, from 1. All parts but the last have 10 MiB; for a NAR of more than 9,000 such parts, the
/// least multiple of 16 MiB with which 9,000 suffice. None: the client sends the file to the server
/// (<see cref="INiks3Pushes.ReceiveNarAsync"/>).</param>
public sealed record Niks3Upload(Sha256Hash NarHash, string Id, IReadOnlyList<Uri> Parts);

/// <param name="Path">Its references as hashes.</param>
/// <param name="References">Its references, in order, each once.</param>
public sealed record Niks3Declaration(PathDeclaration Path, IReadOnlyList<StorePath> References);
