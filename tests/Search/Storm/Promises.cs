using System.Diagnostics;
using OrleansCache.Cli.Http;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>Looks into the bucket whether what a client was told is so.</summary>
internal sealed class Promises(BucketReader bucket, RetryPolicy retry, StormReport tally)
{
    // The collector keeps a pushed closure for longer than that after its last push.
    private static readonly TimeSpan CertainlyKept = CollectLoop.ShortestRetention - TimeSpan.FromSeconds(1);

    /// <summary>I3: what was called present is there until the push ends. Looks at some, now and then.</summary>
    public async Task CheckPresentAsync(string push, IEnumerable<StorePathHash> paths, Random random, CancellationToken cancellationToken)
    {
        var present = paths.ToArray();
        if (present.Length == 0 || random.Next(4) != 0)
            return;
        random.Shuffle(present);
        foreach (var path in present.Take(3))
        {
            tally.Count("promises checked");
            if (await FindHoleAsync(path, cancellationToken) is { } hole)
                tally.Violation($"I3: {push} was told that {path} is present, and before it ended: {hole}");
        }
    }

    /// <summary>I5 and I2: what was committed is there, and stays for as long as the retention says. Looks now and then.</summary>
    /// <param name="sinceCommit">Runs since before the commit.</param>
    public async Task CheckCommittedAsync(string push, StorePath root, Stopwatch sinceCommit, Random random,
        CancellationToken cancellationToken)
    {
        if (random.Next(3) != 0 || sinceCommit.Elapsed > CertainlyKept / 2)
            return;
        var hole = await FindHoleAsync(root.Hash, cancellationToken);
        // Later than that the collector may have been there.
        if (sinceCommit.Elapsed > CertainlyKept)
            return;
        tally.Count("commits checked");
        if (hole is not null)
            tally.Violation($"I2: {push} of {root.BaseName} was committed {sinceCommit.Elapsed.TotalSeconds:0.0} s ago, and {hole}");
    }

    /// <summary>I3 for stock Nix: what its credential has put is held, whatever the collector does. Looks now and then.</summary>
    public async Task CheckHeldAsync(string push, StorePath root, Random random, CancellationToken cancellationToken)
    {
        if (random.Next(3) != 0)
            return;
        tally.Count("commits checked");
        if (await FindHoleAsync(root.Hash, cancellationToken) is { } hole)
            tally.Violation($"I3: {push} of {root.BaseName} is done and held, and {hole}");
    }

    private Task<string?> FindHoleAsync(StorePathHash root, CancellationToken cancellationToken) =>
        retry.RunAsync("reading the bucket", c => bucket.FindHoleAsync(root, readNars: false, c), cancellationToken);
}
