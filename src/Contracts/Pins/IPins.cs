namespace OrleansCache.Contracts;

/// <summary>
/// The contract of pins. A change is done once it answers; the bucket's <c>pins/&lt;name&gt;</c> is waited for as long as the patience
/// goes, and follows by itself
/// after that. The same <see cref="OperationId"/> again (for a day) answers the recorded outcome and changes nothing.
/// </summary>
public interface IPins
{
    /// <summary>The same for somebody else: whose operation a change is, and on whose word a path may be pinned.</summary>
    IPins As(Caller caller);

    /// <summary>
    /// Makes or moves a pin. A path that is not there with all that it needs: <see cref="ProblemKind.PathNotInCache"/>; one that another
    /// group published and no server has read: <see cref="ProblemKind.Conflict"/>.
    /// </summary>
    Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>
    /// Moves a pin back to the path of an earlier revision, as a new revision. The path has to be there still, kept or not.
    /// </summary>
    Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken);

    /// <summary>Deletes a pin. True once it has left the bucket; its paths stay protected until then.</summary>
    Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken);

    /// <summary>Waits until the bucket says of a pin what was last done to it; false: it will, without further asking.</summary>
    Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken);

    Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>One pin with its history.</summary>
    Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken);
}

/// <param name="Made">There was no pin of that name.</param>
public sealed record PinSet(Pin Pin, bool Made);

/// <summary>What must be true of a pin for a change to be done; else <see cref="ProblemKind.PinChanged"/>.</summary>
public readonly record struct PinCondition
{
    private PinCondition(long? expected) => Expected = expected;

    public static PinCondition None => default;

    /// <summary>There is no such pin.</summary>
    public static PinCondition Absent { get; } = new(0);

    /// <summary>There is one.</summary>
    public static PinCondition Present { get; } = new(-1);

    /// <summary>As the catalog's functions take it: null for none, 0 for absent, -1 for present, else the revision.</summary>
    public long? Expected { get; }

    public static PinCondition Of(long? expected) => new(expected);

    public static PinCondition AtRevision(long revision) => revision > 0 ? new(revision)
        : throw new ArgumentOutOfRangeException(nameof(revision));
}
