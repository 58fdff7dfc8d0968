using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench.Hostile;

/// <summary>
/// The benchmark <c>hostile</c>: what few bytes of somebody with a push token can cost, beside as many honest ones in the same run. 1. The
/// memory of a server with forty requests open at once. 2. Its processor time for a begin of hashes that were chosen to collide.
/// </summary>
internal static class HostileBench
{
    private const double MaxMegabytes = 600;
    private const double MaxTimes = 2;

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        var lab = new ServerLab(options, s3: null);
        var output = options.Json ? Console.Error : Console.Out;
        // 1
        var memory = new List<(string Name, double Megabytes)>();
        foreach (var kind in OpenBodies.Kinds)
        {
            memory.Add((kind.Name, await OpenBodies.MeasureAsync(lab, kind)));
            await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"{OpenBodies.AtOnce} open requests, {kind.Name}: {memory[^1].Megabytes:0} MiB at the most, " +
                $"{memory[^1].Megabytes / memory[0].Megabytes:0.00} × {memory[0].Name}"));
        }

        // 2
        var (others, chosen) = await ChosenHashes.MeasureAsync(lab, options.Runs);
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"a begin of {ChosenHashes.Count:N0} paths: {others:0.00} s of the server's processor time for random hashes, {chosen:0.00} " +
            $"s for chosen ones, {chosen / others:0.00} ×"));

        var worst = memory.Skip(1).MaxBy(m => m.Megabytes);
        Target[] targets =
        [
            new($"{OpenBodies.AtOnce} open requests of the worst kind ({worst.Name}): the server's peak memory", worst.Megabytes,
                MaxMegabytes, "MiB"),
            new("a begin of chosen hashes against one of random hashes: the server's CPU", chosen / others, MaxTimes, "×"),
        ];
        foreach (var target in targets)
            await output.WriteLineAsync($"{target}");
        if (options.Json)
        {
            Console.WriteLine(new JsonObject
            {
                ["peakMebibytes"] =
                    new JsonObject(memory.Select(m => KeyValuePair.Create<string, JsonNode?>(m.Name, Math.Round(m.Megabytes, 1)))),
                ["beginCpuSeconds"] = new JsonObject { ["random"] = others, ["chosen"] = chosen },
                ["targets"] = new JsonArray([.. targets.Select(t => (JsonNode)t.ToJson())]),
            }.ToJsonString());
        }

        return options.Check && targets.Any(target => !target.IsMet) ? 1 : 0;
    }
}
