using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>What <c>eng/bench push</c> has found: as a table, as JSON, and against the targets.</summary>
internal sealed record PushReport(string Store, int Runs, IReadOnlyList<ColdResult> Cold, IReadOnlyList<CountedPushes> Counted,
    WarmPush? Warm, ManyClients Clients)
{
    private const double ClientMegabytes = 250, GatewayMegabytes = 400, WarmMilliseconds = 150, BeginMilliseconds = 30,
        BeginAndCommitStatements = 8;

    public IEnumerable<Target> Targets()
    {
        foreach (var cold in Cold)
        {
            var name = cold.Set.Name;
            // The first is the machine's own Nix, which the targets speak of.
            if (cold.Nix.Count > 0 && name is "python-like" or "many" or "huge")
                yield return new Target($"{name}: cold push against Nix {cold.Nix.Keys.First().Version}",
                    cold.Wall / cold.NixWall(cold.Nix.Keys.First()), name == "many" ? 0.70 : 0.60, "×");
            if (name is "python-like" or "huge")
                yield return new Target($"{name}: cold push against the machine's limit", cold.Wall / cold.LimitWall, 1.35, "×");
            yield return new Target($"{name}: client's peak memory", cold.Ours.Max(o => o.Client.PeakMegabytes), ClientMegabytes, "MiB");
        }

        foreach (var counted in Counted)
        {
            yield return new Target($"{counted.Set.Name}: statements of begin and commit, cold", counted.Cold.BeginAndCommit,
                BeginAndCommitStatements, "");
            yield return new Target($"{counted.Set.Name}: statements of begin and commit, warm", counted.Warm.BeginAndCommit,
                BeginAndCommitStatements, "");
            if (counted.Set.Name == "many")
                yield return new Target("many: begin of 2,000 known paths", Stats.Median(counted.BeginMilliseconds),
                    BeginMilliseconds, "ms");
        }

        if (Warm is not null)
            yield return new Target($"{Warm.Set.Name}: warm push beyond nix path-info", Warm.PushMilliseconds - Warm.PathInfoMilliseconds,
                WarmMilliseconds, "ms");
        yield return new Target($"gateway's peak memory with {Clients.Clients} clients at once", Clients.GatewayPeak,
            GatewayMegabytes, "MiB");
    }

    public void Print(TextWriter to)
    {
        to.WriteLine($"Medians of {Runs}, store: {Store}, {Environment.ProcessorCount} processors.");
        foreach (var cold in Cold)
        {
            to.WriteLine();
            to.WriteLine($"{cold.Set.Name}: {cold.Set.Paths.Count} paths, cold push   wall s   CPU s   ours/this");
            Line(to, "ours", cold.Wall, cold.MedianOf(o => o.Cpu), null);
            foreach (var (nix, runs) in cold.Nix)
                Line(to, nix.Name, cold.NixWall(nix), Stats.Median(runs.Select(r => r.Cpu)), cold.Wall / cold.NixWall(nix));
            Line(to, "the machine's limit", cold.LimitWall, Stats.Median(cold.Limit.Select(l => l.Cpu)), cold.Wall / cold.LimitWall);
            to.WriteLine(
                Text($"  of ours: CPU client {cold.MedianOf(o => o.Client.Cpu):F2} s, gateway {cold.MedianOf(o => o.GatewayCpu):F2} s, PostgreSQL {cold.MedianOf(o => o.PostgresCpu):F2} s{StoreCpu(cold)}"));
            to.WriteLine(Text($"           wall {string.Join(", ", PhaseMedians(cold).Select(p => Text($"{p.Key} {p.Value:F2} s")))}"));
            to.WriteLine(
                Text($"           peak memory client {cold.Ours.Max(o => o.Client.PeakMegabytes):F0} MiB, gateway {cold.Ours.Max(o => o.GatewayPeak):F0} MiB; {cold.Ours[0].Objects} objects written"));
        }

        foreach (var counted in Counted)
        {
            to.WriteLine();
            Print(to, $"{counted.Set.Name}, cold", counted.Cold);
            Print(to, $"{counted.Set.Name}, warm", counted.Warm);
            to.WriteLine(
                Text($"  begin of the warm push, sent again: median {Stats.Median(counted.BeginMilliseconds):F1} ms, from {counted.BeginMilliseconds.Min():F1} to {counted.BeginMilliseconds.Max():F1}; by a server that has just started: median {Stats.Median(counted.YoungBeginMilliseconds):F1} ms"));
        }

        to.WriteLine();
        if (Warm is not null)
            to.WriteLine(
                Text($"{Warm.Set.Name}: warm push {Warm.PushMilliseconds:F0} ms, nix path-info alone {Warm.PathInfoMilliseconds:F0} ms; of the push: {string.Join(", ", Warm.Phases.Select(p => Text($"{p.Key} {p.Value * 1000:F0} ms")))}"));
        to.WriteLine(
            Text($"{Clients.Clients} clients at once, {Clients.NarBytes / 1e6:F0} MB: {Clients.Wall:F1} s, gateway's peak memory {Clients.GatewayPeak:F0} MiB"));
        to.WriteLine();
        foreach (var target in Targets())
            to.WriteLine(target);
    }

    public JsonObject ToJson() => new()
    {
        ["store"] = Store,
        ["runs"] = Runs,
        ["processors"] = Environment.ProcessorCount,
        ["sets"] = new JsonObject(Cold.Select(cold => KeyValuePair.Create(cold.Set.Name, (JsonNode?)ToJson(cold)))),
        ["counts"] = new JsonObject(Counted.Select(c => KeyValuePair.Create(c.Set.Name, (JsonNode?)new JsonObject
        {
            ["cold"] = ToJson(c.Cold),
            ["warm"] = ToJson(c.Warm),
            ["beginMs"] = Round(Stats.Median(c.BeginMilliseconds)),
            ["youngBeginMs"] = Round(Stats.Median(c.YoungBeginMilliseconds)),
        }))),
        ["warm"] = Warm is null ? null : new JsonObject
        {
            ["set"] = Warm.Set.Name,
            ["pushMs"] = Round(Warm.PushMilliseconds),
            ["pathInfoMs"] = Round(Warm.PathInfoMilliseconds)
        },
        ["clients"] = new JsonObject
        {
            ["count"] = Clients.Clients,
            ["seconds"] = Round(Clients.Wall),
            ["gatewayPeakMiB"] = Round(Clients.GatewayPeak)
        },
        ["targets"] = new JsonArray([.. Targets().Select(t => t.ToJson())]),
    };

    private static JsonObject ToJson(ColdResult cold) => new()
    {
        ["paths"] = cold.Set.Paths.Count,
        ["ours"] = new JsonObject
        {
            ["seconds"] = Numbers(cold.Ours.Select(o => o.Client.Wall)),
            ["median"] = Round(cold.Wall),
            ["clientCpu"] = Round(cold.MedianOf(o => o.Client.Cpu)),
            ["gatewayCpu"] = Round(cold.MedianOf(o => o.GatewayCpu)),
            ["postgresCpu"] = Round(cold.MedianOf(o => o.PostgresCpu)),
            ["storeCpu"] = Round(cold.MedianOf(o => o.StoreCpu)),
            ["clientPeakMiB"] = Round(cold.Ours.Max(o => o.Client.PeakMegabytes)),
            ["gatewayPeakMiB"] = Round(cold.Ours.Max(o => o.GatewayPeak)),
            ["objects"] = cold.Ours[0].Objects,
            ["phases"] = new JsonObject(PhaseMedians(cold).Select(p => KeyValuePair.Create(p.Key, (JsonNode?)Round(p.Value)))),
        },
        ["nix"] = new JsonObject(cold.Nix.Select(n => KeyValuePair.Create(n.Key.Version, (JsonNode?)new JsonObject
        {
            ["seconds"] = Numbers(n.Value.Select(r => r.Wall)),
            ["median"] = Round(cold.NixWall(n.Key)),
            ["cpu"] = Round(Stats.Median(n.Value.Select(r => r.Cpu))),
            ["ratio"] = Round(cold.Wall / cold.NixWall(n.Key)),
        }))),
        ["limit"] = new JsonObject
        {
            ["seconds"] = Numbers(cold.Limit.Select(l => l.Wall)),
            ["median"] = Round(cold.LimitWall),
            ["cpu"] = Round(Stats.Median(cold.Limit.Select(l => l.Cpu))),
            ["ratio"] = Round(cold.Wall / cold.LimitWall),
        },
    };

    private static JsonObject ToJson(Counts counts) => new()
    {
        ["requests"] = new JsonObject(counts.Requests.Select(r => KeyValuePair.Create(r.Key, (JsonNode?)r.Value))),
        ["beginAndCommit"] = counts.BeginAndCommit,
        ["statements"] = new JsonObject(counts.ByText.Select(s =>
            KeyValuePair.Create(s.Text, (JsonNode?)new JsonObject { ["count"] = s.Count, ["ms"] = Round(s.Milliseconds) }))),
    };

    private static void Print(TextWriter to, string name, Counts counts)
    {
        to.WriteLine($"{name}: {counts.Requests.Values.Sum()} requests to the gateway ({counts.RequestsByKind})");
        to.WriteLine($"  {counts.BeginAndCommit} statements of begin and commit; {counts.StatementsByText}");
    }

    private static Dictionary<string, double> PhaseMedians(ColdResult cold)
    {
        var phases = cold.Ours.Select(o => ServerLab.PhasesOf(o.Client)).ToArray();
        return phases[0].Keys.ToDictionary(k => k, k => Stats.Median(phases.Select(p => p[k])));
    }

    private static string StoreCpu(ColdResult cold) => cold.MedianOf(o => o.StoreCpu) is var cpu and > 0
        ? Text($"; the S3 server {cpu:F2} s") : "";

    private static void Line(TextWriter to, string name, double wall, double cpu, double? ratio) =>
        to.WriteLine(Text($"  {name,-34} {wall,8:F2} {cpu,7:F2} {(ratio is { } r ? Text($"{r:F2}×") : ""),11}"));

    private static JsonArray Numbers(IEnumerable<double> values) => new([.. values.Select(v => (JsonNode)Round(v))]);

    private static double Round(double value) => Math.Round(value, 3);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
