using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The answer to <see cref="BeginPush"/>: what the client has to do. Paths that are not in <see cref="Missing"/> are present and held until
/// the push ends or expires.
/// </summary>
public sealed record PushOpened
{
    public required string Id { get; init; }

    /// <summary>When the push lapses unless it is renewed, by the clock of the server's database.</summary>
    public required DateTimeOffset Expires { get; init; }

    /// <summary>Seconds from now after which the client should renew.</summary>
    public required int RenewAfterSeconds { get; init; }

    public required int Present { get; init; }

    public IReadOnlyList<PathStatus> Missing { get; set; } = [];

    /// <summary>Upload grants that <see cref="PathStatus.Upload"/> names. Two paths with one NAR share a grant.</summary>
    public IReadOnlyList<UploadGrant> Uploads { get; set; } = [];

    /// <summary>Grants with a URL for one PUT may be used many at once: <c>POST …/uploads</c>. False: each needs its own request.</summary>
    public bool TakesBatches { get; set; }

    /// <summary>
    /// Paths that are live with another NAR, references or content address than declared, on the word of a publisher whose rank is not
    /// lower; the cache keeps the live ones.
    /// </summary>
    public IReadOnlyList<StorePathHash> Conflicts { get; set; } = [];

    /// <summary>
    /// Paths that are live as declared, published by another trust group, and whose bytes no server has read: held, but nobody vouches for
    /// them.
    /// </summary>
    public IReadOnlyList<StorePathHash> Unverified { get; set; } = [];

    /// <summary>Logs that the cache lacks, by derivation.</summary>
    public IReadOnlyList<StorePath> MissingLogs { get; set; } = [];

    /// <summary>Realisations that the cache lacks, by id.</summary>
    public IReadOnlyList<RealisationId> MissingRealisations { get; set; } = [];
}

public enum PathState
{
    /// <summary>The path is live and held by this push; nothing is left to do.</summary>
    Present,

    /// <summary>The NAR has arrived (or was there); send the listing only.</summary>
    Stored,

    /// <summary>This push uploads the NAR by the grant named in <see cref="PathStatus.Upload"/>.</summary>
    Upload,

    /// <summary>Another push is uploading or publishing it: do your own uploads first, then ask <c>wait</c>.</summary>
    Wait,
}

public sealed record PathStatus
{
    public required StorePathHash Path { get; init; }

    public required PathState State { get; init; }

    /// <summary>With <see cref="PathState.Upload"/>: id of the grant.</summary>
    public string? Upload { get; init; }
}

/// <summary>Where and how to upload one zstd-compressed NAR.</summary>
public sealed record UploadGrant
{
    public required string Id { get; init; }

    /// <summary>For one PUT: the URL. Absent for a multipart upload.</summary>
    public Uri? Url { get; init; }

    /// <summary>Headers that the URL was signed with; each must be sent as it is.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; set; } = new Dictionary<string, string>();

    /// <summary>For a multipart upload: the size in bytes of every part but the last.</summary>
    public long? PartSize { get; init; }

    /// <summary>The report must carry MD5s: the store names by them what it holds.</summary>
    public bool Md5 { get; set; }

    /// <summary>
    /// The server reads what arrives and takes the SHA-256 of file and NAR, so the client need not: the report may leave
    /// <see cref="UploadedNar.FileHash"/> out, and a NAR
    /// that is not the declared one is answered <c>hash-mismatch</c>.
    /// </summary>
    public bool ServerHashes { get; set; }

    /// <summary>For a multipart upload: URLs of parts 1, 2, …; ask <c>urls</c> for more.</summary>
    public IReadOnlyList<Uri> Parts { get; set; } = [];

    /// <summary>When the URLs stop working; ask <c>urls</c> for fresh ones.</summary>
    public required DateTimeOffset Expires { get; init; }
}

