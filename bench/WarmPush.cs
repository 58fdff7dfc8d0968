namespace OrleansCache.Bench;

/// <summary>A push of which everything is present, beside what Nix needs to tell the same closure.</summary>
internal sealed record WarmPush(ClosureSet Set, double PushMilliseconds, double PathInfoMilliseconds,
    IReadOnlyDictionary<string, double> Phases)
{
    public static async Task<WarmPush> MeasureAsync(ServerLab lab, ClosureSet set, NixCopy nix)
    {
        Console.Error.WriteLine($"{set.Name}: warm push");
        await using var server = await lab.StartServerAsync();
        await lab.PushAsync(server, [set.Root]);
        await lab.PushAsync(server, [set.Root]);
        var (pushes, pathInfos) = (new List<ChildRun>(), new List<double>());
        for (var run = 0; run < Math.Max(5, lab.Options.Runs); run++)
        {
            pathInfos.Add((await nix.PathInfoAsync(set.Root)).Wall * 1000);
            pushes.Add(await lab.PushAsync(server, [set.Root]));
        }

        var phases = pushes.ConvertAll(ServerLab.PhasesOf);
        return new WarmPush(set, Stats.Median(pushes.Select(p => p.Wall * 1000)), Stats.Median(pathInfos),
            phases[0].Keys.ToDictionary(k => k, k => Stats.Median(phases.Select(p => p[k]))));
    }
}
