using System.Collections.Concurrent;
using System.Diagnostics;

namespace OrleansCache.Bench.Cluster;

/// <summary>
/// The benchmark <c>cluster</c>: silos beside as many plain gateways, under the same pushes; <c>docs/benchmarks-method.md</c> says what it
/// measures and why so.
/// </summary>
internal sealed class ClusterBench
{
    private const int Runners = 100;
    private const int WarmPaths = 2_000, WarmClients = 4;
    private const int SmallPaths = 4, SmallClients = 16;
    // Alone three times: one push of half a second says little by itself.
    private const int AloneRuns = 3;
    // With each member, the closures that make it compile what runners need.
    private const int WarmRunners = 4;

    private readonly ServerLab _lab;
    private readonly SmallCargo _small;
    private readonly Load _load = new();
    private readonly List<NewsTimes> _news = [];
    private readonly List<LossTimes> _losses = [];
    private readonly List<Cargo> _alone = [];
    private readonly List<Cargo> _warming = [];
    private Cargo _runners = null!;
    private Cargo _large = null!;
    private OverlapBench _overlap = null!;
    private int _closures;

    private ClusterBench(ServerLab lab)
    {
        _lab = lab;
        _small = new SmallCargo(lab.Options.Work);
    }

    private TimeSpan LoopTime => TimeSpan.FromSeconds(_lab.Options.Quick ? 1 : 4);

    private int Singles => _lab.Options.Quick ? 20 : 100;

    private int NewsRounds => _lab.Options.Quick ? 5 : 50;

    private int LargePaths => _lab.Options.Quick ? 500 : 15_000;

    // Of one part, the smallest and the largest.
    private int[] Sizes => _lab.Options.Quick ? [1, 2] : _lab.Options.Only is null ? [1, 2, 3] : [1, 3];

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        using var s3 = options.UseS3 ? await S3Place.OpenAsync(options.Work) : null;
        var bench = new ClusterBench(new ServerLab(options, s3));
        var set = ClosureSet.Read(options.Closures)[0];
        await bench.PrepareAsync(set);
        await using var postgres = await Fleet.StartPostgresAsync(options);
        foreach (var size in bench.Sizes)
        {
            // In turn, so that a change of the machine's mood meets all.
            foreach (var silos in new[] { false, true })
            {
                if (options.Against.Length > 0)
                    await bench.MeasureAsync(bench._lab.Theirs(), postgres, silos, size);
                await bench.MeasureAsync(bench._lab, postgres, silos, size);
            }
        }

