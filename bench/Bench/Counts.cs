namespace OrleansCache.Bench;

/// <summary>Requests to the gateway and statements to PostgreSQL of one push, by kind: counted in a run of its own, which is not measured.</summary>
internal sealed record Counts(IReadOnlyDictionary<string, int> Requests, IReadOnlyList<Statement> Statements)
{
    // One a second at most, however many paths: no part of begin and commit. The others are the housekeeper's, who comes by every few seconds.
    private static readonly HashSet<string> OfTheirOwn = ["report_uploads", "wait_paths", "renew_push", "upload_urls", "lease_commits", "delete_take", "delete_record", "end_pushes", "publish_changed"];

    /// <summary>Statements of begin and commit, with what the commit publishes.</summary>
    public int BeginAndCommit => Statements.Count(s => !OfTheirOwn.Contains(s.Text) && !s.Text.StartsWith("delete from push", StringComparison.Ordinal));
}

/// <summary>A cold and a warm push of a set, counted; the begin of the warm one is kept, and sent again to measure the server's time.</summary>
internal sealed record CountedPushes(ClosureSet Set, Counts Cold, Counts Warm, double[] BeginMilliseconds)
{
    private const int Replays = 30;

    public static async Task<CountedPushes> MeasureAsync(Lab lab, ClosureSet set)
    {
        Console.Error.WriteLine($"{set.Name}: counting requests and statements");
        using var relay = new Relay();
        await using var server = await lab.StartServerAsync("--public-url", relay.Url);
        relay.Target = server.Address;
        await server.CountStatementsAsync();
        var counts = new List<Counts>();
        for (var i = 0; i < 2; i++)
        {
            server.ForgetStatements();
            await lab.PushAsync(server, [set.Root], relay.Url);
            await Task.Delay(200); // PostgreSQL's log comes through a pipe
            counts.Add(new Counts(relay.TakeRequests(), server.Statements()));
        }

        await server.StopCountingAsync();
        // The first ones are the compiler's.
        await BeginReplay.RunAsync(relay.LastBegin, server.Address, Replays);
        return new CountedPushes(set, counts[0], counts[1], await BeginReplay.RunAsync(relay.LastBegin, server.Address, Replays));
    }
}
