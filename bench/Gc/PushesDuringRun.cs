using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Common;

namespace OrleansCache.Bench.Gc;

/// <summary>
/// Pushes at a quarter of what the machine can do, alone and while a run goes on in the same process: the 99th percentile of begin and
/// commit, for each phase of the run.
/// </summary>
internal static class PushesDuringRun
{
    private const int Workers = 8;
    private const int EnoughPushes = 100;
    private const double Most = 2;
    private static readonly TimeSpan CapacityTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AloneTime = TimeSpan.FromSeconds(20);
    // Younger than what GraphFill makes old.
    private static readonly TimeSpan Retention = TimeSpan.FromHours(300);

    public static async Task<JsonObject> MeasureAsync(string place, TextWriter output, List<Target> targets)
    {
        await using var core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = place,
                Store = new CountingStore(),
                Pushes = new PushOptions { VerifyLocalUploads = false },
                Housekeeping = false
            }, NullLoggerFactory.Instance,
                TimeProvider.System, CancellationToken.None);
        var pushes = new SteadyPushes(core.Pushes);
        await pushes.PrepareAsync();
        await pushes.CapacityAsync(Workers, CapacityTime); // the first is the compiler's
        var rate = await pushes.CapacityAsync(Workers, CapacityTime) / 4;
        using var soon = new CancellationTokenSource(AloneTime);
        var alone = await pushes.RunAsync(rate, () => "alone", soon.Token);

        var phase = "starting";
        using var stop = new CancellationTokenSource();
        var steady = pushes.RunAsync(rate, () => Volatile.Read(ref phase), stop.Token);
        var run = await core.Collection.StartAsync(CacheName.Default,
            new GcRequest { OlderThanSeconds = Retention.TotalSeconds, Force = true }, OperationId.New(), CancellationToken.None);
        while ((run = await core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State == GcState.Running)
        {
            Volatile.Write(ref phase, run.Phase);
            await Task.Delay(50); // the phases last for seconds
        }

        await stop.CancelAsync();
        var during = await steady;
        if (run.State != GcState.Done || run.ObjectsDeletedAfterGracePeriod == 0)
            throw new BenchException($"the run ended {run.State} with {run.ObjectsDeletedAfterGracePeriod} nodes deleted: {run.Error}");

        await output.WriteLineAsync($"{"",12} pushes at {rate:0}/s, 99th percentile (ms):");
        var json = new JsonObject { ["rate"] = rate };
        var (begin, commit) = Report("alone", alone);
        foreach (var group in during.GroupBy(p => p.Phase).Where(g => g.Count() >= EnoughPushes))
        {
            var (b, c) = Report(group.Key, [.. group]);
            targets.Add(new Target($"begin while {group.Key}, against alone", b / begin, Most, "×"));
            targets.Add(new Target($"commit while {group.Key}, against alone", c / commit, Most, "×"));
        }

        return json;

        (double Begin, double Commit) Report(string name, List<PushTime> times)
        {
            var (b, c) = (Stats.Percentile(times.Select(t => t.Begin), 99), Stats.Percentile(times.Select(t => t.Commit), 99));
            output.WriteLine($"{"",14} {name,-11} begin {b,7:0.0}  commit {c,7:0.0}  ({times.Count} pushes)");
            json[name] = new JsonObject { ["begin"] = b, ["commit"] = c, ["pushes"] = times.Count };
            return (b, c);
        }
    }
}
