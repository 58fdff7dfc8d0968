using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// The answer to <see cref="BeginPush"/>: what the client has to do. All paths outside <see cref="Missing"/> are present, and held until
/// the push ends or lapses.
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

    /// <summary>Many grants with a URL for one PUT may share a request: <c>POST …/uploads</c>. False: each needs its own.</summary>
    public bool TakesBatches { get; set; }

    /// <summary>
    /// Paths that are live with another NAR, references or content address than declared, on the word of a publisher whose rank is not
    /// lower. The cache keeps the live ones.
    /// </summary>
    public IReadOnlyList<StorePathHash> Conflicts { get; set; } = [];

    /// <summary>
    /// Paths that are live as declared, published by another trust group, whose bytes no server has read: they are held, but nobody vouches
    /// for them.
    /// </summary>
    public IReadOnlyList<StorePathHash> Unverified { get; set; } = [];

    /// <summary>Paths that an upstream of the cache has as declared: they are neither stored nor kept here, and not to be sent.</summary>
    public IReadOnlyList<StorePathHash> Upstream { get; set; } = [];

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

    /// <summary>Another push uploads or publishes it: do your own uploads first, then ask <c>wait</c>.</summary>
    Wait,
}

public sealed record PathStatus
{
    public required StorePathHash Path { get; init; }

    public required PathState State { get; init; }

    /// <summary>With <see cref="PathState.Upload"/>: id of the grant.</summary>
    public string? Upload { get; init; }
}

/// <summary>
/// Asks about some paths of a push. The answer comes when one of them is no longer <see cref="PathState.Wait"/>, or after the timeout.
/// </summary>
public sealed record WaitRequest
{
    public required IReadOnlyList<StorePathHash> Paths { get; init; }

    /// <summary>0 to 60.</summary>
    public int TimeoutSeconds { get; set; } = 30;
}

public sealed record WaitAnswer
{
    /// <summary>The requested paths, in the same order.</summary>
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

    /// <summary>Before the commit is done: what it waits for, and what to do where the store refuses something.</summary>
    public string? WaitsFor { get; init; }

    /// <summary>Before the commit is done: NARs that a server has to read first; absent when it waits for something else.</summary>
    public Backlog? Unread { get; init; }

    /// <summary>Paths that this push made live.</summary>
    public required int Published { get; init; }

    /// <summary>
    /// Paths that this push declared and that others have published since it began, with other contents or on their own word. The cache
    /// keeps theirs.
    /// </summary>
    public IReadOnlyList<StorePathHash> Conflicts { get; set; } = [];
}

/// <summary>What has to be read before a commit can go on.</summary>
public sealed record Backlog
{
    /// <summary>NARs of this push.</summary>
    public required int Nars { get; init; }

    /// <summary>Their size in the store.</summary>
    public required long Bytes { get; init; }

    /// <summary>What other pushes have asked for before, in bytes of the store.</summary>
    public required long BytesAhead { get; init; }

    /// <summary>How fast the answering server reads; absent when it has read nothing lately.</summary>
    public long? BytesPerSecond { get; init; }

    /// <summary>Why the store could not be read at the last try.</summary>
    public string? Trouble { get; init; }
}

public sealed record RenewAnswer
{
    public required DateTimeOffset Expires { get; init; }

    public required int RenewAfterSeconds { get; init; }

    /// <summary>Paths that were promised and no longer are. Only a lapse loses any; when there are some, begin again.</summary>
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

public sealed class PathStateConverter() : JsonStringEnumConverter<PathState>(JsonNamingPolicy.CamelCase);

public sealed class PushStateConverter() : JsonStringEnumConverter<PushState>(JsonNamingPolicy.CamelCase);
