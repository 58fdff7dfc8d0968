using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>Everything at once, drawn from a seed. What it does in which order is up to the scheduler; what must hold is not.</summary>
public sealed class PushStormTests
{
    private const int Pushers = 20;
    private const int Rounds = 6;
    private const int Universe = 60;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public async Task Twenty_pushers_of_overlapping_closures_leave_the_cache_whole(int seed, bool pooled)
    {
        await using var world = pooled ? await World.ThroughPgBouncerAsync() : await World.CreateAsync();
        var gateways = new[] { world.Core, await world.AddGatewayAsync(), await world.AddGatewayAsync() };
        var faults = new Random(seed);
        world.Store.OnWrite = (_, _) =>
        {
            lock (faults)
                return Task.FromResult(faults.Next(100) switch
                {
                    < 2 => Answer.Lost,
                    < 4 => Answer.Dropped,
                    < 8 => Answer.Refused,
                    _ =>
                    Answer.Normal
                });
        };
        using var end = new CancellationTokenSource();
        var background = Task.Run(() => CollectAsync(world, gateways, new Random(seed + 1000), end.Token));

        await Task.WhenAll(Enumerable.Range(0, Pushers)
            .Select(n => Task.Run(() => PushAsync(world, gateways[n % gateways.Length], new Random(seed * 100 + n)))));
        await end.CancelAsync();
        await background;

        await SettleAsync(world);
        await world.AssertSoundAsync();
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from push where state in ('open', 'committing')"));
        Assert.Equal(0,
            await world.QueryAsync<long>("select count(*) from store_path where state not in ('gone', 'live') or fence is not null"));
        Assert.Equal(0,
            await world.QueryAsync<long>(
            "select count(*) from object where state not in ('gone', 'live') or fence is not null or cardinality(holders) > 0 or exclusive"));
        Assert.Equal(0, await world.QueryAsync<long>("select (select count(*) from push_path) + (select count(*) from push_object)"));
        var keys = await world.Core.Database.ListAsync("select key from object where state = 'live'", _ => { }, r => r.GetString(0),
            CancellationToken.None);
        Assert.Equal(keys.Order(StringComparer.Ordinal),
            world.Store.Objects.Keys.Where(k => !k.EndsWith(".narinfo", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal(await world.QueryAsync<long>("select count(*) from store_path where state = 'live'"), world.Store.NarInfos.Count());
    }

    private static async Task PushAsync(World world, CacheCore gateway, Random random)
    {
        for (var round = 0; round < Rounds; round++)
        {
            try
            {
                var push = await world.BeginAsync(Draw(random), pushes: gateway.Pushes);
                if (random.Next(100) < 10)
                {
                    await gateway.Pushes.AbortAsync(CacheName.Default, World.Id(push), CancellationToken.None);
                    continue;
                }

                await world.UploadAsync(push, [.. push.Uploads.Where(_ => random.Next(100) < 90)], gateway.Pushes);
                // A client that dies here.
                if (random.Next(100) < 10)
                    continue;
                var waiting = push.Missing.Where(m => m.State is PathState.Wait or PathState.Upload).Select(m => m.Path).ToList();
                for (var turn = 0; waiting.Count > 0 && turn < 20; turn++)
                {
                    var answer = await gateway.Pushes.WaitAsync(CacheName.Default, World.Id(push),
                        new WaitRequest { Paths = waiting, TimeoutSeconds = 1 }, CancellationToken.None);
                    await world.UploadAsync(push, answer.Uploads, gateway.Pushes);
                    waiting = [.. answer.Paths.Where(p => p.State == PathState.Wait).Select(p => p.Path)];
                }

                await world.CommitAsync(push, gateway.Pushes, TimeSpan.FromSeconds(random.Next(3)));
            }
            catch (CacheProblemException e) when (e.Kind is ProblemKind.PushEnded or ProblemKind.MissingPaths)
            {
                // Time passes in leaps here: a push may lapse and be ended.
            }
        }
    }

    // A path refers to some of the paths before it, always the same ones; a closure is all that a few paths reach.
    private static BeginPush Draw(Random random)
    {
        var chosen = new SortedSet<int>();
        var roots = Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(Universe)).Distinct().ToList();
        foreach (var root in roots)
            Add(root);
        // Some NARs are shared by two paths.
        var paths = chosen.Select(i => World.Path($"p{i}", [.. References(i).Select(r => $"p{r}")], content: $"nar{i - i % 10 % 2}"));
        return World.Closure([.. paths.OrderBy(_ => random.Next())]) with { Roots = [.. roots.Select(r => World.Hash($"p{r}"))] };

        void Add(int path)
        {
            if (chosen.Add(path))
            {
                foreach (var reference in References(path))
                    Add(reference);
            }
        }
    }

    private static IEnumerable<int> References(int path) => new[] { path - 1 - path % 3, path / 2, path - 7 }
        .Where(r => r >= 0 && r < path).Distinct();

    private static async Task CollectAsync(World world, CacheCore[] gateways, Random random, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            await gateways[random.Next(gateways.Length)].RunHousekeepingAsync(CancellationToken.None);
            await world.TravelAsync(TimeSpan.FromSeconds(random.Next(40)), alone: true);
            if (random.Next(3) == 0)
                // In the order in which commits lock them.
                await world.ExecuteAsync(
                    $"delete from root where path_id in (select path_id from root where path_id % 3 = {random.Next(3)} order by path_id for update)");
            await new Collector(world).RunAsync();
        }
    }

    // Pushes lapse, fences and the life of URLs pass, the faults are over: then nothing may still be under way.
    private static async Task SettleAsync(World world)
    {
        world.Store.OnWrite = (_, _) => Task.FromResult(Answer.Normal);
        await OrleansCache.Testing.Eventually.BecomesTrueAsync(async () =>
        {
            await world.TravelAsync(TimeSpan.FromDays(2));
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
            return await world.QueryAsync<bool>("""
                select not exists (select from push where state in ('open', 'committing')) and not exists (select from object where state not in ('live', 'gone', 'condemned'))
                  and not exists (select from store_path where state = 'live' and not recorded)
                """);
        }, describe: () => "the end of all that was under way");
        await new Collector(world).RunAsync();
        for (var turn = 0; turn < 3; turn++)
        {
            await world.TravelAsync(TimeSpan.FromDays(2));
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
        }
    }
}
