using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>
/// All measurements of one set's cold push, run after run in turn, so that a change of the machine's mood meets all of them.
/// </summary>
internal sealed record ColdResult(ClosureSet Set, IReadOnlyList<MeasuredRun> Ours, IReadOnlyDictionary<NixCopy, List<ChildRun>> Nix,
    IReadOnlyList<(double Wall, double Cpu)> Limit)
{
    public double Wall => Stats.Median(Ours.Select(o => o.Client.Wall));

    public double LimitWall => Stats.Median(Limit.Select(l => l.Wall));

    public static async Task<ColdResult> MeasureAsync(ServerLab lab, ClosureSet set, IReadOnlyList<NixCopy> nixes)
    {
        var memory = Path.Combine(lab.Options.Memory, set.Name);
        var nars = set.DumpNars(memory);
        var ours = new List<MeasuredRun>();
        var theirs = nixes.ToDictionary(nix => nix, _ => new List<ChildRun>());
        var limit = new List<(double, double)>();
        try
        {
            MachineLimit.Measure(nars); // its first run compiles it
            for (var run = 0; run < lab.Options.Runs; run++)
            {
                Console.Error.WriteLine($"{set.Name}: run {run + 1} of {lab.Options.Runs}");
                limit.Add(MachineLimit.Measure(nars));
                foreach (var nix in nixes)
                    theirs[nix].Add(await nix.CopyAsync(set.Root));
                ours.Add(await PushAsync(lab, set));
            }
        }
        finally
        {
            Directory.Delete(memory, recursive: true);
        }

        return new ColdResult(set, ours, theirs, limit);
    }

    public double NixWall(NixCopy nix) => Stats.Median(Nix[nix].Select(run => run.Wall));

    public double MedianOf(Func<MeasuredRun, double> value) => Stats.Median(Ours.Select(value));

    private static async Task<MeasuredRun> PushAsync(ServerLab lab, ClosureSet set)
    {
        await using var server = await lab.StartServerAsync();
        var push = await MeasuredRun.MeasureAsync(lab, server, () => lab.PushAsync(server, [set.Root]));
        var published = (int)JsonNode.Parse(push.Client.Output)!["published"]!;
        return published == set.Paths.Count ? push
            : throw new BenchException($"{set.Name} has {set.Paths.Count} paths, and {published} were published.");
    }
}
