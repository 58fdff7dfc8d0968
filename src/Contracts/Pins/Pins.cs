using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// Makes or moves a pin: a named root, whose path and all that it needs stay in the cache. In the bucket, <c>pins/&lt;name&gt;</c> has the
/// path.
/// </summary>
public sealed record SetPin
{
    /// <summary>The path, which must be in the cache; written with or without the store directory.</summary>
    public required StorePath Path { get; init; }

    /// <summary>Seconds from now; absent: until it is deleted or set again.</summary>
    public double? ExpiresSeconds { get; init; }

    /// <summary>
    /// How many revisions, with the newest, are kept alive for a rollback: 1 to 100. Absent: as many as before, 1 for a new pin.
    /// </summary>
    public int? KeepRevisions { get; init; }

    /// <summary>
    /// The NAR hash that the path must have. With it a path can be pinned whose closure has uploads from outside the trust group that no
    /// server has read.
    /// </summary>
    public Sha256Hash? NarHash { get; init; }
}

/// <summary>
/// A pin that the commit of a push with exactly one root sets. See <see cref="SetPin"/>; its time counts from the commit.
/// </summary>
public sealed record PushPin
{
    public required PinName Name { get; init; }

    public double? ExpiresSeconds { get; init; }

    public int? KeepRevisions { get; init; }
}

public sealed record RollbackPin
{
    /// <summary>Absent: the newest revision with another path than now.</summary>
    public long? Revision { get; init; }
}

public sealed record Pin
{
    public required PinName Name { get; init; }

    public required StorePath Path { get; init; }

    /// <summary>Grows with each change of the path.</summary>
    public required long Revision { get; init; }

    public required int KeepRevisions { get; init; }

    public required DateTimeOffset Created { get; init; }

    public required DateTimeOffset Updated { get; init; }

    public DateTimeOffset? Expires { get; init; }

    /// <summary>The bucket's <c>pins/&lt;name&gt;</c> has this revision; false: it will soon, without further calls.</summary>
    public required bool Written { get; init; }

    /// <summary>When an eviction took its path: the pin is to be set again. Absent: the pin is whole.</summary>
    public DateTimeOffset? BrokenSince { get; init; }

    /// <summary>Only for a single pin: its last 100 revisions, newest first.</summary>
    public IReadOnlyList<PinRevision>? History { get; init; }
}

public sealed record PinRevision
{
    public required long Revision { get; init; }

    public required StorePath Path { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The pin keeps this revision's path alive.</summary>
    public required bool Kept { get; init; }

    /// <summary>The path is in the cache now, so a rollback would succeed. Advice only, unless it is kept.</summary>
    public required bool Present { get; init; }
}

/// <summary>All pins, by name.</summary>
public sealed record PinList
{
    public required IReadOnlyList<Pin> Pins { get; init; }
}
