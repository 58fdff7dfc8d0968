using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench.Cluster;

/// <summary>
/// The benchmark <c>membership</c>: 1. how soon a silo that is killed is out, 2. whether one that is only slow stays, with many busy
/// processes beside it for minutes, 3. how soon one that is killed then is out. The others agree that it is out when its row says so.
/// </summary>
internal sealed class MembershipBench : IAsyncDisposable
{
    private const int Kills = 3;
    private const double BestSeconds = 2, WorstSeconds = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    // Between two looks: the members' table tells nobody that it has changed.
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly BenchOptions _options;
    private readonly SiloTable _table;
    private readonly List<Silo> _silos = [];
    private readonly List<Process> _busy = [];
    private readonly List<double> _quietKills = [], _busyKills = [];
    private readonly HashSet<string> _thrownOut = [], _suspicions = [];

    private MembershipBench(BenchOptions options, SiloTable table) => (_options, _table) = (options, table);

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        await using var postgres = await CacheServer.StartAsync(options.Server, Path.Combine(options.Work, "postgres"));
        await using var table = new SiloTable(await postgres.CreateDatabaseAsync("members"));
        await using var bench = new MembershipBench(options, table);
        for (var number = 1; number <= SiloTable.Members; number++)
            bench._silos.Add(await bench.StartAsync(number));

        // 1
        await bench.KillAsync(bench._quietKills, "nothing else runs");
        // 2
        bench.BeginToBeBusy();
        await bench.WatchAsync(TimeSpan.FromMinutes(options.Minutes));
        // 3
        if (bench._thrownOut.Count == 0)
            await bench.KillAsync(bench._busyKills, Text($"{options.Busy} busy processes"));

        Target[] targets =
        [
            new(Text($"silos thrown out in {options.Minutes} min beside {options.Busy} busy processes on {Environment.ProcessorCount} processors"), bench._thrownOut.Count, 0, ""),
            new("a killed silo is out, at best", bench._quietKills.Min(), BestSeconds, "s"),
            new("a killed silo is out, at worst", bench._quietKills.Concat(bench._busyKills).Max(), WorstSeconds, "s"),
        ];
        foreach (var target in targets)
            await (options.Json ? Console.Error : Console.Out).WriteLineAsync($"{target}");
        if (options.Json)
            Console.WriteLine(bench.ToJson(targets).ToJsonString());
        return options.Check && targets.Any(target => !target.IsMet) ? 1 : 0;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _busy)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        await Task.WhenAll(_silos.Select(silo => silo.Server.DisposeAsync().AsTask()));
    }

    private async Task<Silo> StartAsync(int number)
    {
        var data = Path.Combine(_options.Work, $"silo-{number}");
        if (number > 1 && !Directory.Exists(data))
            Fleet.Share(Path.Combine(_options.Work, "silo-1"), data);
        var (program, options) = _options.Member;
        var server = await CacheServer.StartAsync(program, data, ["--postgres", _table.ConnectionString, .. options]);
        var known = _silos.Select(silo => silo.Row).ToHashSet();
        while (true)
        {
            if ((await _table.ReadAsync()).FirstOrDefault(row => row.IsActive && !known.Contains(row.Name)) is { } row)
                return new Silo(number, server, row.Name);
            await Task.Delay(Look); // Silos write the table of members, which tells nobody.
        }
    }

    private async Task KillAsync(List<double> seconds, string beside)
    {
        for (var i = 0; i < Kills; i++)
        {
            var victim = _silos[i % _silos.Count];
            var clock = Stopwatch.StartNew();
            victim.Server.Kill9();
            while ((await _table.ReadAsync()).Any(row => row.Name == victim.Row && !row.IsDead))
            {
                if (clock.Elapsed > Patience)
                    throw new BenchException(
                        Text($"Silo {victim.Number} was killed, and is not out after {clock.Elapsed.TotalSeconds:0} s."));
                await Task.Delay(Look); // The same.
            }

            seconds.Add(clock.Elapsed.TotalSeconds);
            await SayAsync($"silo {victim.Number} killed, {beside}: out after {clock.Elapsed.TotalSeconds:0.0} s");
            await victim.Server.DisposeAsync();
            _silos.Remove(victim);
            _silos.Insert(i % (_silos.Count + 1), await StartAsync(victim.Number));
            while ((await _table.ReadAsync()).Count(row => row.IsActive) < SiloTable.Members)
                await Task.Delay(Look); // The same.
        }
    }

    // They look for this program now and then: nothing of them stays when it is killed.
    private void BeginToBeBusy()
    {
        for (var i = 0; i < _options.Busy; i++)
            _busy.Add(Process.Start("sh", ["-c",
                Text($"while kill -0 {Environment.ProcessId} 2>/dev/null; do i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; done")]));
    }

    private async Task WatchAsync(TimeSpan length)
    {
        var clock = Stopwatch.StartNew();
        var own = _silos.ToDictionary(silo => silo.Row);
        var longestLook = TimeSpan.Zero;
        while (clock.Elapsed < length)
        {
            var began = clock.Elapsed;
            foreach (var row in (await _table.ReadAsync()).Where(row => own.ContainsKey(row.Name)))
            {
                foreach (var suspicion in row.Suspicions.Where(suspicion => _suspicions.Add($"{row.Name} {suspicion}")))
                    await SayAsync($"after {clock.Elapsed.TotalSeconds:0} s silo {own[row.Name].Number} is suspected: {suspicion}");
                if (row.IsDead && _thrownOut.Add(row.Name))
                    await SayAsync($"after {clock.Elapsed.TotalSeconds:0} s silo {own[row.Name].Number} is THROWN OUT");
            }

            longestLook = clock.Elapsed - began > longestLook ? clock.Elapsed - began : longestLook;
            await Task.Delay(Look * 10); // What is looked for may come at any time, or never.
        }

        await SayAsync(
            $"{length.TotalMinutes:0.#} min beside {_options.Busy} busy processes: {_suspicions.Count} suspicions, {_thrownOut.Count} thrown out; the slowest look at the table took {longestLook.TotalMilliseconds:0} ms");
    }

    private JsonObject ToJson(IEnumerable<Target> targets) => new()
    {
        ["processors"] = Environment.ProcessorCount,
        ["minutes"] = _options.Minutes,
        ["busy"] = _options.Busy,
        ["suspicions"] = _suspicions.Count,
        ["thrownOut"] = _thrownOut.Count,
        ["quietKillSeconds"] = new JsonArray([.. _quietKills.Select(s => (JsonNode)Math.Round(s, 3))]),
        ["busyKillSeconds"] = new JsonArray([.. _busyKills.Select(s => (JsonNode)Math.Round(s, 3))]),
        ["targets"] = new JsonArray([.. targets.Select(t => t.ToJson())]),
    };

    private static Task SayAsync(FormattableString text) => Console.Error.WriteLineAsync(Text(text));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Silo(int Number, CacheServer Server, string Row);
}
