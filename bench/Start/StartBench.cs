using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench.Start;

/// <summary>
/// The benchmark <c>start</c>: how long a server with nothing configured takes until it serves, on an empty folder and on one that it has
/// made before; how long until a first push with a pin is done; and its memory at both, and when it has done nothing for a while. With
/// <c>--against</c> beside another build's, in turn.
/// </summary>
internal static class StartBench
{
    private const double Ratio = 1.5;
    private const double IdleLimit = 160;
    // After which nothing is left to do of a start or a push: the collector of the heap has run.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        var set = ClosureSet.Read(options.Closures)[0];
        var builds = new List<(string Name, ServerLab Lab, List<StartRun> Runs)> { ("ours", new ServerLab(options, null), []) };
        if (options.Against.Length > 0)
            builds.Insert(0, ("theirs", new ServerLab(options.Theirs(), null), []));
        for (var run = 0; run < options.Runs; run++)
        {
            Console.Error.WriteLine($"start: run {run + 1} of {options.Runs}");
            foreach (var (_, lab, runs) in builds)
                runs.Add(await MeasureAsync(lab, set, Path.Combine(lab.Options.Work, $"start-{run}")));
        }

        var results = builds.ConvertAll(build => (build.Name, Medians: StartRun.MedianOf(build.Runs)));
        var targets = Targets(results).ToList();
        var output = options.Json ? Console.Error : Console.Out;
        await output.WriteLineAsync(
            $"Medians of {options.Runs}, {Environment.ProcessorCount} processors. Memory: resident, of the server without its " +
            $"PostgreSQL.\n\n{"",-8}{StartRun.Header}");
        foreach (var (name, medians) in results)
            await output.WriteLineAsync($"{name,-8}{medians}");
        await output.WriteLineAsync();
        foreach (var target in targets)
            await output.WriteLineAsync(target.ToString());
        if (options.Json)
            await Console.Out.WriteLineAsync(new JsonObject { ["targets"] = new JsonArray([.. targets.Select(t => (JsonNode)t.ToJson())]) }
                .ToJsonString());
        return options.Check && targets.Exists(target => !target.IsMet) ? 1 : 0;
    }

    private static async Task<StartRun> MeasureAsync(ServerLab lab, ClosureSet set, string data)
    {
        ProcFs.Sync();
        var clock = Stopwatch.StartNew();
        double emptyReady, emptyPushed, atReady, atPush;
        await using (var server = await CacheServer.StartAsync(lab.Options.Server, data))
        {
            emptyReady = clock.Elapsed.TotalSeconds;
            atReady = server.GatewayMegabytes;
            await PushAsync(lab, server, set);
            emptyPushed = clock.Elapsed.TotalSeconds;
            atPush = server.GatewayMegabytes;
        }

        ProcFs.Sync();
        clock.Restart();
        await using var again = await CacheServer.StartAsync(lab.Options.Server, data);
        var ready = clock.Elapsed.TotalSeconds;
        var cpu = again.GatewayCpu;
        await PushAsync(lab, again, set);
        var pushed = clock.Elapsed.TotalSeconds;
        await Task.Delay(Quiet);
        return new StartRun(emptyReady, emptyPushed, ready, pushed, cpu, atReady, atPush, again.GatewayMegabytes);
    }

    private static Task<ChildRun> PushAsync(ServerLab lab, CacheServer server, ClosureSet set) =>
        lab.PushAsync(server, ["--pin", "first", set.Root]);

    private static IEnumerable<Target> Targets(List<(string Name, StartRun Run)> results)
    {
        var ours = results[^1].Run;
        if (results is [var (_, theirs), _])
        {
            yield return Of("ready on an empty folder", r => r.EmptyReady);
            yield return Of("ready on its own folder", r => r.Ready);
            yield return Of("first push and pin on an empty folder", r => r.EmptyPushed);
            yield return Of("first push and pin on its own folder", r => r.Pushed);
            yield return Of("memory when ready", r => r.AtReady);
            yield return Of("memory after the first push and pin", r => r.AtPush);

            Target Of(string what, Func<StartRun, double> value) => new($"{what}, against theirs", value(ours) / value(theirs), Ratio, "×");
        }

        yield return new Target("memory when it does nothing", ours.Idle, IdleLimit, "MiB");
    }
}

/// <summary>Seconds from the start of the process, of a start on an empty folder and of one on a folder that is there; and MiB.</summary>
internal sealed record StartRun(double EmptyReady, double EmptyPushed, double Ready, double Pushed, double Cpu, double AtReady,
    double AtPush, double Idle)
{
    public const string Header = " empty: ready s  pushed s    again: ready s  pushed s   CPU s     MiB: ready    pushed      idle";

    public static StartRun MedianOf(IReadOnlyList<StartRun> runs)
    {
        return new(Of(r => r.EmptyReady), Of(r => r.EmptyPushed), Of(r => r.Ready), Of(r => r.Pushed), Of(r => r.Cpu), Of(r => r.AtReady),
            Of(r => r.AtPush), Of(r => r.Idle));

        double Of(Func<StartRun, double> value) => Stats.Median(runs.Select(value));
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{EmptyReady,15:0.00}{EmptyPushed,10:0.00}{Ready,18:0.00}{Pushed,10:0.00}{Cpu,8:0.00}{AtReady,15:0}{AtPush,10:0}{Idle,10:0}");
}
