using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>By what one cache is served.</summary>
internal sealed record CacheOptions
{
    public required IObjectStore Store { get; init; }

    /// <summary>The store is disposed of with the services.</summary>
    public bool OwnsStore { get; init; }

    public required CacheKeys Keys { get; init; }

    /// <summary>The keys of the servers' files and signing commands, whatever their state.</summary>
    public IReadOnlyList<PublicKey> FileKeys { get; init; } = [];

    public IReadOnlyList<PublicKey> TrustedKeys { get; init; } = [];

    public required PushOptions Pushes { get; init; }

    public required GcOptions Gc { get; init; }

    public required VerifyOptions Verify { get; init; }

    public TimeSpan? AuditLife { get; init; }

    public bool GroupCommit { get; init; }

    public IUploadNews? News { get; init; }

    /// <summary>Of a stage: what it takes from its parent.</summary>
    public IParentNars? Parent { get; init; }

    public UpstreamOptions Upstreams { get; init; } = new();

    /// <summary>Of all caches together, for NARs that stock Nix sends.</summary>
    public required PublisherPlaces BodyPlaces { get; init; }

    /// <summary>The same for copies that the store makes.</summary>
    public required PublisherPlaces CopyPlaces { get; init; }

    /// <summary>False where another process does the background work.</summary>
    public bool Housekeeping { get; init; }
}
