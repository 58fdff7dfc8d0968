using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>A request that cannot be done as asked, never a fault of the server; the message says what was wrong and what to do.</summary>
public sealed class CacheProblemException(ProblemKind kind, string message, IReadOnlyList<StorePathHash>? paths = null,
    Exception? inner = null)
    : Exception(message, inner)
{
    public ProblemKind Kind { get; } = kind;

    /// <summary>True when the error says nothing about the request, and the same request may succeed later.</summary>
    public bool IsOutage => Kind is ProblemKind.Unavailable or ProblemKind.DiskFull;

    /// <summary>The paths that the error is about, if it is about paths.</summary>
    public IReadOnlyList<StorePathHash>? Paths { get; } = paths;
}

/// <summary>The stable kinds of errors: <c>urn:orleans-cache:error:&lt;kebab-case name&gt;</c>.</summary>
public enum ProblemKind
{
    /// <summary>400: the request is malformed.</summary>
    BadRequest,

    /// <summary>404: no such cache.</summary>
    UnknownCache,

    /// <summary>409: a cache of that name exists, or is still being deleted; or a key of that name does.</summary>
    CacheExists,

    /// <summary>409: the cache has paths, so that only force deletes it.</summary>
    CacheInUse,

    /// <summary>409: the servers' file of caches has this cache, and only the file changes it.</summary>
    CacheDeclared,

    /// <summary>404: the cache has no such key.</summary>
    UnknownKey,

    /// <summary>404: no such push in this cache: there never was one, or it ended long ago.</summary>
    UnknownPush,

    /// <summary>410: the push was aborted or has expired; begin again.</summary>
    PushEnded,

    /// <summary>403: the push was not opened with this path.</summary>
    NotOfThisPush,

    /// <summary>422: a reference or root is not among the declared paths.</summary>
    ClosureIncomplete,

    /// <summary>409: at commit, some paths are neither live nor uploaded; begin again.</summary>
    MissingPaths,

    /// <summary>
    /// 409: a path is live with another content, under another name, or on the unverified word of another publisher, whose rank is not
    /// lower.
    /// </summary>
    Conflict,

    /// <summary>
    /// 422: a path declares a reference or a content address that its NAR does not have, or an address that gives another store path.
    /// </summary>
    Untrue,

    /// <summary>409: an admin has withdrawn this content, or something that the push was promised.</summary>
    Withdrawn,

    /// <summary>404: no such bar.</summary>
    UnknownBar,

    /// <summary>409: the idempotency key was used for another request.</summary>
    KeyReused,

    /// <summary>404: this cache has and had no such path.</summary>
    UnknownPath,

    /// <summary>404: no such pin, or no such revision of it.</summary>
    UnknownPin,

    /// <summary>
    /// 409: the path, or something that it needs, is not in the cache, so nothing can be promised about it; push it first.
    /// </summary>
    PathNotInCache,

    /// <summary>409: an upstream has something that the path needs, and this cache has not, so no pin can keep it here.</summary>
    Boundary,

    /// <summary>412: the pin is not at the revision that the request expects.</summary>
    PinChanged,

    /// <summary>404: no such run of the garbage collector.</summary>
    UnknownGcRun,

    /// <summary>409: a run of the garbage collector is under way.</summary>
    GcRunning,

    /// <summary>404: no such token.</summary>
    UnknownToken,

    /// <summary>409: a token of that name exists.</summary>
    TokenExists,

    /// <summary>404: no such block of publishers.</summary>
    UnknownBlock,

    /// <summary>403: the credential is known, but does not allow this.</summary>
    Forbidden,

    /// <summary>413: the request has more, or something larger, than this server takes.</summary>
    TooLarge,

    /// <summary>507: the disk of the objects or of the database is full; another try does not help before somebody has made room.</summary>
    DiskFull,

    /// <summary>413: the publisher or its trust group has reached its quota; another try does not help.</summary>
    QuotaExceeded,

    /// <summary>
    /// 503: the database or the store cannot do it now; the message says why, and whether to send the same request again.
    /// </summary>
    Unavailable,
}
