using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>
/// What <c>eng/bench push --protocol</c> or <c>--against</c> has found: as a table and as JSON, each candidate beside the first.
/// </summary>
/// <param name="First">What the first candidates are called: the figures of the others are so many times theirs.</param>
internal sealed record ComparisonReport(ServerLab Lab, IReadOnlyList<Comparison> Comparisons, string First, IReadOnlyList<Target> Targets)
{
    private static readonly Figure[] Figures =
    [
        new("wall s", "seconds", "F2", p => p.MedianOf(r => r.Client.Wall)),
        new("CPU s", "cpu", "F2", p => p.MedianOf(r => r.Cpu)),
        new("client", "clientCpu", "F3", p => p.MedianOf(r => r.Client.Cpu)),
        new("gateway", "gatewayCpu", "F3", p => p.MedianOf(r => r.GatewayCpu)),
        new("PostgreSQL", "postgresCpu", "F3", p => p.MedianOf(r => r.PostgresCpu)),
        new("S3", "storeCpu", "F2", p => p.MedianOf(r => r.StoreCpu)),
        new("peak MiB", "gatewayPeakMiB", "F0", p => p.Runs.Max(r => r.GatewayPeak)),
        new("requests", "requests", "F0", p => p.Counts.Requests.Values.Sum()),
        new("statements", "statements", "F0", p => p.Counts.Statements.Count),
        new("of them own", "ownStatements", "F0", p => p.Counts.BeginAndCommit),
        new("objects", "objects", "F0", p => p.Written),
    ];

    private BenchOptions Options => Lab.Options;

    private string Store => Lab.S3 is null ? "directory" : "s3";

    /// <summary>As the options want it.</summary>
    public void Print()
    {
        Print(Options.Json ? Console.Error : Console.Out);
        if (Options.Json)
            Console.Out.WriteLine(ToJson().ToJsonString());
    }

    private void Print(TextWriter to)
    {
        to.WriteLine(
            $"Medians of {Options.Runs}, store: {Store}, {Environment.ProcessorCount} processors. CPU: client, gateway and PostgreSQL. " +
            "Peak: of the gateway, the largest of all.");
        foreach (var comparison in Comparisons)
        {
            var (_, firstCold, firstWarm) = comparison.Candidates[0];
            to.WriteLine();
            Row(to, $"{comparison.Name}: {comparison.Paths} paths", figure => figure.Name);
            foreach (var (name, cold, warm) in comparison.Candidates)
            {
                Rows(to, $"{name}, cold", cold, firstCold);
                Rows(to, $"{name}, warm", warm, firstWarm);
            }

            foreach (var (name, cold, warm) in comparison.Candidates)
            {
                to.WriteLine($"  {name}, cold: {cold.Counts.RequestsByKind}; {cold.Counts.StatementsByText}");
                to.WriteLine($"  {name}, warm: {warm.Counts.RequestsByKind}; {warm.Counts.StatementsByText}");
            }
        }

        if (Targets.Count > 0)
            to.WriteLine();
        foreach (var target in Targets)
            to.WriteLine(target);
    }

    private JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["store"] = Store,
            ["runs"] = Options.Runs,
            ["processors"] = Environment.ProcessorCount,
            ["sets"] = Object(Comparisons, comparison => comparison.Name, comparison => new JsonObject
            {
                ["paths"] = comparison.Paths,
                ["clients"] = Object(comparison.Candidates, c => c.Candidate, c => new JsonObject
                {
                    ["cold"] = ToJson(c.Cold, comparison.Candidates[0].Cold),
                    ["warm"] = ToJson(c.Warm, comparison.Candidates[0].Warm),
                }),
            }),
        };
        if (Targets.Count > 0)
            json["targets"] = new JsonArray([.. Targets.Select(t => t.ToJson())]);
        return json;
    }

    private JsonObject ToJson(RepeatedRuns runs, RepeatedRuns first)
    {
        var json = Object(Figures, f => f.Json, f => Math.Round(f.Of(runs), 3));
        if (runs != first)
            json[$"times{char.ToUpperInvariant(First[0])}{First[1..]}"] = Object(Figures.Where(f => f.Of(first) > 0), f => f.Json, f =>
                Math.Round(f.Of(runs) / f.Of(first), 3));
        return json;
    }

    private void Rows(TextWriter to, string name, RepeatedRuns runs, RepeatedRuns first)
    {
        Row(to, $"  {name}", f => f.Of(runs).ToString(f.Format, CultureInfo.InvariantCulture));
        if (runs != first)
            Row(to, $"    times {First}", f => f.Of(first) > 0
                ? string.Create(CultureInfo.InvariantCulture, $"{f.Of(runs) / f.Of(first):F2}×") : "");
    }

    private static void Row(TextWriter to, string name, Func<Figure, string> cell) =>
        to.WriteLine($"{name,-34}{string.Concat(Figures.Select(f => $"{cell(f),12}"))}");

    private static JsonObject Object<T>(IEnumerable<T> all, Func<T, string> name, Func<T, JsonNode> value) =>
        new(all.Select(one => KeyValuePair.Create(name(one), (JsonNode?)value(one))));

    private sealed record Figure(string Name, string Json, string Format, Func<RepeatedRuns, double> Of);
}
