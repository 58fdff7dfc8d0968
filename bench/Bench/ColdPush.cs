using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>One push of a whole set into an empty cache.</summary>
/// <param name="Client">Of the client and the Nix that it asks.</param>
/// <param name="StoreCpu">Processor seconds of an S3 server; 0 without one.</param>
/// <param name="Phases">The client's own account, in seconds: pathInfo, begin, upload, commit.</param>
internal sealed record ColdPush(ChildRun Client, double GatewayCpu, double PostgresCpu, double StoreCpu, double GatewayPeak, int Objects, IReadOnlyDictionary<string, double> Phases)
{
    public static async Task<ColdPush> MeasureAsync(Lab lab, ClosureSet set)
    {
        await using var server = await lab.StartServerAsync();
        ProcFs.Sync();
        var (gateway, postgres, store) = (server.GatewayCpu, server.PostgresCpu, lab.S3?.Cpu ?? 0);
        var client = await lab.PushAsync(server, [set.Root]);
        (gateway, postgres, store) = (server.GatewayCpu - gateway, server.PostgresCpu - postgres, (lab.S3?.Cpu ?? 0) - store);
        var result = JsonNode.Parse(client.Output)!;
        if ((int)result["published"]! != set.Paths.Count)
            throw new BenchException($"{set.Name} has {set.Paths.Count} paths, and {result["published"]} were published.");
        return new ColdPush(client, gateway, postgres, store, server.GatewayPeakMegabytes, await lab.CountObjectsAsync(server), ReadPhases(result));
    }

    public static Dictionary<string, double> ReadPhases(JsonNode result) => result["seconds"]!.AsObject().ToDictionary(phase => phase.Key, phase => (double)phase.Value!);
}

/// <summary>All measurements of one set's cold push, run after run in turn, so that a change of the machine's mood meets all of them.</summary>
internal sealed record ColdResult(ClosureSet Set, IReadOnlyList<ColdPush> Ours, IReadOnlyDictionary<NixCopy, List<ChildRun>> Nix, IReadOnlyList<(double Wall, double Cpu)> Limit)
{
    public double Wall => Stats.Median(Ours.Select(o => o.Client.Wall));

    public double LimitWall => Stats.Median(Limit.Select(l => l.Wall));

    public static async Task<ColdResult> MeasureAsync(Lab lab, ClosureSet set, IReadOnlyList<NixCopy> nixes)
    {
        var memory = Path.Combine(lab.Options.Memory, set.Name);
        var nars = set.DumpNars(memory);
        var ours = new List<ColdPush>();
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
                ours.Add(await ColdPush.MeasureAsync(lab, set));
            }
        }
        finally
        {
            Directory.Delete(memory, recursive: true);
        }

        return new ColdResult(set, ours, theirs, limit);
    }

    public double NixWall(NixCopy nix) => Stats.Median(Nix[nix].Select(run => run.Wall));

    public double MedianOf(Func<ColdPush, double> value) => Stats.Median(Ours.Select(value));
}
