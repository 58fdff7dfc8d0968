using Orleans.CodeGeneration;
using OrleansCache.Contracts;

namespace OrleansCache.Grains;

/// <summary>
/// A pin, by <c>cache/name</c>: applies its changes one after the other, in the order of arrival. Its persisted state is the pin's rows;
/// the catalog decides what is right.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IPinGrain")]
public interface IPinGrain : IGrainWithStringKey
{
    /// <summary>Applies a change once, even when its answer is lost. It does not wait for the bucket.</summary>
    /// <exception cref="TimeoutException">The deadline has passed: the caller has done the change without the grain, or has
    /// gone.</exception>
    [Alias("Change")]
    Task<PinReply> ChangeAsync(PinChange change);

    /// <summary>
    /// The pin with its history, from memory where the catalog says that the memory is right.
    /// </summary>
    [Alias("Show")]
    Task<PinShown> ShowAsync();
}

[GenerateSerializer, Alias("OrleansCache.PinChangeKind")]
public enum PinChangeKind
{
    Set = 0,
    Rollback = 1,
    Delete = 2,
}

/// <summary>A change of a pin, as the contract takes it.</summary>
[GenerateSerializer, Immutable, Alias("OrleansCache.PinChange")]
public sealed record PinChange
{
    [Id(0)] public required PinChangeKind Kind { get; init; }

    /// <summary>The idempotency key: a replay, through the grain or not, answers the recorded outcome.</summary>
    [Id(1)] public required string Operation { get; init; }

    [Id(2)] public required DateTimeOffset Deadline { get; init; }

    /// <summary>See <see cref="PinCondition.Expected"/>.</summary>
    [Id(3)] public long? Expected { get; init; }

    /// <summary>Set only: <c>hash-name</c>.</summary>
    [Id(4)] public string? Path { get; init; }

    [Id(5)] public double? ExpiresSeconds { get; init; }

    [Id(6)] public int? KeepRevisions { get; init; }

    /// <summary>Rollback only.</summary>
    [Id(7)] public long? Revision { get; init; }

    /// <summary>Set only: see <see cref="SetPin.NarHash"/>.</summary>
    [Id(8)] public string? NarHash { get; init; }

    /// <summary>The publisher; absent from a caller of an earlier version.</summary>
    [Id(9)] public string? Publisher { get; init; }

    [Id(10)] public string? TrustGroup { get; init; }

    [Id(11)] public int Rank { get; init; }

    [Id(12)] public bool IsAdmin { get; init; }

    [Id(13)] public string? Address { get; init; }
}

/// <summary>The pin as the change left it, or why it was not done.</summary>
[GenerateSerializer, Immutable, Alias("OrleansCache.PinReply")]
public sealed record PinReply
{
    [Id(0)] public Problem? Problem { get; init; }

    [Id(1)] public bool Made { get; init; }

    /// <summary>Null after a deletion.</summary>
    [Id(2)] public PinState? Pin { get; init; }
}

[GenerateSerializer, Immutable, Alias("OrleansCache.PinState")]
public sealed record PinState(
    [property: Id(0)] string Path, [property: Id(1)] long Revision, [property: Id(2)] int KeepRevisions,
    [property: Id(3)] DateTimeOffset Created, [property: Id(4)] DateTimeOffset Updated, [property: Id(5)] DateTimeOffset? Expires);

/// <summary>A pin with its history, or why there is none.</summary>
[GenerateSerializer, Immutable, Alias("OrleansCache.PinShown")]
public sealed record PinShown
{
    [Id(0)] public Problem? Problem { get; init; }

    [Id(1)] public PinState? Pin { get; init; }

    [Id(2)] public bool Written { get; init; }

    [Id(3)] public DateTimeOffset? BrokenSince { get; init; }

    /// <summary>Newest first.</summary>
    [Id(4)] public PinRevisionState[] History { get; init; } = [];
}

[GenerateSerializer, Immutable, Alias("OrleansCache.PinRevisionState")]
public sealed record PinRevisionState(
    [property: Id(0)] long Revision, [property: Id(1)] string Path, [property: Id(2)] DateTimeOffset Created,
    [property: Id(3)] bool Kept, [property: Id(4)] bool Present);
