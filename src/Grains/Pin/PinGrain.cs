using Orleans.Storage;
using OrleansCache.Contracts;

namespace OrleansCache.Grains;

internal sealed class PinGrain([PersistentState("pin", CatalogGrainStorage.Name)] IPersistentState<CatalogPin> pin,
    ServicesByScope services, TimeProvider time) : Grain, IPinGrain
{
    public async Task<PinReply> ChangeAsync(PinChange change)
    {
        if (time.GetUtcNow() > change.Deadline)
            throw new TimeoutException("The deadline of this change is over.");
        pin.State.Prepare(change, isGuarded: true);
        try
        {
            await pin.WriteStateAsync();
        }
        catch (InconsistentStateException)
        {
            // Done by a server without this grain, or by another activation. The change's own condition is the catalog's to check, so it
            // is done now whatever else happens meanwhile.
            await pin.ReadStateAsync();
            pin.State.Prepare(change, isGuarded: false);
            await pin.WriteStateAsync();
        }

        return pin.State.TakeAnswer();
    }

    public async Task<PinShown> ShowAsync()
    {
        var key = GrainKey.Parse(this.GetPrimaryKeyString());
        PinVersion? version;
        try
        {
            version = await services.Of(key).Pins.VersionAsync(key.Cache, key.Pin, CancellationToken.None);
        }
        catch (CacheProblemException e)
        {
            return new PinShown { Problem = Problem.Of(e) };
        }

        if (version is not null && pin.State.Pin is { } known && IsOf(known, version))
        {
            var history = known.History!.Zip(version.Present, (r, isPresent) =>
                r with { Kept = r.Revision >= version.KeptFrom, Present = isPresent });
            return Show(known with { Written = version.Written, History = [.. history] });
        }

        await pin.ReadStateAsync();
        return pin.State.Pin is { } read ? Show(read) : new PinShown { Problem = pin.State.Absence };
    }

    private static bool IsOf(Pin pin, PinVersion version) =>
        (pin.Revision, pin.Updated, pin.BrokenSince, pin.History!.Count)
            == (version.Revision, version.Updated, version.BrokenSince, version.Present.Count);

    private static PinShown Show(Pin pin) => new()
    {
        Pin = CatalogPin.ToWire(pin),
        Written = pin.Written,
        BrokenSince = pin.BrokenSince,
        History = [.. pin.History!.Select(r => new PinRevisionState(r.Revision, r.Path.BaseName, r.Created, r.Kept, r.Present))],
    };
}
