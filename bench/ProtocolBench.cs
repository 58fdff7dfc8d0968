namespace OrleansCache.Bench;

/// <summary>
/// The benchmark <c>push --protocol</c>: what a push costs by another protocol than our own, through the same server, beside our own.
/// </summary>
internal static class ProtocolBench
{
    /// <returns>0: there are no targets to miss.</returns>
    public static async Task<int> RunAsync(ServerLab lab, IReadOnlyList<ClosureSet> sets, IEnumerable<PushClient> others)
    {
        if (lab.Options.Check)
            throw new BenchException("--check is for --protocol v1 or with --against: the others have no targets.");
        PushClient[] clients = [PushClient.Ours(lab), .. others];
        var measured = new List<Comparison>();
        foreach (var set in sets)
            measured.Add(await Comparison.MeasureAsync(set.Name, set.Paths.Count, [.. clients.Select(c => c.Of(set))], lab.Options.Runs));
        new ComparisonReport(lab, measured, "v1", []).Print();
        return 0;
    }
}
