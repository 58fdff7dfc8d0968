using System.Diagnostics;
using System.Globalization;

namespace OrleansCache.Bench;

/// <summary>
/// Requests to the gateway and statements to PostgreSQL of one push, by kind: counted in a run of its own, which is not measured.
/// </summary>
/// <param name="Background">What the server asks although nobody pushes.</param>
internal sealed record Counts(IReadOnlyDictionary<string, int> Requests, IReadOnlyList<Statement> Statements,
    IReadOnlySet<string> Background)
{
    // One a second at most, however many paths: no part of begin and commit.
    private static readonly HashSet<string> OfTheirOwn = ["report_uploads", "wait_paths", "renew_push", "upload_urls"];

    // The housekeeper comes by every five seconds.
    // What a server asks without pushes is seen only by letting it alone.
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(13);

    /// <summary>Statements of begin and commit, with what the commit publishes.</summary>
    public int BeginAndCommit => Statements.Count(s => !OfTheirOwn.Contains(s.Text) && !Background.Contains(s.Text));

    /// <summary>All statements, those of the background work too.</summary>
    public IEnumerable<(string Text, int Count, double Milliseconds)> ByText => Statements.GroupBy(s => s.Text)
        .Select(g => (g.Key, g.Count(), g.Sum(s => s.Milliseconds)));

    /// <summary>Such as <c>3 PUT, 1 begin</c>.</summary>
    public string RequestsByKind => string.Join(", ", Requests.OrderByDescending(r => r.Value).Select(r => $"{r.Value} {r.Key}"));

    /// <summary>Such as <c>all statements: 1 begin_push 20 ms</c>.</summary>
    public string StatementsByText =>
        $"all statements: {string.Join(", ", ByText.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Count} {s.Text} {s.Milliseconds:F0} ms")))}";

    /// <summary>Counts a push into an empty cache, and then the same once more.</summary>
    public static async Task<(Counts Cold, Counts Warm)> OfColdAndWarmAsync(CacheServer server, CountingProxy relay, Func<Task> push)
    {
        await server.CountStatementsAsync();
        server.ForgetStatements();
        await Task.Delay(Idle); // What goes on without pushes shows over a time.
        var background = server.Statements().Select(s => s.Text).ToHashSet();
        var counts = (await OneAsync(), await OneAsync());
        await server.StopCountingAsync();
        return counts;

        async Task<Counts> OneAsync()
        {
            server.ForgetStatements();
            await push();
            await Task.Delay(200); // PostgreSQL's log comes through a pipe
            return new Counts(relay.TakeRequests(), server.Statements(), background);
        }
    }
}

/// <summary>
/// A cold and a warm push of a set, counted; the begin of the warm one is kept, and sent again to measure the server's time.
/// </summary>
/// <param name="YoungBeginMilliseconds">By a server that has just started, whose code the compiler has hardly looked at.</param>
/// <param name="BeginMilliseconds">By one that has answered such requests for a while.</param>
internal sealed record CountedPushes(ClosureSet Set, Counts Cold, Counts Warm, double[] YoungBeginMilliseconds, double[] BeginMilliseconds)
{
    private const int Replays = 30;

    // The server compiles again what is used often when nothing new was compiled for ten seconds.
    private static readonly TimeSpan UntilCompiled = TimeSpan.FromSeconds(25);

    public static async Task<CountedPushes> MeasureAsync(ServerLab lab, ClosureSet set)
    {
        Console.Error.WriteLine($"{set.Name}: counting requests and statements");
        using var relay = new CountingProxy();
        await using var server = await lab.StartServerAsync(relay);
        var (cold, warm) = await Counts.OfColdAndWarmAsync(server, relay, () => lab.PushAsync(server, [set.Root], relay.Url));
        // The first ones are the compiler's.
        await BeginReplay.RunAsync(relay.LastBegin, server.Address, Replays);
        var young = await BeginReplay.RunAsync(relay.LastBegin, server.Address, Replays);
        for (var begun = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begun) < UntilCompiled;)
            await BeginReplay.RunAsync(relay.LastBegin, server.Address, Replays);
        return new CountedPushes(set, cold, warm, young, await BeginReplay.RunAsync(relay.LastBegin, server.Address, Replays));
    }
}