/// <summary>The answer to many small NARs in one request.</summary>
public sealed record BatchAnswer
{
    /// <summary>
    /// For each NAR, in order, the HTTP status that its own PUT would have had: 200 stored; 412 it had arrived before; 403 the URL is
    /// refused; 413 larger than the URL allows.
    /// </summary>
    public required IReadOnlyList<int> Statuses { get; init; }
}

/// <summary>Limits of a request with many NARs: their lines, and their bytes.</summary>
public static class BatchLimits
{
    public const int Objects = 1_000;

    /// <summary>Of one NAR, in bytes as it is sent.</summary>
    public const int ObjectBytes = 1 << 20;

    /// <summary>Of all NARs together. However slowly they come, they have come long before a key of theirs is granted again.</summary>
    public const int Bytes = 16 << 20;

    /// <summary>Of one line, in bytes.</summary>
    public const int LineBytes = 2_048;
}

/// <summary>Fresh URLs for one grant: of the single PUT, or of <see cref="Count"/> parts from <see cref="FirstPart"/>.</summary>
public sealed record UrlsRequest
{
    public int FirstPart { get; set; } = 1;

    /// <summary>At most 1,000.</summary>
    public int Count { get; set; } = 100;
}

/// <summary>The answer to <see cref="UrlsRequest"/>; <see cref="UploadGrant.Parts"/> begins with <see cref="FirstPart"/>.</summary>
public sealed record UrlsAnswer
{
    public required int FirstPart { get; init; }

    public required UploadGrant Grant { get; init; }
}

/// <summary>What has been uploaded since the last report. Send one at most every second, with all that is finished.</summary>
public sealed record UploadReport
{
    public IReadOnlyList<UploadedNar> Uploads { get; set; } = [];

    public IReadOnlyList<PathListing> Listings { get; set; } = [];

    public IReadOnlyList<LogContent> Logs { get; set; } = [];

    public IReadOnlyList<RealisationContent> Realisations { get; set; } = [];
}

public sealed record UploadedNar
{
    /// <summary>Id of the grant.</summary>
    public required string Upload { get; init; }

    /// <summary>SHA-256 of the compressed file. May be absent with <see cref="UploadGrant.ServerHashes"/> only.</summary>
    public Sha256Hash? FileHash { get; set; }

    /// <summary>Bytes of the compressed file.</summary>
    public required long FileSize { get; init; }

    /// <summary>MD5 (lower-case hex) of the body, or of each part in order, where <see cref="UploadGrant.Md5"/> asks for it.</summary>
    public IReadOnlyList<string> Md5 { get; set; } = [];
}

/// <summary>The <c>.ls</c> listing of a path, as zstd-compressed JSON, at most 16 MiB.</summary>
public sealed record PathListing
{
    public required StorePathHash Path { get; init; }

    public required byte[] Content { get; init; }
}

/// <summary>A build log, zstd-compressed, at most 32 MiB.</summary>
public sealed record LogContent
{
    public required StorePath Drv { get; init; }

    /// <summary>The path of this push that the log belongs to.</summary>
    public required StorePathHash Path { get; init; }

    public required byte[] Content { get; init; }
}

/// <summary>A realisation's JSON as Nix writes it into a binary cache, at most 64 KiB.</summary>
public sealed record RealisationContent
{
    public required RealisationId Id { get; init; }

    /// <summary>The output path of this push that it belongs to.</summary>
    public required StorePathHash Path { get; init; }

    public required string Content { get; init; }
}

public sealed record ReportAnswer
{
    /// <summary>Grants whose bytes were checked and recorded, by this report or an earlier one.</summary>
    public IReadOnlyList<string> Stored { get; set; } = [];

    /// <summary>Grants that were not accepted; ask <c>wait</c> about their paths for what to do next.</summary>
    public IReadOnlyList<RejectedUpload> Rejected { get; set; } = [];
}

public sealed record RejectedUpload
{
    public required string Upload { get; init; }

