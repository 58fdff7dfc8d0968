using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>References of a cache that its upstreams have, and it need not.</summary>
public interface IUpstreams
{
    /// <summary>How many boundaries the cache has, and which are lost.</summary>
    /// <exception cref="CacheProblemException">No such cache.</exception>
    Task<UpstreamReport> ReportAsync(CacheName cache, int limit, CancellationToken cancellationToken);

    /// <summary>The boundaries in the closure of a path, at most so many; empty when the cache has all of it.</summary>
    /// <exception cref="CacheProblemException">No such cache.</exception>
    Task<BoundaryList> OfPathAsync(CacheName cache, StorePathHash path, int limit, CancellationToken cancellationToken);
}

/// <summary>The upstreams of a cache, and what rests on them.</summary>
public sealed record UpstreamReport
{
    /// <summary>URL and keys of each, in the order in which they are asked.</summary>
    public required IReadOnlyList<string> Upstreams { get; init; }

    /// <summary>Store paths that live paths refer to and an upstream has.</summary>
    public required long Boundaries { get; init; }

    /// <summary>Those of them that their upstream has no more.</summary>
    public required long LostCount { get; init; }

    /// <summary>The first of them, the longest lost first.</summary>
    public IReadOnlyList<LostBoundary> Lost { get; set; } = [];
}

/// <summary>A path that an upstream had and has no more, while live paths refer to it.</summary>
public sealed record LostBoundary
{
    public required StorePath Path { get; init; }

    /// <summary>The URL of the upstream.</summary>
    public required string Upstream { get; init; }

    /// <summary>When it was first not found.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>A live path that refers to it.</summary>
    public required StorePath Referrer { get; init; }

    /// <summary>How many there are.</summary>
    public required long Referrers { get; init; }
}

/// <summary>Boundaries in the closure of a path, in the order of their hashes.</summary>
public sealed record BoundaryList
{
    public required IReadOnlyList<StorePath> Boundaries { get; init; }
}
