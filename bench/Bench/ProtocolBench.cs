namespace OrleansCache.Bench;

/// <summary>The benchmark <c>push --protocol</c>: what a push costs by another protocol than our own, through the same server, beside our own.</summary>
internal static class ProtocolBench
{
    /// <returns>0: there are no targets to miss.</returns>
    public static async Task<int> RunAsync(Lab lab, IReadOnlyList<ClosureSet> sets, IEnumerable<PushClient> others)
    {
        if (lab.Options.Check)
            throw new BenchException("--check is for --protocol v1: the others have no targets.");
        PushClient[] clients = [PushClient.Ours(lab), .. others];
        var measured = new List<ProtocolResult>();
        foreach (var set in sets)
            measured.Add(await ProtocolResult.MeasureAsync(lab, set, clients));
        var report = new ProtocolReport(lab.S3 is null ? "directory" : "s3", lab.Options.Runs, measured);
        report.Print(lab.Options.Json ? Console.Error : Console.Out);
        if (lab.Options.Json)
            Console.Out.WriteLine(report.ToJson().ToJsonString());
        return 0;
    }
}
