using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

internal sealed class PinGrain(ServicesByScope services, TimeProvider time) : Grain, IPinGrain
{
    public async Task<PinReply> ChangeAsync(PinChange change)
    {
        if (time.GetUtcNow() > change.Deadline)
            throw new TimeoutException("The deadline of this change is over.");
        var key = GrainKey.Parse(this.GetPrimaryKeyString());
        var pins = services.Of(key).Pins.As(change is { Publisher: { } publisher, TrustGroup: { } group }
            ? new Caller(publisher, group, change.Rank, change.IsAdmin, change.Address) : Caller.Unnamed);
        var condition = PinCondition.Of(change.Expected);
        if (!OperationId.TryParse(change.Operation, out var operation))
            throw new FormatException($"'{change.Operation}' is no operation");
        try
        {
            // The hosting process writes the bucket. It begins now, and no turn waits for it.
            switch (change.Kind)
            {
                case PinChangeKind.Set:
                    var set = new SetPin
                    {
                        Path = StorePath.Parse(change.Path!),
                        ExpiresSeconds = change.ExpiresSeconds,
                        KeepRevisions = change.KeepRevisions,
                        NarHash = change.NarHash is { } nar ? Sha256Hash.Parse(nar) : null
                    };
                    return Reply(await pins.SetAsync(key.Cache, key.Pin, set, condition, operation, TimeSpan.Zero, CancellationToken.None));
                case PinChangeKind.Rollback:
                    return Reply(await pins.RollbackAsync(key.Cache, key.Pin, new RollbackPin { Revision = change.Revision }, condition,
                        operation, TimeSpan.Zero, CancellationToken.None));
                case PinChangeKind.Delete:
                    await pins.DeleteAsync(key.Cache, key.Pin, condition, operation, TimeSpan.Zero, CancellationToken.None);
                    return new PinReply();
                default:
                    throw new NotSupportedException($"This version knows no change of kind {change.Kind}.");
            }
        }
        catch (CacheProblemException e)
        {
            return new PinReply { Problem = Problem.Of(e) };
        }
    }

    private static PinReply Reply(PinSet set) => new()
    {
        Made = set.Made,
        Pin = new PinState(set.Pin.Path.BaseName, set.Pin.Revision, set.Pin.KeepRevisions, set.Pin.Created, set.Pin.Updated,
            set.Pin.Expires),
    };
}