    /// <summary><c>not-found</c>, <c>size-mismatch</c>, <c>hash-mismatch</c>, <c>ended</c> or <c>unavailable</c>.</summary>
    public required string Reason { get; init; }

    public required string Detail { get; init; }
}

/// <summary>
/// Asks what has become of some paths of a push; the answer comes when one of them is no longer <see cref="PathState.Wait"/>, or after the
/// timeout.
/// </summary>
public sealed record WaitRequest
{
    public required IReadOnlyList<StorePathHash> Paths { get; init; }

    /// <summary>0 to 60.</summary>
    public int TimeoutSeconds { get; set; } = 30;
}

public sealed record WaitAnswer
{
    /// <summary>Each path that was asked for, in the same order.</summary>
    public required IReadOnlyList<PathStatus> Paths { get; init; }

    public IReadOnlyList<UploadGrant> Uploads { get; set; } = [];
}

public enum PushState
{
    Open,
    Committing,
    Committed,
}

public sealed record CommitAnswer
{
    public required string Id { get; init; }

    /// <summary><see cref="PushState.Committed"/> (200), or <see cref="PushState.Committing"/> (202): ask again.</summary>
    public required PushState State { get; init; }

    /// <summary>Of one that is not committed yet: what it waits for, and what to do where the store refuses something.</summary>
    public string? WaitsFor { get; init; }

    /// <summary>Paths that this push made live.</summary>
    public required int Published { get; init; }

    /// <summary>
    /// Paths that this push declared and that others have published since it began, with other contents or on their own word; the cache
    /// keeps theirs.
    /// </summary>
    public IReadOnlyList<StorePathHash> Conflicts { get; set; } = [];
}

public sealed record RenewAnswer
{
    public required DateTimeOffset Expires { get; init; }

    public required int RenewAfterSeconds { get; init; }

    /// <summary>Paths that were promised and no longer are; empty unless the push had lapsed. Begin again when it is not.</summary>
    public IReadOnlyList<StorePathHash> Lost { get; set; } = [];
}

/// <summary>Asks which of up to 100,000 paths are absent. Advice only: nothing is held.</summary>
public sealed record MissingRequest
{
    public required IReadOnlyList<StorePathHash> Paths { get; init; }
}

public sealed record MissingAnswer
{
    public required IReadOnlyList<StorePathHash> Missing { get; init; }
}

/// <summary>What a cache is; readable without a token.</summary>
public sealed record CacheInfo
{
    public required string Name { get; init; }

    public required string StoreDir { get; init; }

    public required int Priority { get; init; }

    /// <summary>URL to put into <c>substituters</c>.</summary>
    public required Uri Substituter { get; init; }

    /// <summary><c>name:base64</c>, for <c>trusted-public-keys</c>.</summary>
    public required IReadOnlyList<string> PublicKeys { get; init; }

    /// <summary>Version of the server.</summary>
    public required string Version { get; init; }
}

/// <summary>What an operator should know of a server although it works.</summary>
public sealed record ServerWarnings
{
    /// <summary>What is doubtful, why, and what to do, a sentence or two each.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}

/// <summary>An RFC 9457 problem document, the body of every error.</summary>
public sealed record Problem
{
    /// <summary><c>urn:orleans-cache:error:&lt;name&gt;</c>, stable.</summary>
    public required string Type { get; init; }

    public required string Title { get; init; }

    public required int Status { get; init; }

    /// <summary>What was wrong and what to do.</summary>
    public string? Detail { get; init; }

    /// <summary>With <c>missing-paths</c> and <c>closure-incomplete</c>: the paths concerned.</summary>
    public IReadOnlyList<StorePathHash>? Paths { get; init; }
}

public sealed class PathStateConverter() : JsonStringEnumConverter<PathState>(JsonNamingPolicy.CamelCase);

public sealed class PushStateConverter() : JsonStringEnumConverter<PushState>(JsonNamingPolicy.CamelCase);
