using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Http;

/// <summary>The server answered with an error that another attempt at the same request would not change.</summary>
internal sealed class CacheException(HttpStatusCode status, string? type, string message, IReadOnlyList<StorePathHash>? paths = null)
    : Exception(message)
{
    private const string Prefix = "urn:orleans-cache:error:";

    public HttpStatusCode Status { get; } = status;

    /// <summary>The name in the problem's type, such as <c>missing-paths</c>; null when the body was no problem document.</summary>
    public string? Name { get; } = type?.StartsWith(Prefix, StringComparison.Ordinal) == true ? type[Prefix.Length..] : null;

    public IReadOnlyList<StorePathHash> Paths { get; } = paths ?? [];

    /// <summary>The push has lapsed, or lost something that it was promised: only a new push can go on.</summary>
    public bool BeginAgain => Status is HttpStatusCode.Gone || (Status is HttpStatusCode.Conflict && Name is "missing-paths")
        || Name is "push-ended" or "unknown-push";

    public int ExitCode => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? ExitCodes.Refused : ExitCodes.Failed;
}
