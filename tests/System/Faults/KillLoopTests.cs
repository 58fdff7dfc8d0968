using System.Diagnostics;
using System.Globalization;
using OrleansCache.Testing;
using Xunit;
using Xunit.Abstractions;

namespace OrleansCache.Faults.Tests;

/// <summary>
/// kill -9 of the client, of the gateway and of its PostgreSQL at random moments, push after push. Each push goes on from what the one
/// before left, so that every round begins with paths that are live, uploaded, half uploaded, and half published.
/// </summary>
/// <remarks>A run prints its seed; <c>ORLEANS_CACHE_TEST_SEED</c> repeats its choices, though not the scheduler's.</remarks>
public sealed class KillLoopTests(ITestOutputHelper output)
{
    private const int TopsPerRound = 6;

    private static readonly int Rounds = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1" ? 60 : 10;

    private enum Victim
    {
        Client,
        Gateway,
        Postgres,
    }

    // Small NARs go many in one request, larger ones by themselves.
    [NixTheory]
    [InlineData(300_000)]
    [InlineData(30_000)]
    public async Task Whatever_is_killed_no_narinfo_is_visible_without_its_closure_and_the_next_push_goes_on(int fileBytes)
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_SEED"), CultureInfo.InvariantCulture, out var given)
            ? given : Random.Shared.Next();
        output.WriteLine($"ORLEANS_CACHE_TEST_SEED={seed}");
        var random = new Random(seed);
        await using var closure = await GeneratedClosure.MakeAsync((Rounds + 1) * TopsPerRound, fileBytes);
        await using var server = await ServerProcess.StartAsync();

        // How long a push takes here and now is how far the faults are spread; later ones, with more to look at, take a little longer.
        var clock = Stopwatch.StartNew();
        (await CacheCli.PushAsync(server, closure.Tops[TopsPerRound - 1])).OrThrow();
        var span = clock.Elapsed * 1.2;

        for (var round = 1; round <= Rounds; round++)
        {
            var top = closure.Tops[((round + 1) * TopsPerRound) - 1];
            var faults = Enumerable.Range(0, random.Next(1, 3))
                .Select(_ => (After: span * random.NextDouble(), Victim: (Victim)random.Next(3)))
                .OrderBy(fault => fault.After).ToList();
            var story =
                $"seed {seed}, round {round}: " +
                $"{string.Join(", ", faults.Select(fault => $"{fault.Victim} after {fault.After.TotalMilliseconds:0} ms"))}";
            output.WriteLine(story);
            await using var push = CacheCli.StartPush(server, top);
            await InflictAsync(faults, push, server);
            var code = await push.WaitAsync(TimeSpan.FromMinutes(3));

            await CacheChecks.NoHolesAsync(server.Objects, story);
            // A client that was killed may have been done.
            if (code == 0)
                await CacheChecks.WholeAsync(server.Objects, top, story);
            else
                Assert.True(code == 128 + 9 && faults.Exists(fault => fault.Victim == Victim.Client),
                    $"{story}: exit code {code}\n{push.Errors}\n{server.Log}");
        }

        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();
        await CacheChecks.WholeAsync(server.Objects, closure.Root, $"seed {seed}, at the end");
        await CacheChecks.NoHolesAsync(server.Objects, $"seed {seed}, at the end");
        await CacheChecks.ReadsBackAsync(server.Objects, server.Url.ToString(), server.PublicKey, closure.Root);
        Assert.Equal(0, await server.StopAsync());
    }

    private static async Task InflictAsync(List<(TimeSpan After, Victim Victim)> faults, ProcessRunner push, ServerProcess server)
    {
        var clock = Stopwatch.StartNew();
        foreach (var (after, victim) in faults)
        {
            // Not a wait for something: the moment itself is the input.
            if (after > clock.Elapsed)
                await Task.Delay(after - clock.Elapsed);
            switch (victim)
            {
                case Victim.Client:
                    push.Kill9();
                    break;
                case Victim.Gateway:
                    await server.Kill9Async();
                    await server.RestartAsync();
                    break;
                case Victim.Postgres:
                    await server.KillPostgres9Async();
                    break;
                default:
                    throw new UnreachableException();
            }
        }
    }
}
