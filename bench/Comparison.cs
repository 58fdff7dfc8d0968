namespace OrleansCache.Bench;

/// <summary>Several runs of one kind by one candidate, and the counts of another one.</summary>
/// <param name="Written">Objects that the first one added to the store.</param>
internal sealed record RepeatedRuns(IReadOnlyList<MeasuredRun> Runs, Counts Counts, int Written)
{
    public double MedianOf(Func<MeasuredRun, double> value) => Stats.Median(Runs.Select(value));
}

/// <summary>
/// The same by each candidate, cold and warm: a push of a set or a collection, and then the same again. The others are compared with the
/// first.
/// </summary>
/// <param name="Name">Of what they do.</param>
internal sealed record Comparison(string Name, int Paths,
    IReadOnlyList<(string Candidate, RepeatedRuns Cold, RepeatedRuns Warm)> Candidates)
{
    /// <summary>The candidates take turns, run after run, so that a change of the machine's mood meets all of them.</summary>
    /// <param name="warmRuns">So many in a row are measured as one.</param>
    public static async Task<Comparison> MeasureAsync(string name, int paths, IReadOnlyList<Candidate> candidates, int runs,
        int warmRuns = 1)
    {
        var measured = candidates.ToDictionary(candidate => candidate, _ => new List<(MeasuredRun Cold, MeasuredRun Warm)>());
        for (var run = 0; run < runs; run++)
        {
            Console.Error.WriteLine($"{name}: run {run + 1} of {runs}");
            foreach (var candidate in candidates)
                measured[candidate].Add(await RunAsync(candidate, warmRuns));
        }

        var results = new List<(string, RepeatedRuns, RepeatedRuns)>();
        foreach (var (candidate, pairs) in measured)
        {
            Console.Error.WriteLine($"{name}: counting requests and statements of {candidate.Name}");
            var (cold, warm) = await CountAsync(candidate);
            results.Add((
                candidate.Name,
                new RepeatedRuns([.. pairs.Select(p => p.Cold)], cold, pairs[0].Cold.Objects),
                new RepeatedRuns([.. pairs.Select(p => p.Warm)], warm, pairs[0].Warm.Objects - pairs[0].Cold.Objects)));
        }

        return new Comparison(name, paths, results);
    }

    private static async Task<(MeasuredRun Cold, MeasuredRun Warm)> RunAsync(Candidate candidate, int warmRuns)
    {
        await using var server = await candidate.Lab.StartServerAsync();
        await candidate.PrepareAsync(server);
        var cold = await MeasureAsync(1);
        return (cold, await MeasureAsync(warmRuns));

        async Task<MeasuredRun> MeasureAsync(int times)
        {
            var run = await MeasuredRun.MeasureAsync(candidate.Lab, server, () => candidate.RunAsync(server, server.Url), times);
            await candidate.CheckAsync(server);
            return run;
        }
    }

    private static async Task<(Counts Cold, Counts Warm)> CountAsync(Candidate candidate)
    {
        using var relay = new CountingProxy();
        await using var server = await candidate.Lab.StartServerAsync(relay);
        await candidate.PrepareAsync(server);
        var counts = await Counts.OfColdAndWarmAsync(server, relay, () => candidate.RunAsync(server, relay.Url));
        await candidate.CheckAsync(server);
        return counts;
    }
}
