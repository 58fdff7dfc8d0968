using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// Makes or moves a pin: a named root, whose path and all that it needs stay in the cache. <c>pins/&lt;name&gt;</c> in the bucket says the
/// path.
/// </summary>
public sealed record SetPin
{
    /// <summary>In the cache already; written with or without the store directory.</summary>
    public required StorePath Path { get; init; }

    /// <summary>From now; absent: until it is deleted or set again.</summary>
    public double? ExpiresSeconds { get; init; }

    /// <summary>
    /// How many revisions, the newest included, are kept alive as targets of a rollback: 1 to 100. Absent: as many as so far, 1 of a new
    /// pin.
    /// </summary>
    public int? KeepRevisions { get; init; }

    /// <summary>
    /// The NAR hash that the path must have. Who says it pins the path also when publishers outside the trust group uploaded some of its
    /// closure and no server has read that.
    /// </summary>
    public Sha256Hash? NarHash { get; init; }
}

/// <summary>
/// A pin that is set by the commit of a push with exactly one root. See <see cref="SetPin"/>; the time counts from the commit.
/// </summary>
public sealed record PushPin
{
    public required PinName Name { get; init; }

    public double? ExpiresSeconds { get; init; }

    public int? KeepRevisions { get; init; }
}

public sealed record RollbackPin
{
    /// <summary>Absent: the newest one with another path than now.</summary>
    public long? Revision { get; init; }
}

public sealed record Pin
{
    public required PinName Name { get; init; }

    public required StorePath Path { get; init; }

    /// <summary>Grows with every change of the path.</summary>
    public required long Revision { get; init; }

    public required int KeepRevisions { get; init; }

    public required DateTimeOffset Created { get; init; }

    public required DateTimeOffset Updated { get; init; }

    public DateTimeOffset? Expires { get; init; }

    /// <summary>The bucket's <c>pins/&lt;name&gt;</c> says this revision; false: it will soon, without further asking.</summary>
    public required bool Written { get; init; }

    /// <summary>
    /// Its path was taken back then: it is not in the cache as it was, and the pin is to be set again. Absent: it is whole.
    /// </summary>
    public DateTimeOffset? BrokenSince { get; init; }

    /// <summary>Where one pin was asked for: its revisions, newest first, at most the last 100.</summary>
    public IReadOnlyList<PinRevision>? History { get; init; }
}

public sealed record PinRevision
{
    public required long Revision { get; init; }

    public required StorePath Path { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The pin keeps this one's path alive.</summary>
    public required bool Kept { get; init; }

    /// <summary>The path is in the cache now, so a rollback would succeed. Advice only, unless it is kept.</summary>
    public required bool Present { get; init; }
}

/// <summary>All pins, by name.</summary>
public sealed record PinList
{
    public required IReadOnlyList<Pin> Pins { get; init; }
}
