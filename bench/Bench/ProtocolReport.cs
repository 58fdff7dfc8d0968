using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>What <c>eng/bench push --protocol</c> has found: as a table and as JSON, each client beside our own.</summary>
internal sealed record ProtocolReport(string Store, int Runs, IReadOnlyList<ProtocolResult> Sets)
{
    private static readonly Figure[] Figures =
    [
        new("wall s", "seconds", "F2", p => p.MedianOf(r => r.Client.Wall)),
        new("CPU s", "cpu", "F2", p => p.MedianOf(r => r.Cpu)),
        new("client", "clientCpu", "F2", p => p.MedianOf(r => r.Client.Cpu)),
        new("gateway", "gatewayCpu", "F2", p => p.MedianOf(r => r.GatewayCpu)),
        new("PostgreSQL", "postgresCpu", "F2", p => p.MedianOf(r => r.PostgresCpu)),
        new("S3", "storeCpu", "F2", p => p.MedianOf(r => r.StoreCpu)),
        new("peak MiB", "gatewayPeakMiB", "F0", p => p.Runs.Max(r => r.GatewayPeak)),
        new("requests", "requests", "F0", p => p.Counts.Requests.Values.Sum()),
        new("statements", "statements", "F0", p => p.Counts.Statements.Count),
        new("objects", "objects", "F0", p => p.Written),
    ];

    public void Print(TextWriter to)
    {
        to.WriteLine($"Medians of {Runs}, store: {Store}, {Environment.ProcessorCount} processors. CPU: client, gateway and PostgreSQL. Peak: of the gateway, the largest of all.");
        foreach (var set in Sets)
        {
            var (_, ourCold, ourWarm) = set.Clients[0];
            to.WriteLine();
            Row(to, $"{set.Set.Name}: {set.Set.Paths.Count} paths", figure => figure.Name);
            foreach (var (client, cold, warm) in set.Clients)
            {
                Rows(to, $"{client}, cold", cold, ourCold);
                Rows(to, $"{client}, warm", warm, ourWarm);
            }

            foreach (var (client, cold, warm) in set.Clients)
            {
                to.WriteLine($"  {client}, cold: {cold.Counts.RequestsByKind}; {cold.Counts.StatementsByText}");
                to.WriteLine($"  {client}, warm: {warm.Counts.RequestsByKind}; {warm.Counts.StatementsByText}");
            }
        }
    }

    public JsonObject ToJson() => new()
    {
        ["store"] = Store,
        ["runs"] = Runs,
        ["processors"] = Environment.ProcessorCount,
        ["sets"] = Object(Sets, set => set.Set.Name, set => new JsonObject
        {
            ["paths"] = set.Set.Paths.Count,
            ["clients"] = Object(set.Clients, c => c.Client, c => new JsonObject
            {
                ["cold"] = ToJson(c.Cold, set.Clients[0].Cold),
                ["warm"] = ToJson(c.Warm, set.Clients[0].Warm),
            }),
        }),
    };

    private static JsonObject ToJson(ProtocolPushes pushes, ProtocolPushes ours)
    {
        var json = Object(Figures, f => f.Json, f => Math.Round(f.Of(pushes), 3));
        if (pushes != ours)
            json["timesV1"] = Object(Figures.Where(f => f.Of(ours) > 0), f => f.Json, f => Math.Round(f.Of(pushes) / f.Of(ours), 3));
        return json;
    }

    private static void Rows(TextWriter to, string name, ProtocolPushes pushes, ProtocolPushes ours)
    {
        Row(to, $"  {name}", f => f.Of(pushes).ToString(f.Format, CultureInfo.InvariantCulture));
        if (pushes != ours)
            Row(to, "    times v1", f => f.Of(ours) > 0 ? string.Create(CultureInfo.InvariantCulture, $"{f.Of(pushes) / f.Of(ours):F2}×") : "");
    }

    private static void Row(TextWriter to, string name, Func<Figure, string> cell) => to.WriteLine($"{name,-34}{string.Concat(Figures.Select(f => $"{cell(f),11}"))}");

    private static JsonObject Object<T>(IEnumerable<T> all, Func<T, string> name, Func<T, JsonNode> value) => new(all.Select(one => KeyValuePair.Create(name(one), (JsonNode?)value(one))));

    private sealed record Figure(string Name, string Json, string Format, Func<ProtocolPushes, double> Of);
}
