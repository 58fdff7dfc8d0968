namespace OrleansCache.Bench.Cluster;

/// <summary>What has been found of closures that share most of their paths.</summary>
internal sealed partial record ClusterReport
{
    private const double OverlapRatio = 1.5, GroupsRatio = 1.8, PostgresRatio = 0.5;

    private int SharedPaths => OverlapBench.SharedPaths(Set);

    private IEnumerable<Target> OverlapTargets()
    {
        foreach (var overlap in Results.Where(r => r.IsSilos && !r.IsTheirs && r.Workload == Workload.Overlap))
        {
            yield return new Target(
                $"{overlap.Fleet}: {OverlapBench.Runners} runners that share {SharedPaths} paths against one with these and all with the rest",
                TimesReference(overlap), OverlapRatio, "×");
            yield return new Target($"{overlap.Fleet}: shared NARs that they did not upload once", overlap.NotUploadedOnce ?? 0, 0, "");
            if (Find(overlap.Fleet + Fleet.TheirSuffix, Workload.Overlap) is { } theirs)
                yield return new Target($"{overlap.Fleet}: PostgreSQL's CPU for a push of theirs, against that of the other build",
                    overlap.Usage.Postgres / overlap.Pushes / (theirs.Usage.Postgres / theirs.Pushes), PostgresRatio, "×");
        }

        foreach (var groups in Results.Where(r => r.IsSilos && r.Workload == Workload.Groups))
        {
            yield return new Target($"{groups.Fleet}: {OverlapBench.Runners} runners of as many trust groups against the same",
                TimesReference(groups), GroupsRatio, "×");
            if (groups.Shared is not { } shared)
                continue;
            yield return new Target($"{groups.Fleet}: shared NARs that were not stored once for all trust groups",
                shared.NotStoredOnce, 0, "");
            yield return new Target($"{groups.Fleet}: readings of shared NARs by servers, beyond one each or short of it",
                Math.Abs(shared.Readings - shared.Count), 0, "");
        }
    }

    private IEnumerable<string> OverlapLines()
    {
        foreach (var r in Results.Where(r => r.Workload == Workload.Overlap))
            yield return Text(
                $"{r.Fleet}: {OverlapBench.Runners} runners that share {SharedPaths} paths take {r.Wall:F1} s, {TimesReference(r):F2} times as long as one with all of them ({Whole(r):F1} s) and all with the rest ({Of(r, Workload.OwnOnly).Wall:F1} s); {r.NotUploadedOnce} shared NARs were not uploaded once");
        foreach (var r in Results.Where(r => r.Workload == Workload.Groups))
        {
            yield return Text(
                $"{r.Fleet}: of as many trust groups they take {r.Wall:F1} s, {TimesReference(r):F2} times as long; {r.NotUploadedOnce} shared NARs were not uploaded once");
            if (r.Shared is { } shared)
                yield return Text(
                    $"{r.Fleet}: of their {shared.Count} shared NARs {shared.NotStoredOnce} were not stored once ({shared.Live} objects are live and {shared.NotLive} are not), and each was read {(double)shared.Readings / shared.Count:F2} times");
        }
    }

    private string DescribeOverlap(Workload workload) => workload switch
    {
        Workload.OneWhole => $"{SharedPaths} new and {OverlapBench.OwnPaths} small paths, one runner, thrice",
        Workload.OwnOnly => $"{OverlapBench.OwnPaths} new small paths, {OverlapBench.Runners} runners",
        Workload.Overlap => $"{SharedPaths} shared and {OverlapBench.OwnPaths} own, {OverlapBench.Runners} runners",
        _ => $"the same of {OverlapBench.Runners} trust groups",
    };

    /// <summary>Against what has to be pushed in any case: once what is shared, and by each runner its own.</summary>
    private double TimesReference(Measured fleet) => fleet.Wall / (Whole(fleet) + Of(fleet, Workload.OwnOnly).Wall);

    private double Whole(Measured fleet) => Stats.Median(Of(fleet, Workload.OneWhole).Milliseconds) / 1000;
}
