namespace OrleansCache.Bench;

/// <summary>The benchmark <c>push</c>; <c>docs/benchmarks-method.md</c> says what it measures and why so.</summary>
internal static class PushBench
{
    private const string WarmSet = "many";

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        using var s3 = options.UseS3 ? await S3Place.OpenAsync(options.Work) : null;
        var lab = new ServerLab(options, s3);
        var all = ClosureSet.Read(options.Closures);
        var isCompared = options.Against.Length > 0;
        if (options.ComparesCredentials)
            return await CredentialBench.RunAsync(lab, all);
        if (options.ComparesUpstreams)
            return await UpstreamBench.RunAsync(lab, all);
        if (options.ComparesVerification)
            return await VerifyBench.RunAsync(lab, all);
        if (options.Protocol == PushProtocol.Niks3)
            return await ComparedAsync(l => [PushClient.Niks3(l, options.Niks3Client)]);
        if (options.Protocol == PushProtocol.V1 && isCompared)
            return await ComparedAsync(l => [PushClient.Ours(l)]);
        var nixes = new List<NixCopy> { await NixCopy.FindAsync([], parallel: false, options.Work) };
        if (options.NewerNix.Count > 0)
            nixes.Add(await NixCopy.FindAsync(options.NewerNix, parallel: true, options.Work));

        if (options.Protocol == PushProtocol.Nix)
            return await ComparedAsync(l => nixes.Select(nix => PushClient.Nix(l, nix)));

        // One after the other: nothing else of ours runs beside a measurement.
        var cold = new List<ColdResult>();
        var counted = new List<CountedPushes>();
        foreach (var set in all)
        {
            cold.Add(await ColdResult.MeasureAsync(lab, set, nixes));
            counted.Add(await CountedPushes.MeasureAsync(lab, set));
        }

        var warm = all.FirstOrDefault(set => set.Name == WarmSet) is { } known ? await WarmPush.MeasureAsync(lab, known, nixes[0]) : null;
        var report = new PushReport(s3 is null ? "directory" : "s3", options.Runs, cold, counted, warm, await CrowdAsync(lab, all));
        report.Print(options.Json ? Console.Error : Console.Out);
        if (options.Json)
            Console.Out.WriteLine(report.ToJson().ToJsonString());
        return options.Check && report.Targets().Any(target => !target.IsMet) ? 1 : 0;

        Task<int> ComparedAsync(Func<ServerLab, IEnumerable<PushClient>> clients) =>
            isCompared ? AgainstBench.PushAsync(lab, all, clients) : ProtocolBench.RunAsync(lab, all, clients(lab));
    }

    private static async Task<ManyClients> CrowdAsync(ServerLab lab, IReadOnlyList<ClosureSet> sets)
    {
        var memory = Path.Combine(lab.Options.Memory, "content");
        try
        {
            var content = sets.SelectMany(set => set.DumpNars(memory)).MaxBy(file => new FileInfo(file).Length)!;
            return await ManyClients.MeasureAsync(lab, content);
        }
        finally
        {
            Directory.Delete(memory, recursive: true);
        }
    }
}
