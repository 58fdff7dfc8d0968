using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>One kind of error answer: its status, the end of its type <c>urn:orleans-cache:error:…</c>, and its title.</summary>
public sealed record HttpProblem(int Status, string Name, string Title)
{
    public static HttpProblem BadRequest { get; } = new(400, "bad-request", "The request is malformed");

    public static HttpProblem Unauthorized { get; } = new(401, "unauthorized", "No valid token");

    public static HttpProblem Forbidden { get; } = new(403, "forbidden", "The token does not allow this");

    public static HttpProblem UrlRefused { get; } = new(403, "url-refused", "The upload URL is not valid, or no longer");

    public static HttpProblem CrossSite { get; } = new(403, "cross-site", "A page of another site may change nothing here");

    public static HttpProblem NotFound { get; } = new(404, "not-found", "There is nothing here");

    public static HttpProblem MethodNotAllowed { get; } = new(405, "method-not-allowed", "The route exists, but not with this method");

    public static HttpProblem UploadSuperseded { get; } = new(409, "upload-superseded", "A newer request uploads the same part");

    public static HttpProblem LengthRequired { get; } = new(411, "length-required", "The request needs a Content-Length");

    public static HttpProblem AlreadyUploaded { get; } = new(412, "already-uploaded", "The object is there already");

    public static HttpProblem TooLarge { get; } = new(413, "too-large", "More or larger than this server takes");

    public static HttpProblem UnsupportedMediaType { get; } = new(415, "unsupported-media-type",
        "The body is not of a type that this route reads");

    public static HttpProblem RangeNotSatisfiable { get; } = new(416, "range-not-satisfiable", "The range lies outside the object");

    public static HttpProblem TooManyRequests { get; } = new(429, "too-many-requests",
        "More requests at once than this server takes from one client");

    /// <summary>Replaces a 503 for clients that would repeat the request without its body.</summary>
    public static HttpProblem RunAgain { get; } = new(424, "run-again", "The database or the store cannot do it now");

    public static HttpProblem Internal { get; } = new(500, "internal", "The server made a mistake");

    public static HttpProblem Unavailable { get; } = new(503, "unavailable", "The database or the store cannot do it now");

    /// <summary>Another attempt fails until somebody has made room.</summary>
    public static HttpProblem DiskFull { get; } = new(507, "disk-full", "A disk of the server is full");

    /// <summary>The body of such an error.</summary>
    public Problem ToDocument(string? detail, IReadOnlyList<StorePathHash>? paths = null) => new()
    {
        Type = $"urn:orleans-cache:error:{Name}",
        Title = Title,
        Status = Status,
        Detail = detail,
        Paths = paths
    };

    public static HttpProblem Of(ProblemKind kind) => kind switch
    {
        ProblemKind.BadRequest => BadRequest,
        ProblemKind.UnknownCache => new(404, "unknown-cache", "No such cache"),
        ProblemKind.CacheExists => new(409, "cache-exists", "The name is taken"),
        ProblemKind.CacheInUse => new(409, "cache-in-use", "The cache is not empty"),
        ProblemKind.CacheDeclared => new(409, "cache-declared", "The servers' file declares this cache"),
        ProblemKind.UnknownKey => new(404, "unknown-key", "No such key"),
        ProblemKind.UnknownPush => new(404, "unknown-push", "No such push"),
        ProblemKind.PushEnded => new(410, "push-ended", "The push has ended"),
        ProblemKind.NotOfThisPush => new(403, "not-of-this-push", "The path is none of the push's"),
        ProblemKind.ClosureIncomplete => new(422, "closure-incomplete", "The closure is not complete"),
        ProblemKind.MissingPaths => new(409, "missing-paths", "Some paths are missing"),
        ProblemKind.Conflict => new(409, "conflict", "Another publisher's path is in the way"),
        ProblemKind.Untrue => new(422, "untrue", "A path declares what its NAR does not have"),
        ProblemKind.Withdrawn => new(409, "withdrawn", "The path was taken back"),
        ProblemKind.Boundary => new(409, "boundary", "Only an upstream completes the closure"),
        ProblemKind.UnknownBar => new(404, "unknown-bar", "No such bar"),
        ProblemKind.KeyReused => new(409, "key-reused", "The idempotency key was used for another request"),
        ProblemKind.UnknownPath => new(404, "unknown-path", "No such path"),
        ProblemKind.UnknownPin => new(404, "unknown-pin", "No such pin"),
        ProblemKind.PathNotInCache => new(409, "path-not-in-cache", "The path is not in the cache"),
        ProblemKind.PinChanged => new(412, "pin-changed", "The pin is at another revision"),
        ProblemKind.UnknownGcRun => new(404, "unknown-gc-run", "No such run of the garbage collector"),
        ProblemKind.GcRunning => new(409, "gc-running", "A run of the garbage collector is under way"),
        ProblemKind.UnknownToken => new(404, "unknown-token", "No such token"),
        ProblemKind.TokenExists => new(409, "token-exists", "A token of that name exists"),
        ProblemKind.UnknownBlock => new(404, "unknown-block", "No such block"),
        ProblemKind.Forbidden => Forbidden,
        ProblemKind.TooLarge => TooLarge,
        ProblemKind.DiskFull => DiskFull,
        ProblemKind.QuotaExceeded => new(413, "quota-exceeded", "A quota is used up"),
        ProblemKind.Unavailable => Unavailable,
        _ => Internal,
    };

    /// <summary>The problem for an answer that the web server or routing made without a body.</summary>
    public static HttpProblem OfStatus(int status) => status switch
    {
        400 => BadRequest,
        401 => Unauthorized,
        404 => NotFound,
        405 => MethodNotAllowed,
        411 => LengthRequired,
        413 => TooLarge,
        415 => UnsupportedMediaType,
        416 => RangeNotSatisfiable,
        429 => TooManyRequests,
        503 => Unavailable,
        414 => new(414, "url-too-long", "The URL is too long"),
        408 => new(408, "request-timeout", "The request came too slowly"),
        431 => new(431, "headers-too-large", "The request's headers are too large"),
        >= 500 => Internal with { Status = status },
        _ => BadRequest with { Status = status },
    };
}