        var report = new ClusterReport(s3 is null ? "directory" : "s3", set, Runners, bench._load.Retries, bench._load.Results,
            bench._news, bench._losses, bench.LargePaths);
        report.Print(options.Json ? Console.Error : Console.Out);
        if (options.Json)
            Console.Out.WriteLine(report.ToJson().ToJsonString());
        return options.Check && report.Targets().Any(target => !target.IsMet) ? 1 : 0;
    }

    private bool HasRunners => Has(ClusterPart.Runners) || Has(ClusterPart.Overlap);

    private bool Has(ClusterPart part) => _lab.Options.Only is not { } only || only == part;

    /// <summary>What is pushed: the same for every fleet, as each has a catalog and a store of its own.</summary>
    private async Task PrepareAsync(ClosureSet set)
    {
        for (var i = 0; HasRunners && i < Sizes[^1]; i++)
            _warming.Add(await Cargo.OfSetAsync(set, $"warming-{i}"));
        if (Has(ClusterPart.Runners))
        {
            _runners = await Cargo.OfSetAsync(set, "runners");
            for (var i = 0; i < AloneRuns; i++)
                _alone.Add(await Cargo.OfSetAsync(set, $"alone-{i}"));
        }

        if (Has(ClusterPart.Small))
            _large = _small.Make("large", LargePaths);
        if (Has(ClusterPart.Overlap))
            _overlap = await OverlapBench.PrepareAsync(_load, set, _small);
    }

    private async Task MeasureAsync(ServerLab lab, CacheServer postgres, bool silos, int size)
    {
        await using var fleet = await Fleet.StartAsync(lab, postgres, silos, size);
        await Console.Error.WriteLineAsync(fleet.Name);
        var runners = _load.Connect(fleet);
        var known = _small.Make("known", WarmPaths);
        await runners[0].PushAsync(known);
        await fleet.AnalyzeAsync();
        if (Has(ClusterPart.Small))
        {
            await LoopAsync(fleet, runners, Workload.Warm, WarmClients, () => known);
            await LoopAsync(fleet, runners, Workload.Cold, SmallClients, NextSmall);
            await SinglesAsync(fleet, runners);
            if (size == Sizes[^1])
                await BesideAsync(fleet, runners);
        }

        if (Has(ClusterPart.News))
            _news.Add(await NewsTimes.MeasureAsync(fleet, runners, _small, NewsRounds));
        foreach (var (runner, cargo) in runners.Zip(_warming))
            await Task.WhenAll(Enumerable.Range(0, WarmRunners).Select(_ => runner.PushAsync(cargo)));
        if (Has(ClusterPart.Runners))
            await RunnersAsync(fleet, runners);
        if (Has(ClusterPart.Overlap))
            await _overlap.RunAsync(fleet, runners);
        // The last, as it leaves a member less.
        if (Has(ClusterPart.News) && silos && size > 1 && !fleet.IsTheirs)
            _losses.Add(await LossTimes.MeasureAsync(fleet, runners, _small, WarmPaths));
    }

    /// <summary>One runner and a hundred with closures of the same size, at members that have all done just that before.</summary>
    private async Task RunnersAsync(Fleet fleet, IReadOnlyList<Runner> runners)
    {
        _load.Results.Add(await Load.MeasureAsync(fleet, Workload.OneRunner, times => Load.InTurnAsync(runners, _alone, times)));
        _runners.ForgetUploads();
        var measured = await Load.MeasureAsync(fleet, Workload.Runners,
            times => Load.AtOnceAsync(runners, Enumerable.Repeat(_runners, Runners), times));
        _load.Results.Add(measured with { NotUploadedOnce = _runners.NotUploadedOnce });
    }

    /// <summary>The small pushes again, for as long as one push of very many paths goes on beside them.</summary>
    private async Task BesideAsync(Fleet fleet, IReadOnlyList<Runner> runners) =>
        _load.Results.Add(await Load.MeasureAsync(fleet, Workload.Beside, async times =>
        {
            var large = Task.Run(() => runners[0].PushAsync(_large));
            await Task.WhenAll(Enumerable.Range(0, SmallClients).Select(i => Task.Run(async () =>
            {
                for (var turn = i; !large.IsCompleted; turn += SmallClients)
                    await Load.TimedAsync(runners[turn % runners.Count], NextSmall(), times);
            })));
            await large;
        }));

    /// <summary>So many clients for a time, each with the next push when one has ended. The first ones are the compiler's.</summary>
    private async Task LoopAsync(Fleet fleet, IReadOnlyList<Runner> runners, Workload workload, int clients, Func<Cargo> next)
    {
        await RunAsync(LoopTime / 2, []);
        _load.Results.Add(await Load.MeasureAsync(fleet, workload, times => RunAsync(LoopTime, times)));

        async Task RunAsync(TimeSpan time, ConcurrentBag<double> times)
        {
            var begun = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, clients).Select(i => Task.Run(async () =>
            {
                for (var turn = i; Stopwatch.GetElapsedTime(begun) < time; turn += clients)
                    await Load.TimedAsync(runners[turn % runners.Count], next(), times);
            })));
        }
    }

    /// <summary>
    /// One push after the other: no group forms, so silos differ from gateways by what Orleans costs; and a while without pushes, for what
    /// is used anyway.
    /// </summary>
    private async Task SinglesAsync(Fleet fleet, IReadOnlyList<Runner> runners)
    {
        await RunAsync(Singles / 4, []);
        var singles = await Load.MeasureAsync(fleet, Workload.Singles, times => RunAsync(Singles, times));
        var before = await fleet.ReadAsync();
        var begun = Stopwatch.GetTimestamp();
        // What goes on without pushes is measured over a time.
        await Task.Delay(LoopTime);
        var idle = await fleet.ReadAsync() - before;
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        _load.Results.Add(singles with { IdleMembers = idle.Members / seconds, IdlePostgres = idle.Postgres / seconds });

        async Task RunAsync(int pushes, ConcurrentBag<double> times)
        {
            for (var i = 0; i < pushes; i++)
                await Load.TimedAsync(runners[i % runners.Count], NextSmall(), times);
        }
    }

    private Cargo NextSmall() => _small.Make($"small-{Interlocked.Increment(ref _closures)}", SmallPaths);
}
