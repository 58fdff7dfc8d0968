using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>What a cache is; no token is needed to read it.</summary>
public sealed record CacheInfo
{
    public required string Name { get; init; }

    public required string StoreDir { get; init; }

    public required int Priority { get; init; }

    /// <summary>URL to put into <c>substituters</c>.</summary>
    public required Uri Substituter { get; init; }

    /// <summary><c>name:base64</c>, for <c>trusted-public-keys</c>.</summary>
    public required IReadOnlyList<string> PublicKeys { get; init; }

    /// <summary>
    /// What servers read in the store before it is relied on: <c>adopt</c>, <c>always</c> or <c>off</c>; absent from an older server.
    /// </summary>
    public string? Verify { get; init; }

    /// <summary>Version of the server.</summary>
    public required string Version { get; init; }
}

/// <summary>What an operator should know of a server that works.</summary>
public sealed record ServerWarnings
{
    /// <summary>Each says in a sentence or two what is doubtful, why, and what to do.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>What is wrong with the cache although it works.</summary>
    public IReadOnlyList<string> Failures { get; set; } = [];
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
