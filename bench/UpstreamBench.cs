using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>
/// What <c>push --upstream</c> measures: a closure nine tenths of whose bytes another cache has, pushed to a server that has that cache as
/// its upstream and to one that has none, in turn.
/// </summary>
internal static class UpstreamBench
{
    private const double Share = 0.9, MaxTime = 0.35, MaxBytes = 0.15;

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(ServerLab lab, IReadOnlyList<ClosureSet> sets)
    {
        if (lab.S3 is not null)
            throw new BenchException("--upstream measures a directory store, whose bytes it counts.");
        var rows = new List<Row>();
        foreach (var set in sets)
            rows.Add(await MeasureAsync(lab, set));
        Target[] targets = [.. rows.SelectMany(Targets)];
        Print(lab.Options, rows, targets);
        return lab.Options.Check && targets.Any(t => !t.IsMet) ? 1 : 0;
    }

    private static async Task<Row> MeasureAsync(ServerLab lab, ClosureSet set)
    {
        Console.Error.WriteLine($"{set.Name}: pushes with and without an upstream");
        await using var upstream = await lab.StartServerAsync();
        var common = await CommonAsync(set);
        await lab.PushAsync(upstream, common);
        var key = await KeyAsync(upstream);
        var (plain, with) = (new List<OnePush>(), new List<OnePush>());
        for (var run = 0; run < lab.Options.Runs; run++)
        {
            // Neither is always the second.
            foreach (var hasUpstream in run % 2 == 0 ? (bool[])[false, true] : [true, false])
            {
                await using var server = await lab.StartServerAsync(hasUpstream ? ["--upstream", $"{upstream.Url} {key}"] : []);
                var cold = await lab.PushAsync(server, [set.Root]);
                var warm = await lab.PushAsync(server, [set.Root]);
                (hasUpstream ? with : plain).Add(new OnePush(cold.Wall, warm.Wall, Bytes(server.Objects)));
            }
        }

        return new Row(set, common.Count, plain, with);
    }

    /// <summary>The paths of a closure, references first, up to so much of its bytes: a closure itself, as all prefixes are.</summary>
    private static async Task<List<string>> CommonAsync(ClosureSet set)
    {
        var paths = Lines(await ChildRun.RunAsync("nix-store", ["--query", "--requisites", set.Root]));
        var sizes = Lines(await ChildRun.RunAsync("nix-store", ["--query", "--size", .. paths]))
            .ConvertAll(size => long.Parse(size, CultureInfo.InvariantCulture));
        var left = sizes.Sum() * Share;
        return [.. paths.Zip(sizes).TakeWhile(path => (left -= path.Second) >= 0).Select(path => path.First)];
    }

    private static List<string> Lines(ChildRun run) => [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)];

    private static async Task<string> KeyAsync(CacheServer server)
    {
        using var http = new HttpClient();
        var info = JsonNode.Parse(await http.GetStringAsync(new Uri($"{server.Url}/v1/caches/default")))!;
        return (string)info["publicKeys"]![0]!;
    }

    private static long Bytes(string folder) =>
        new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);

    private static IEnumerable<Target> Targets(Row row)
    {
        yield return new($"{row.Set.Name}, cold: time with an upstream against without", row.Ratio(p => p.Cold), MaxTime, "×");
        yield return new($"{row.Set.Name}: bytes stored with an upstream against without", row.Ratio(p => p.Bytes), MaxBytes, "×");
    }

    private static void Print(BenchOptions options, List<Row> rows, Target[] targets)
    {
        var to = options.Json ? Console.Error : Console.Out;
        to.WriteLine("A closure of which an upstream has nine tenths of the bytes: seconds of a push, and MB stored; medians.");
        foreach (var row in rows)
        {
            to.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.Set.Name}: {row.Set.Paths.Count} paths, {row.Common} upstream  cold: {Cold(row.With):F2} against {Cold(row.Plain):F2}  " +
                $"warm: {Warm(row.With):F2} against {Warm(row.Plain):F2}  stored: {Megabytes(row.With):F1} against {Megabytes(row.Plain):F1}"));
        }

        foreach (var target in targets)
            to.WriteLine(target);
        if (!options.Json)
            return;
        Console.Out.WriteLine(new JsonObject
        {
            ["sets"] = new JsonArray([.. rows.Select(r => (JsonNode)new JsonObject
            {
                ["name"] = r.Set.Name,
                ["paths"] = r.Set.Paths.Count,
                ["upstream"] = r.Common,
                ["coldSeconds"] = Math.Round(Cold(r.With), 3),
                ["plainColdSeconds"] = Math.Round(Cold(r.Plain), 3),
                ["warmSeconds"] = Math.Round(Warm(r.With), 3),
                ["plainWarmSeconds"] = Math.Round(Warm(r.Plain), 3),
                ["storedMb"] = Math.Round(Megabytes(r.With), 3),
                ["plainStoredMb"] = Math.Round(Megabytes(r.Plain), 3),
            })]),
            ["targets"] = new JsonArray([.. targets.Select(t => (JsonNode)t.ToJson())]),
        }.ToJsonString());
    }

    private static double Cold(IEnumerable<OnePush> pushes) => Stats.Median(pushes.Select(p => p.Cold));

    private static double Warm(IEnumerable<OnePush> pushes) => Stats.Median(pushes.Select(p => p.Warm));

    private static double Megabytes(IEnumerable<OnePush> pushes) => Stats.Median(pushes.Select(p => p.Bytes / 1e6));

    /// <param name="Cold">Seconds of the first push.</param>
    /// <param name="Warm">Seconds of the second.</param>
    /// <param name="Bytes">In the store.</param>
    private sealed record OnePush(double Cold, double Warm, long Bytes);

    private sealed record Row(ClosureSet Set, int Common, IReadOnlyList<OnePush> Plain, IReadOnlyList<OnePush> With)
    {
        public double Ratio(Func<OnePush, double> of) => Stats.Median(With.Select(of)) / Stats.Median(Plain.Select(of));
    }
}
