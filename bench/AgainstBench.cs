using OrleansCache.Bench.Gc;

namespace OrleansCache.Bench;

/// <summary>
/// What <c>--against</c> measures: the same pushes, or collections, by our programs and by those of another build, in turn.
/// </summary>
internal static class AgainstBench
{
    private const double CpuRatio = 1.05;
    private const int WarmPushes = 20, WarmCollections = 3;
    // What one clock tick is of a mean of so many: less cannot be seen, and nothing can be divided by it.
    private const double Tick = 0.01 / WarmPushes;

    /// <summary>Pushes of each set by each client.</summary>
    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> PushAsync(ServerLab lab, IReadOnlyList<ClosureSet> sets, Func<ServerLab, IEnumerable<PushClient>> clients)
    {
        var measured = new List<Comparison>();
        foreach (var set in sets)
        {
            foreach (var (theirs, ours) in clients(lab.Theirs()).Zip(clients(lab)))
                measured.Add(await MeasureAsync(lab, $"{set.Name} by {ours.Name}", set.Paths.Count, theirs.Of(set),
                    ours.Of(set), WarmPushes));
        }

        return Report(lab, measured);
    }

    /// <summary>Collections in catalogs of so many nodes: a cold one of all garbage, warm ones that find none.</summary>
    /// <returns>The program's exit code, as above.</returns>
    public static async Task<int> CollectAsync(ServerLab lab, IEnumerable<int> sizes)
    {
        var theirs = lab.Theirs();
        var measured = new List<Comparison>();
        foreach (var nodes in sizes)
            measured.Add(await MeasureAsync(lab, $"collection in {nodes:N0} nodes", new GraphFill(nodes).Paths,
                ServerCollection.Of(theirs, nodes), ServerCollection.Of(lab, nodes), WarmCollections));
        return Report(lab, measured);
    }

    private static Task<Comparison> MeasureAsync(ServerLab lab, string name, int paths, Candidate theirs, Candidate ours, int warmRuns) =>
        Comparison.MeasureAsync(name, paths, [theirs with { Name = "theirs" }, ours with { Name = "ours" }], lab.Options.Runs, warmRuns);

    private static int Report(ServerLab lab, IReadOnlyList<Comparison> measured)
    {
        Target[] targets = [.. measured.SelectMany(Targets)];
        new ComparisonReport(lab, measured, "theirs", targets).Print();
        return lab.Options.Check && targets.Any(target => !target.IsMet) ? 1 : 0;
    }

    private static IEnumerable<Target> Targets(Comparison comparison)
    {
        var (theirs, ours) = (comparison.Candidates[0], comparison.Candidates[1]);
        foreach (var (kind, their, our) in new[] { ("cold", theirs.Cold, ours.Cold), ("warm", theirs.Warm, ours.Warm) })
        {
            yield return Of("the server's", run => run.GatewayCpu);
            yield return Of("PostgreSQL's", run => run.PostgresCpu);

            Target Of(string whose, Func<MeasuredRun, double> cpu) =>
                new($"{comparison.Name}, {kind}: {whose} CPU against theirs", our.MedianOf(cpu) / Math.Max(their.MedianOf(cpu), Tick),
                    CpuRatio, "×");
        }
    }
}
