namespace OrleansCache.Bench;

/// <summary>What <c>push --verify</c> measures: the same pushes to servers of each policy of verification, in turn.</summary>
internal static class VerifyBench
{
    private const double MaxAlways = 1.35, MaxAdopt = 1.05, MaxMemory = 64;
    private static readonly string[] Policies = ["off", "adopt", "always"];

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(ServerLab lab, IReadOnlyList<ClosureSet> sets)
    {
        var measured = new List<Comparison>();
        foreach (var set in sets)
            measured.Add(await Comparison.MeasureAsync(set.Name, set.Paths.Count, [.. Policies.Select(policy =>
                PushClient.Ours(lab.With("--verify", policy)).Of(set) with { Name = policy })], lab.Options.Runs));
        Target[] targets = [.. measured.SelectMany(Targets)];
        new ComparisonReport(lab, measured, "off", targets).Print();
        return lab.Options.Check && targets.Any(target => !target.IsMet) ? 1 : 0;
    }

    private static IEnumerable<Target> Targets(Comparison comparison)
    {
        var (off, adopt, always) = (comparison.Candidates[0].Cold, comparison.Candidates[1].Cold, comparison.Candidates[2].Cold);
        yield return Wall("adopt", adopt, MaxAdopt);
        yield return Wall("always", always, MaxAlways);
        yield return new($"{comparison.Name}, cold: always' peak memory more than off's", Peak(always) - Peak(off), MaxMemory, "MiB");

        Target Wall(string name, RepeatedRuns runs, double limit) => new($"{comparison.Name}, cold: {name}'s time against off's",
            runs.MedianOf(r => r.Client.Wall) / off.MedianOf(r => r.Client.Wall), limit, "×");
    }

    private static double Peak(RepeatedRuns runs) => runs.Runs.Max(r => r.GatewayPeak);
}
