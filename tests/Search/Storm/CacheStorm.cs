using OrleansCache.Contracts;

namespace OrleansCache.Storm;

/// <summary>
/// Who uses one cache while the storm lasts: pushers, pins that move, a collector that hardly waits, readers; and of a cache beside the
/// default one, whose keys may change, who rotates them.
/// </summary>
internal sealed class CacheStorm(StormWorld world, StormCache cache,
    IReadOnlyList<Func<SimulatedClosure, Random, CancellationToken, Task<PushEnd?>>> pushers)
{
    // Of the default cache; a cache beside it has fewer of each.
    private const int PinsOfOne = 12;
    private const int PinsOfTwo = 6;
    private const int Readers = 3;
    private const int ShareOfOthers = 4;
    private const int Rotations = 2;

    /// <summary>How many ask the default cache: those who move pins, too.</summary>
    public static int AskingOf(StormOptions options) => options.Pushers + PinsOfOne + (PinsOfTwo * 2);

    public static async Task<CacheStorm> GatherAsync(StormWorld world, StormCache cache) => new(world, cache,
        await new Pushers(world, cache, Share(cache, world.Options.Pushers)).GatherAsync(world.Tally.Violated));

    /// <summary>Begins all of it. The answer ends when everybody has finished what they had begun when it was over.</summary>
    public Task RunAsync(CancellationToken end, CancellationToken stopped)
    {
        var declared = new Declared(world.Universe, cache.Reader, world.Retry, world.Tally);
        List<Task> all = [.. pushers.Select(push => PushAsync(push, world.NextRandom(), end, stopped))];
        foreach (var (name, alone) in Enumerable.Range(0, Share(cache, PinsOfOne)).Select(i => ($"own-{i}", true))
            .Concat(Enumerable.Range(0, Share(cache, PinsOfTwo) * 2).Select(i => ($"shared-{i / 2}", false))))
            all.Add(new PinMover(cache.Api, cache.Client, world.Universe, cache.Committed, cache.Overheard, declared, cache.Reader,
                world.Retry, world.Tally, world.NextRandom(), PinName.Parse(name), alone).RunAsync(end, stopped));
        all.Add(new CollectLoop(cache.Api, world.Tally, world.NextRandom()).RunAsync(end, stopped));
        all.Add(new ClosureScan(world.S3, world.Bucket.Name, cache, world.Retry, world.Tally, world.NextRandom()).RunAsync(end, stopped));
        all.AddRange(Enumerable.Range(0, Share(cache, Readers)).Select(_ =>
            new PinReader(cache.Api, cache.Reader, world.Retry, world.Tally, world.NextRandom()).RunAsync(end, stopped)));
        if (!cache.IsDefault)
            all.Add(RotateAsync(end, stopped));
        return Task.WhenAll(all);
    }

    private static int Share(StormCache cache, int count) => cache.IsDefault ? count : (count + ShareOfOthers - 1) / ShareOfOthers;

    private async Task PushAsync(Func<SimulatedClosure, Random, CancellationToken, Task<PushEnd?>> push, Random random,
        CancellationToken end, CancellationToken stopped)
    {
        try
        {
            while (!end.IsCancellationRequested)
            {
                var cargo = world.Universe.Load(random.Next(world.Universe.Packages.Count), random);
                if (await push(cargo, random, stopped) == PushEnd.Committed)
                    cache.Committed.Add(cargo.Root);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e) when (!stopped.IsCancellationRequested)
        {
            world.Tally.Violation($"a pusher to cache {cache.Name} failed: {e}");
        }
    }

    // At a third and at two thirds of the storm: the first may not have ended when the second begins.
    private async Task RotateAsync(CancellationToken end, CancellationToken stopped)
    {
        try
        {
            for (var number = 1; number <= Rotations; number++)
            {
                // Not a wait for something: when it happens is the input.
                await Task.Delay(TimeSpan.FromMinutes(world.Options.Minutes / (Rotations + 1)), end)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await cache.RotateAsync($"{cache.Name}-{number + 1}", stopped);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e)
        {
            world.Tally.Violation($"the keys of cache {cache.Name} could not be rotated: {e}");
        }
    }
}
