using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The push contract for clients that open a push with hashes alone, and say the rest (names, derivers, signatures: what a narinfo says)
/// only when all is uploaded. They know no
/// waiting and no renewal, and open one push for each root, several of which share what they upload. The commit, and the end, are those of
/// <see cref="IPushes"/>.
/// </summary>
public interface INiks3Pushes
{
    /// <summary>The same for somebody else: see <see cref="IPushes.As"/>.</summary>
    INiks3Pushes As(Caller caller);

    /// <summary>Opens a push. Each call opens another: one that is asked for twice has a second one, and the first lapses.</summary>
    Task<Niks3Opened> OpenAsync(CacheName cache, Niks3Push request, CancellationToken cancellationToken);

    /// <summary>
    /// Says what the narinfos of some paths say, and answers the signatures of each. A path that is none of the push's:
    /// <see cref="ProblemKind.NotOfThisPush"/>; one that differs from what the push
    /// was opened with: <see cref="ProblemKind.BadRequest"/>. Nothing is recorded then. Asking again says the same again.
    /// </summary>
    Task<IReadOnlyDictionary<StorePathHash, IReadOnlyList<string>>> DeclareAsync(CacheName cache, PushId push,
        IReadOnlyList<Niks3Declaration> paths, CancellationToken cancellationToken);

    /// <summary>URLs of further parts of an upload; one that has ended: <see cref="ProblemKind.PushEnded"/>.</summary>
    Task<IReadOnlyList<Uri>> PartsAsync(CacheName cache, string upload, Sha256Hash nar, int first, int count,
        CancellationToken cancellationToken);

    /// <summary>
    /// Joins the parts of an upload (their MD5s in order), checks and records it. Done already, also by somebody else, counts as done; an
    /// upload that has ended otherwise:
    /// <see cref="ProblemKind.PushEnded"/>; parts that are not the NAR: <see cref="ProblemKind.BadRequest"/>.
    /// </summary>
    Task UploadedAsync(CacheName cache, string upload, Sha256Hash nar, IReadOnlyList<string> md5, CancellationToken cancellationToken);

    /// <summary>Keeps the listing (zstd) of a path until the commit. False: the secret is not this push's, or the push has ended.</summary>
    Task<bool> KeepListingAsync(CacheName cache, PushId push, string secret, StorePathHash path, byte[] content,
        CancellationToken cancellationToken);

    /// <summary>Keeps a log (zstd) or realisation (JSON) that the push has named. False: as above, or it has not named it.</summary>
    Task<bool> KeepObjectAsync(CacheName cache, PushId push, string secret, ObjectKey key, byte[] content,
        CancellationToken cancellationToken);

    /// <summary>Is the secret an open push's, or was it so within the last minute?</summary>
    Task<bool> IsOpenAsync(CacheName cache, PushId push, string secret, CancellationToken cancellationToken);

    /// <summary>Ends pushes that showed no sign of life for so long; never one that has not lapsed. Answers how many.</summary>
    Task<int> EndSilentAsync(CacheName cache, TimeSpan silence, CancellationToken cancellationToken);
}

/// <summary>A closure of which only hashes are known.</summary>
public sealed record Niks3Push
{
    /// <summary>One of <see cref="Paths"/>.</summary>
    public required StorePathHash Root { get; init; }

    public required IReadOnlyList<Niks3Path> Paths { get; init; }

    /// <summary>Logs and realisations that the client could send.</summary>
    public IReadOnlyList<Niks3Object> Objects { get; init; } = [];

    /// <summary>Look into the store for what the catalog says is there.</summary>
    public bool Verify { get; init; }
}

/// <param name="References">The path itself when it refers to itself.</param>
public sealed record Niks3Path(StorePathHash Path, Sha256Hash NarHash, long NarSize, IReadOnlyList<StorePathHash> References);

/// <param name="Key">Of a log or a realisation.</param>
/// <param name="IsLog">Else a realisation.</param>
/// <param name="Path">The path it belongs to; of a log the one that keeps it unless another of the push turns out to be made by its
/// derivation.</param>
public sealed record Niks3Object(ObjectKey Key, bool IsLog, StorePathHash Path);

/// <summary>What the client has to send. All that is not named here is there, and held until the push ends or lapses.</summary>
/// <param name="Secret">For the URLs that what is no NAR is sent to: who knows it may send it.</param>
/// <param name="Missing">Paths to be declared.</param>
/// <param name="Uploads">NARs to be uploaded.</param>
/// <param name="MissingObjects">Logs and realisations.</param>
public sealed record Niks3Opened(
    PushId Id, string Secret, IReadOnlySet<StorePathHash> Missing, IReadOnlyList<Niks3Upload> Uploads,
        IReadOnlySet<ObjectKey> MissingObjects);

/// <param name="Id">Opaque; names the upload whoever is asked.</param>
/// <param name="Parts">URLs of the first parts, from 1. All parts but the last have 10 MiB; of a NAR of more than 9,000 such, the least
/// multiple of 16 MiB that makes 9,000 enough.</param>
public sealed record Niks3Upload(Sha256Hash NarHash, string Id, IReadOnlyList<Uri> Parts);

/// <param name="Path">Its references as hashes.</param>
/// <param name="References">Its references, in order, each once.</param>
public sealed record Niks3Declaration(PathDeclaration Path, IReadOnlyList<StorePath> References);
