using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>State <c>pin</c>: a pin with its history, as the catalog had it, and the change that the next write does.</summary>
internal sealed class CatalogPin : ICatalogState
{
    private PinChange? _change;
    private PinReply? _answer;
    private bool _isGuarded;

    /// <summary>Null when there is none, or when its history is not known since a change.</summary>
    public Pin? Pin { get; private set; }

    /// <summary>Why its last reading found none.</summary>
    public Problem? Absence { get; private set; }

    // A change of the expiry alone leaves the revision as it is.
    public string? Version => Pin is { } pin
        ? string.Create(CultureInfo.InvariantCulture, $"{pin.Revision} {pin.Updated.UtcTicks}") : null;

    /// <summary>The change that the next write does.</summary>
    /// <param name="isGuarded">Only if the pin is at the revision that is remembered.</param>
    public void Prepare(PinChange change, bool isGuarded) => (_change, _isGuarded, _answer) = (change, isGuarded, null);

    /// <summary>The answer to the change that was written.</summary>
    public PinReply TakeAnswer()
    {
        var answer = _answer ?? throw new InvalidOperationException("No change was written.");
        (_change, _answer) = (null, null);
        return answer;
    }

    public async Task ReadAsync(CoreServices services, GrainKey key)
    {
        try
        {
            (Pin, Absence) = (await services.Pins.ShowAsync(key.Cache, key.Pin, CancellationToken.None), null);
        }
        catch (CacheProblemException e)
        {
            // There is no such pin, or the database is unreachable: a grain that remembers nothing sends changes as well.
            (Pin, Absence) = (null, Problem.Of(e));
        }
    }

    public async Task<bool> ChangeAsync(CoreServices services, GrainKey key)
    {
        var change = _change ?? throw new InvalidOperationException("A write of a pin is a change, and none was prepared.");
        try
        {
            _answer = await DoAsync(services, key, change);
            return true;
        }
        catch (StalePinException)
        {
            return false;
        }
        catch (CacheProblemException e)
        {
            _answer = new PinReply { Problem = Problem.Of(e) };
            return true;
        }
    }

    private async Task<PinReply> DoAsync(CoreServices services, GrainKey key, PinChange change)
    {
        var pins = services.Pins.As(change is { Publisher: { } publisher, TrustGroup: { } group }
            ? new Caller(publisher, group, change.Rank, change.IsAdmin, change.Address) : Caller.Unnamed);
        // Nothing is remembered of a pin that is not there: whatever became of it meanwhile, the change is the same.
        var condition = PinCondition.Of(change.Expected) with { Seen = _isGuarded ? Pin?.Revision : null };
        if (!OperationId.TryParse(change.Operation, out var operation))
            throw new FormatException($"'{change.Operation}' is no operation");
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
                return Remember(await pins.SetAsync(key.Cache, key.Pin, set, condition, operation, TimeSpan.Zero, CancellationToken.None));
            case PinChangeKind.Rollback:
                return Remember(await pins.RollbackAsync(key.Cache, key.Pin, new RollbackPin { Revision = change.Revision }, condition,
                    operation, TimeSpan.Zero, CancellationToken.None));
            case PinChangeKind.Delete:
                await pins.DeleteAsync(key.Cache, key.Pin, condition, operation, TimeSpan.Zero, CancellationToken.None);
                Pin = null;
                return new PinReply();
            default:
                throw new NotSupportedException($"This version knows no change of kind {change.Kind}.");
        }
    }

    private PinReply Remember(PinSet set)
    {
        var now = set.Pin;
        // A replay answers with the pin as it was then, and after a change that was not guarded others may have come between.
        Pin = Pin is { History: { } history } before && before.Created == now.Created
            ? now.Revision == before.Revision && now.Path == before.Path ? now with { History = history }
            : now.Revision == before.Revision + 1 ? now with { History = [Newest(now), .. history] } : null
            : now.Revision == 1 ? now with { History = [Newest(now)] } : null;
        return new PinReply { Made = set.Made, Pin = ToWire(now) };
    }

    private static PinRevision Newest(Pin pin) =>
        new() { Revision = pin.Revision, Path = pin.Path, Created = pin.Updated, Kept = true, Present = true };

    public static PinState ToWire(Pin pin) =>
        new(pin.Path.BaseName, pin.Revision, pin.KeepRevisions, pin.Created, pin.Updated, pin.Expires);
}
