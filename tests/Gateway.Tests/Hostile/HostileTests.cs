using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Tests.Http;

namespace OrleansCache.Gateway.Tests.Hostile;

/// <summary>Alone in the process: its heap is what the test looks at.</summary>
[CollectionDefinition(nameof(HostileTests), DisableParallelization = true)]
#pragma warning disable CA1711 // It is one.
public sealed class HostileCollection;
#pragma warning restore CA1711

/// <summary>
/// Generated requests that no honest client sends: 1,500, or 12,000 with <c>ORLEANS_CACHE_TEST_FULL=1</c>. <c>ORLEANS_CACHE_TEST_SEED</c>
/// repeats a run.
/// </summary>
[Collection(nameof(HostileTests))]
public class HostileTests
{
    private const int AtOnce = 12;
    // Pools keep what the largest body needs, for each thread; that is why it is small here.
    private const long MaxGrowth = 64 << 20;
    private const long MaxPeak = 512 << 20;

    private static readonly int Requests = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1" ? 12_000 : 1_500;

    private static readonly int Seed = int.TryParse(Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_SEED"), NumberStyles.None,
        CultureInfo.InvariantCulture, out var seed)
        ? seed
        : Random.Shared.Next();

    [Fact]
    public async Task Whatever_is_sent_nothing_fails_nothing_is_written_and_memory_stays_bounded()
    {
        await using var server = await HostileServer.StartAsync(LogLevel.Warning);
        var generator = new RequestGenerator(server, Seed);
        // What is compiled and pooled at first use is no growth.
        await RunAsync(server, generator, -200, 0);
        var before = await server.SnapshotAsync();
        var working = Environment.WorkingSet;

        // In quarters: what is pooled is full after the first, what leaks grows in each.
        var (faults, peak, heaps) = (new List<string>(), 0L, new List<long>());
        for (var quarter = 0; quarter < 4; quarter++)
        {
            var (found, highest) = await RunAsync(server, generator, Requests * quarter / 4, Requests * (quarter + 1) / 4);
            faults.AddRange(found);
            peak = Math.Max(peak, highest);
            heaps.Add(GC.GetTotalMemory(forceFullCollection: true));
        }

        Assert.True(faults.Count == 0,
            $"seed {Seed}:\n{string.Join("\n\n", faults.Take(5))}\n{string.Join('\n', server.Log.Where(l => l.StartsWith("Error", StringComparison.Ordinal)).Take(3))}");
        var after = await server.SnapshotAsync();
        var changed = before.Keys.Union(after.Keys).Where(k => before.GetValueOrDefault(k) != after.GetValueOrDefault(k))
            .Select(k => $"{k}\nwas {Short(before, k)}\nis  {Short(after, k)}");
        Assert.True(!changed.Any(), $"seed {Seed}: something was written: {string.Join('\n', changed)}");
        var errors = server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal)
            || line.StartsWith("Critical", StringComparison.Ordinal)).ToList();
        Assert.True(errors.Count == 0, $"seed {Seed}: errors were logged:\n{string.Join('\n', errors.Take(5))}");
        var findings = new List<string>();
        await foreach (var finding in server.Core.Fsck.CheckAsync(CacheName.Default, new FsckTally(), CancellationToken.None))
            findings.Add(finding.ToString());
        Assert.Empty(findings);
        Assert.True(
            heaps[^1] - heaps[0] < MaxGrowth && peak - working < MaxPeak,
            $"seed {Seed}: the heap had {string.Join(", ", heaps.Select(h => h >> 20))} MiB after each quarter, the process has grown by " +
                $"up to {(peak - working) >> 20} MiB");
    }

    [Fact]
    public async Task A_number_makes_the_same_request_each_time()
    {
        await using var server = await HostileServer.StartAsync(LogLevel.Warning);
        for (var i = 0; i < 300; i++)
        {
            var (once, again) = (new RequestGenerator(server, Seed).Make(i), new RequestGenerator(server, Seed).Make(i));
            // A token that was never made is new each time.
            if (!once.Kind.StartsWith("token", StringComparison.Ordinal))
                Assert.Equal(once.Bytes, again.Bytes);
        }
    }

    private static async Task<(List<string> Faults, long Peak)> RunAsync(HostileServer server, RequestGenerator generator, int from, int to)
    {
        var faults = new List<string>();
        long peak = 0;
        await Parallel.ForEachAsync(Enumerable.Range(from, to - from), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (number, _) =>
        {
            var request = generator.Make(number);
            var answer = await RawHttp.SendAsync(server.Url, request.Bytes, request.End);
            lock (faults)
            {
                peak = Math.Max(peak, Environment.WorkingSet);
                // 505: another version of HTTP was asked for.
                if (answer.Status >= 500 && answer.Status != 505)
                    faults.Add(
                        $"request {number} ({request.Kind})\n{Encoding.Latin1.GetString(request.Bytes.AsSpan(0, Math.Min(1500, request.Bytes.Length)))}\nwas answered\n{answer.Text}");
            }
        });
        return (faults, peak);
    }

    private static string Short(SortedDictionary<string, string> all, string key) => all.TryGetValue(key, out var text)
        ? text.Length > 2000 ? text[..2000] : text : "nothing";
}
