namespace OrleansCache.Contracts;

/// <summary>
/// The contract of pins. A change is done when it answers. The call waits for the bucket's <c>pins/&lt;name&gt;</c> as long as its patience
/// allows; after that the bucket follows by itself. The same <see cref="OperationId"/> again, within a day, answers the recorded outcome
/// and changes nothing.
/// </summary>
public interface IPins
{
    /// <summary>The same for another caller, whose operations the changes are, and on whose word paths may be pinned.</summary>
    IPins As(Caller caller);

    /// <summary>
    /// Makes or moves a pin. <see cref="ProblemKind.PathNotInCache"/>: the path, or something that it needs, is absent;
    /// <see cref="ProblemKind.Conflict"/>: another group published it and no server has read it.
    /// </summary>
    Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>
    /// Moves a pin back to the path of an earlier revision, as a new revision. The path must still be there, kept or not.
    /// </summary>
    Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>Deletes a pin. True once it has left the bucket; its paths stay protected until then.</summary>
    Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>Waits until the bucket has a pin's last change; false: it will have it soon, without further calls.</summary>
    Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken);

    Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>One pin with its history.</summary>
    Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken);

    /// <summary>By what a memory of a pin is checked, at less cost than reading it; null when there is no such pin.</summary>
    Task<PinVersion?> VersionAsync(CacheName cache, PinName name, CancellationToken cancellationToken);
}

/// <summary>What of a pin may change, without the paths and times of its history.</summary>
/// <param name="Revision">Grows with each change of the path.</param>
/// <param name="Updated">When it was last changed, its path or its expiry.</param>
/// <param name="Written">See <see cref="Pin.Written"/>.</param>
/// <param name="KeptFrom">The oldest revision that is kept.</param>
/// <param name="BrokenSince">See <see cref="Pin.BrokenSince"/>.</param>
/// <param name="Present">See <see cref="PinRevision.Present"/>, of each revision of the history, newest first.</param>
public sealed record PinVersion(long Revision, DateTimeOffset Updated, bool Written, long KeptFrom, DateTimeOffset? BrokenSince,
    IReadOnlyList<bool> Present);

/// <summary>The pin is not at <see cref="PinCondition.Seen"/>. Nothing was done, and the operation is not used up.</summary>
public sealed class StalePinException(PinName pin) : Exception($"Pin '{pin}' has moved past what is remembered of it.");

/// <param name="Made">The pin is new.</param>
public sealed record PinSet(Pin Pin, bool Made);

/// <summary>The condition on a pin for a change; when it fails: <see cref="ProblemKind.PinChanged"/>.</summary>
public readonly record struct PinCondition
{
    private PinCondition(long? expected) => Expected = expected;

    public static PinCondition None => default;

    /// <summary>The pin must not exist.</summary>
    public static PinCondition Absent { get; } = new(0);

    /// <summary>The pin must exist.</summary>
    public static PinCondition Present { get; } = new(-1);

    /// <summary>In the form of the catalog's functions: null for none, 0 for absent, -1 for present, else the revision.</summary>
    public long? Expected { get; }

    /// <summary>
    /// In the same form, what a server remembers of the pin and wants to be told when it is wrong: see <see cref="StalePinException"/>.
    /// </summary>
    public long? Seen { get; init; }

    public static PinCondition Of(long? expected) => new(expected);

    public static PinCondition AtRevision(long revision) => revision > 0 ? new(revision)
        : throw new ArgumentOutOfRangeException(nameof(revision));
}
