using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>
/// Promotes what stages of a cache agree on, and what one of their promotion keys has signed, as a publisher of the cache. Every server
/// runs it, and a lease in the catalog lets one of them compare; a second one would only do the same.
/// </summary>
/// <remarks>
/// 1. Find what the keys have signed. 2. Ask for the top paths of what may go. 3. Promote them, stage by stage; before a push begins, each
/// path of its closure is compared once more. What cannot be promoted now is left out for a while, and the rest goes on.
/// </remarks>
internal sealed partial class AgreementKeeper(CacheRegistry caches, AgreementCatalog catalog, Promoter promoter, TimeProvider time,
    ILogger logger)
{
    private const int MaxRoots = 200;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);
    // What changes without a push: settings, blocks, bars, and what a collection of the cache has taken.
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(10);
    // So many times as long as a comparison took is at least between it and the next.
    private const int Pause = 10;

    private readonly Dictionary<int, Turn> _turns = [];

    public async Task RunAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await Task.Delay(Interval * (0.8 + 0.4 * Random.Shared.NextDouble()), time, stopping)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stopping.IsCancellationRequested)
                await RunOnceAsync(Rest, stopping);
        }
    }

    /// <summary>One turn for each cache that has such stages.</summary>
    /// <param name="rest">A cache whose stages have had no push since it was compared is compared again after so long.</param>
    /// <param name="cancellationToken">Ends the turn.</param>
    public async Task RunOnceAsync(TimeSpan rest, CancellationToken cancellationToken)
    {
        var entries = caches.Entries;
        foreach (var group in entries.Where(e => e.IsServed && e.Services is not null
            && e.Row.Settings is { StageOf: not null, IsPromotedFrom: true })
            .GroupBy(e => e.Row.Settings!.StageOf, StringComparer.Ordinal))
        {
            if (!CacheName.TryParse(group.Key, out var name) || caches.Find(name) is not { Services: not null } target)
                continue;
            try
            {
                await RunOnceAsync(target.Row, [.. group], rest, cancellationToken);
            }
            catch (Exception e)
            {
                // At a stop everything fails, and says nothing.
                if (!cancellationToken.IsCancellationRequested)
                    LogFailed(e, name);
            }
        }
    }

    private async Task RunOnceAsync(CacheRow target, IReadOnlyList<CacheRegistry.Entry> entries, TimeSpan rest,
        CancellationToken cancellationToken)
    {
        if (!_turns.TryGetValue(target.Id, out var turn))
            _turns[target.Id] = turn = new Turn(new Endorsements(catalog));
        if ((rest > TimeSpan.Zero && time.GetElapsedTime(turn.Ended) < Pause * turn.Took)
            || await catalog.TakeTurnAsync(target.Id, Lease, rest, cancellationToken) is not { } began)
            return;
        foreach (var (root, _) in turn.Tried.Where(t => time.GetElapsedTime(t.Value) >= RetryAfter).ToList())
            turn.Tried.Remove(root);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var holding = HoldAsync(target.Id, ending.Token);
        try
        {
            for (var more = true; more;)
            {
                // 1.
                var from = time.GetTimestamp();
                var endorsed = await turn.Endorsements.FindAsync(target.Id, [.. entries.Select(e => (e.Row.Name, KeysOf(e)))],
                    cancellationToken);

                // 2.
                var roots = await catalog.RootsAsync(target.Id, endorsed, turn.Tried.Keys, MaxRoots, cancellationToken);
                (turn.Took, more) = (time.GetElapsedTime(from), roots.Count > 0);

                // 3.
                foreach (var group in roots.GroupBy(r => r.Stage))
                    await PromoteAsync(target, group.Key, [.. group.Select(r => r.Root)], endorsed, turn, cancellationToken);
            }
        }
        finally
        {
            await ending.CancelAsync();
            await holding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            turn.Ended = time.GetTimestamp();
        }

        await catalog.EndTurnAsync(target.Id, began, cancellationToken);
    }

    // Where one closure is refused, its neighbours are promoted without it.
    private async Task PromoteAsync(CacheRow target, CacheName stage, StorePathHash[] roots, IReadOnlyList<long> endorsed,
        Turn turn, CancellationToken cancellationToken)
    {
        try
        {
            var promotion = await promoter.PromoteAsync(target.Name, new PromoteRequest { From = stage.ToString(), Paths = roots },
                Caller.Agreement, OperationId.New(), static _ => { },
                closure => DemandAsync(target.Id, stage, closure, endorsed, cancellationToken), cancellationToken);
            LogPromoted(promotion.Published, target.Name, stage);
        }
        catch (CacheProblemException e) when (!e.IsOutage && roots.Length > 1)
        {
            foreach (var half in roots.Chunk((roots.Length + 1) / 2))
                await PromoteAsync(target, stage, half, endorsed, turn, cancellationToken);
            return;
        }
        catch (CacheProblemException e) when (!e.IsOutage)
        {
            LogRefused(roots[0], target.Name, stage, e.Message);
        }

        foreach (var root in roots)
            turn.Tried[root] = time.GetTimestamp();
    }

    /// <summary>The stage may have another content by now than the one that was compared.</summary>
    private async Task DemandAsync(int target, CacheName stage, IReadOnlyList<TakenPath> closure, IReadOnlyList<long> endorsed,
        CancellationToken cancellationToken)
    {
        var agreed = await catalog.AgreedAsync(target, stage, closure.Select(p => p.Hash), endorsed, cancellationToken);
        var others = closure.Where(p => !agreed.TryGetValue(p.Hash, out var digest) || !digest.SequenceEqual(PathDigest.Of(p.Declaration)))
            .Select(p => p.Hash).ToList();
        var present = await catalog.LiveAsync(target, others, cancellationToken);
        if (others.Find(p => !present.Contains(p)) is var other && other != default)
            throw new CacheProblemException(ProblemKind.Conflict, $"the stages no longer agree on {other}", [other]);
    }

    private async Task HoldAsync(int target, CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(Lease / 3, time, cancellationToken);
            // A turn that is lost is done twice, which changes nothing.
            await catalog.HoldTurnAsync(target, Lease, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // What the stage signs itself is all that it has.
    private static IReadOnlyList<PublicKey> KeysOf(CacheRegistry.Entry stage) => [.. (stage.Row.Settings!.PromotionKeys ?? [])
        .Select(PublicKey.Parse).Where(k => !stage.Services!.KeyNames.Contains(k.Name))];

    [LoggerMessage(LogLevel.Information,
        "{Count} paths of stage {Stage} are in cache {Cache} now: stages agree on them, or a promotion key has signed them")]
    private partial void LogPromoted(int count, CacheName cache, CacheName stage);

    [LoggerMessage(LogLevel.Warning, "{Root} of stage {Stage} does not go to cache {Cache}, and is tried again in 10 minutes: {Why}")]
    private partial void LogRefused(StorePathHash root, CacheName cache, CacheName stage, string why);

    [LoggerMessage(LogLevel.Warning, "the stages of cache {Cache} could not be compared; it is tried again")]
    private partial void LogFailed(Exception e, CacheName cache);

    /// <summary>What this process knows of a cache with stages between its turns.</summary>
    private sealed class Turn(Endorsements endorsements)
    {
        public Endorsements Endorsements => endorsements;

        /// <summary>Roots that were promoted or refused, and when.</summary>
        public Dictionary<StorePathHash, long> Tried { get; } = [];

        public long Ended { get; set; }

        /// <summary>How long the last comparison took.</summary>
        public TimeSpan Took { get; set; }
    }
}
