using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>
/// Makes, moves, rolls back and deletes one pin. The only mover of a pin knows after each change what the pin must be, and looks;
/// several movers of one pin only quarrel.
/// </summary>
internal sealed class PinMover(Api api, PushClient client, Universe universe, Committed committed, Overheard overheard, Declared declared,
    BucketReader bucket, RetryPolicy retry, StormReport tally, Random random, PinName name, bool alone)
{
    // What the pin is, as far as this mover knows; null: there is none.
    private Pin? _pin;

    // Its path came with a push.
    private bool _isPushed;

    public async Task RunAsync(CancellationToken end, CancellationToken stopped)
    {
        try
        {
            while (!end.IsCancellationRequested)
            {
                await ChangeAsync(stopped);
                if (alone)
                    await CheckAsync(stopped);
                await Task.Delay(TimeSpan.FromSeconds(random.NextDouble() * 2), stopped);
            }

            if (_isPushed)
                await declared.CheckAsync(name, _pin!.Path, stopped);
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e)
        {
            tally.Violation($"pin {name}: {e.GetType().Name} {e.Message}");
        }
    }

    private async Task ChangeAsync(CancellationToken cancellationToken)
    {
        long? expected = alone && random.Next(2) == 0 ? _pin?.Revision ?? 0 : null;
        double? expires = !alone && random.Next(4) == 0 ? random.Next(1, 20) : null;
        int? keep = random.Next(3) == 0 ? random.Next(1, 4) : null;
        try
        {
            switch (random.Next(10))
            {
                case < 4:
                    var cargo = universe.Load(random.Next(universe.Packages.Count), random);
                    if (random.Next(2) == 0)
                        await overheard.AnnounceAsync(cargo, cancellationToken);
                    if (await client.PushAsync(cargo, new PushPin { Name = name, ExpiresSeconds = expires, KeepRevisions = keep },
                        mayGiveUp: false, random, cancellationToken) != PushEnd.Committed)
                        return;
                    tally.Count("pins pushed");
                    if (!alone)
                        return;
                    Expect("a push", await api.PinAsync(name, cancellationToken), cargo.Root);
                    await declared.CheckAsync(name, cargo.Root, cancellationToken);
                    _isPushed = true;
                    return;
                case < 6 when committed.Any(random) is { } path:
                    _pin = Moved("moved", await api.SetPinAsync(name,
                        new SetPin { Path = path, ExpiresSeconds = expires, KeepRevisions = keep }, expected, cancellationToken));
                    if (alone)
                        Expect("a move", _pin, path);
                    return;
                case < 8 when !alone || _pin is not null:
                    var before = _pin;
                    _pin = Moved("rolled back", await api.RollBackAsync(name, new RollbackPin(), expected, cancellationToken));
                    if (alone && _pin.Revision != before!.Revision + 1)
                        tally.Violation($"I7: pin {name} was rolled back from {before} to {_pin}");
                    return;
                default:
                    await api.DeletePinAsync(name, expected, cancellationToken);
                    tally.Count("pins deleted");
                    (_pin, _isPushed) = (null, false);
                    return;
            }
        }
        // A conflict, of a pin without a push: after the collection somebody has pushed bytes that no server has read.
        catch (CacheException e) when (e.Name is "path-not-in-cache" or "unknown-pin" or "conflict" || (e.Name is "pin-changed" && !alone))
        {
            // Nothing has changed.
            tally.Count($"pins refused: {e.Name}");
        }
    }

    private Pin Moved(string how, Pin pin)
    {
        tally.Count($"pins {how}");
        _isPushed = false;
        return pin;
    }

    private void Expect(string after, Pin pin, StorePath path)
    {
        if (pin.Path != path)
            tally.Violation($"I7: after {after} to {path.BaseName}, nobody else moves it, pin {name} is {pin}");
        _pin = pin;
    }

    /// <summary>Catalog and bucket say what was done last.</summary>
    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        tally.Count("pins checked");
        Pin? now = null;
        try
        {
            now = await api.PinAsync(name, cancellationToken);
        }
        catch (CacheException e) when (e.Name == "unknown-pin")
        {
            // There is none.
        }

        if (now?.Revision != _pin?.Revision || now?.Path != _pin?.Path)
            tally.Violation($"I7, I12: nobody else moves pin {name}; it was left as {_pin}, and is {now}");
        if (now is { Written: true })
        {
            var said = await retry.RunAsync("reading the pin", c => bucket.GetAsync($"pins/{name}", c), cancellationToken);
            if (said is null || System.Text.Encoding.UTF8.GetString(said) != now.Path.ToString())
                tally.Violation(
                    $"I7: pin {name} is {now}, and the bucket says " +
                    $"'{(said is null ? "nothing" : System.Text.Encoding.UTF8.GetString(said))}'");
        }
    }
}
