using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Where and how to upload one zstd-compressed NAR.</summary>
public sealed record UploadGrant
{
    public required string Id { get; init; }

    /// <summary>The URL of a single PUT. Absent for a multipart upload.</summary>
    public Uri? Url { get; init; }

    /// <summary>Headers that the URL was signed with; send each unchanged.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; set; } = new Dictionary<string, string>();

    /// <summary>For a multipart upload: the size in bytes of every part but the last.</summary>
    public long? PartSize { get; init; }

    /// <summary>The report must carry MD5s, as the store identifies its content by them.</summary>
    public bool Md5 { get; set; }

    /// <summary>
    /// The server reads the upload and computes the SHA-256 of file and NAR, so the client need not: the report may omit
    /// <see cref="UploadedNar.FileHash"/>, and another NAR than declared is answered <c>hash-mismatch</c>.
    /// </summary>
    public bool ServerHashes { get; set; }

    /// <summary>For a multipart upload: URLs of parts 1, 2, …; ask <c>urls</c> for more.</summary>
    public IReadOnlyList<Uri> Parts { get; set; } = [];

    /// <summary>When the URLs stop working; ask <c>urls</c> for fresh ones.</summary>
    public required DateTimeOffset Expires { get; init; }
}

/// <summary>The answer to a request with many small NARs.</summary>
public sealed record BatchAnswer
{
    /// <summary>
    /// For each NAR, in order, the HTTP status that its own PUT would have had: 200 stored; 412 it had arrived before; 403 the URL is
    /// refused; 413 larger than the URL allows.
    /// </summary>
    public required IReadOnlyList<int> Statuses { get; init; }
}

/// <summary>Limits of a request with many NARs, for their lines and bytes.</summary>
public static class BatchLimits
{
    public const int Objects = 1_000;

    /// <summary>The most bytes of one NAR, as sent.</summary>
    public const int ObjectBytes = 1 << 20;

    /// <summary>
    /// The most bytes of all NARs. Even at the slowest rate they arrive long before one of their keys can be granted again.
    /// </summary>
    public const int Bytes = 16 << 20;

    /// <summary>The most bytes of one line.</summary>
    public const int LineBytes = 2_048;
}

/// <summary>Asks for fresh URLs of one grant: of the single PUT, or of <see cref="Count"/> parts from <see cref="FirstPart"/>.</summary>
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

/// <summary>The uploads since the last report. Send one at most each second, with all that is finished.</summary>
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

    /// <summary>The output path of this push that the realisation belongs to.</summary>
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
