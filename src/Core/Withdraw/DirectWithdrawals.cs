using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Store;

namespace OrleansCache.Core.Withdraw;

/// <summary>The contract of withdrawals in process: any number of these on one catalog are right together.</summary>
internal sealed partial class DirectWithdrawals(CacheDirectory caches, WithdrawalCatalog catalog, Withdrawer withdrawer,
    RefusedDeletions refused, TimeProvider time, ILogger logger, CancellationToken stopping) : IWithdrawals
{
    private const int MaxPaths = 10_000;
    private const int MaxPage = 1_000;
    private const int MaxReason = 1_000;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public async Task<PublishedPaths> ListPathsAsync(CacheName cache, string publisher, DateTimeOffset? since, string? after, int limit,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        if (limit is < 1 or > MaxPage)
            throw Bad($"limit is 1 to {MaxPage}.");
        var from = 0L;
        if (after is not null && !long.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out from))
            throw Bad("after is what the page before answered as next.");
        var rows = await catalog.PathsAsync(id, publisher, since, from, limit + 1, cancellationToken);
        var page = rows.Take(limit).ToList();
        return new PublishedPaths { Paths = page.ConvertAll(r => r.Path), Next = rows.Count > limit ? page[^1].Cursor : null };
    }

    public async Task<Eviction> EvictAsync(CacheName cache, EvictRequest request, Caller caller, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        Check(request);
        if (request.DryRun)
            return await PlanAsync(cache, id, request, cancellationToken);

        var digest = Digest(request);
        var eviction = await catalog.FindAsync(id, caller.Scope(operation), cancellationToken);
        if (eviction is null)
        {
            eviction = await catalog.StartAsync(id, caller.Scope(operation), digest,
                await SelectAsync(cache, id, request, cancellationToken),
                request.Nar, request.By, request.Reason, caller, Withdrawer.Lease, cancellationToken);
            LogBegun(eviction.Id, cache, caller.Publisher, eviction.Paths.Length);
        }

        if (!eviction.Digest.AsSpan().SequenceEqual(digest))
            throw new CacheProblemException(ProblemKind.KeyReused, "This Idempotency-Key belongs to another eviction. Use a new key.");
        if (!eviction.IsFinished)
            await JoinAsync(FinishAsync(id, eviction.Id, stopping), patience, cancellationToken);
        return await DescribeAsync(id, await catalog.FindAsync(eviction.Id, cancellationToken), cancellationToken);
    }

    public async Task<BarList> ListBarsAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken) =>
        new() { Bars = await catalog.BarsAsync(caches.IdOf(cache), liftedToo, cancellationToken) };

    public async Task LiftAsync(CacheName cache, long bar, Caller caller, CancellationToken cancellationToken)
    {
        if (!await catalog.LiftAsync(caches.IdOf(cache), bar, caller, cancellationToken))
            throw new CacheProblemException(ProblemKind.UnknownBar,
                $"There is no bar {bar.ToString(CultureInfo.InvariantCulture)} in cache '{cache}'.");
        LogLifted(bar, cache, caller.Publisher);
    }

    /// <summary>
    /// Withdraws what has an object that is not the declared NAR. No bar: the next push may bring the same content, with its own bytes.
    /// Returns when the eviction has begun; it goes on without the caller.
    /// </summary>
    public async Task WithdrawObjectAsync(int cache, long target, string reason, CancellationToken cancellationToken)
    {
        var users = await catalog.UsersAsync(cache, [target], cancellationToken);
        var operation = string.Create(CultureInfo.InvariantCulture, $"verify:{target}");
        if (users.Count == 0 && await catalog.FindAsync(cache, operation, cancellationToken) is null)
            return;
        var eviction = await catalog.StartAsync(cache, operation, [], [.. users.Select(u => (u, false))], nar: false, of: null,
            reason.Length > MaxReason ? reason[..MaxReason] : reason, Caller.Server, Withdrawer.Lease, cancellationToken);
        LogUntrue(eviction.Id, reason, eviction.Paths.Length);
        _ = JoinAsync(FinishAsync(cache, eviction.Id, stopping), Timeout.InfiniteTimeSpan, stopping);
    }

    /// <summary>For the housekeeper: resumes evictions that no server goes on with.</summary>
    public async Task ResumeAsync(int cache, CancellationToken cancellationToken)
    {
        foreach (var id in await catalog.AdoptAsync(cache, Withdrawer.Lease, cancellationToken))
        {
            LogResumed(id);
            if (!await withdrawer.AdvanceAsync(cache, id, cancellationToken))
                await catalog.LeaseAsync(id, TimeSpan.Zero, cancellationToken);
        }
    }

    private async Task FinishAsync(int cache, long eviction, CancellationToken cancellationToken)
    {
        while (!await withdrawer.AdvanceAsync(cache, eviction, cancellationToken))
        {
            await Task.Delay(Pause, time, cancellationToken);
            await catalog.LeaseAsync(eviction, Withdrawer.Lease, cancellationToken);
        }
    }

    // Goes on without the request: the catalog owns the eviction.
    private static async Task JoinAsync(Task finishing, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            await finishing.WaitAsync(patience, cancellationToken);
        }
        catch (Exception e) when (e
            is TimeoutException or ObjectStoreException or CacheProblemException { IsOutage: true } or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            // The housekeeper resumes the eviction.
        }
    }

    private async Task<List<(long Id, bool Chosen)>> SelectAsync(CacheName cache, int id, EvictRequest request,
        CancellationToken cancellationToken)
    {
        if (request.Paths is { } paths && await catalog.UnknownAsync(id, paths, cancellationToken) is { Count: > 0 } unknown)
            throw new CacheProblemException(ProblemKind.UnknownPath,
                $"{unknown[0]}{(unknown.Count > 1 ? $" and {unknown.Count - 1} more are" : " is")} not in the cache '{cache}' and never " +
                "was. Nothing was done.", unknown);
        var selected = await catalog.SelectAsync(id, request, cancellationToken);
        if (selected.Count == 0)
        {
            var period = request.Since is { } since ? $" since {since:u}" : "";
            throw new CacheProblemException(ProblemKind.UnknownPath,
                $"Nothing in the cache '{cache}' was published by '{request.By}'{period}.");
        }

        // Paths with the same bytes go with it.
        var known = selected.Select(s => s.Id).ToHashSet();
        var users = await catalog.UsersAsync(id, await catalog.ObjectsAsync(known, cancellationToken), cancellationToken);
        return [.. selected, .. users.Where(known.Add).Select(u => (u, false))];
    }

    private async Task<Eviction> PlanAsync(CacheName cache, int id, EvictRequest request, CancellationToken cancellationToken)
    {
        var selected = await SelectAsync(cache, id, request, cancellationToken);
        long[] named = [.. selected.Select(s => s.Id)];
        long[] all = [.. named, .. await catalog.ReferrersAsync(id, named, cancellationToken)];
        return new Eviction
        {
            State = EvictionState.Planned,
            Total = all.Length,
            Paths = await catalog.DescribeAsync(all, named, [.. selected.Where(s => s.Chosen).Select(s => s.Id)], cancellationToken),
            Pins = await catalog.PinsAsync(id, all, cancellationToken),
            WaitsFor = [],
        };
    }

    private async Task<Eviction> DescribeAsync(int cache, EvictionRow row, CancellationToken cancellationToken) => new()
    {
        Id = row.Id,
        State = row.IsFinished ? EvictionState.Done : EvictionState.Running,
        Total = row.Found.Length,
        Paths = await catalog.DescribeAsync(row.Found, row.Paths, await catalog.ChosenAsync(cache, row.Paths, cancellationToken),
            cancellationToken),
        Pins = await catalog.PinsAsync(cache, row.Found, cancellationToken),
        Refusal = row.IsFinished ? null : refused.Describe(),
        WaitsFor = row.IsFinished ? [] : (await catalog.WaitsAsync(cache, row.Id, cancellationToken)).ConvertAll(p => p.ToString()),
    };

    private static void Check(EvictRequest request)
    {
        if (request.Paths is null == request.By is null)
            throw Bad("An eviction is of paths, or by a publisher: send one of 'paths' and 'by'.");
        if (request.Paths is { Count: 0 or > MaxPaths })
            throw Bad($"paths has 1 to {MaxPaths} hashes.");
        if (request.Since is not null && request.By is null)
            throw Bad("since needs 'by'.");
        if (request.Reason is { Length: > MaxReason } || request.Reason?.Any(char.IsControl) == true)
            throw Bad($"reason has at most {MaxReason} characters, and no line breaks.");
    }

    private static byte[] Digest(EvictRequest request) => SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n',
        [.. (request.Paths ?? []).Select(p => p.ToString()), request.By, request.Since?.ToString("O", CultureInfo.InvariantCulture),
            request.Nar.ToString(), request.Reason])));

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);

    [LoggerMessage(LogLevel.Information, "eviction {Id} in cache {Cache} by {Caller} begun, of {Count} paths and all that refers to them")]
    private partial void LogBegun(long id, CacheName cache, string caller, int count);

    [LoggerMessage(LogLevel.Warning, "eviction {Id} begun, of {Count} paths and all that refers to them: {Reason}")]
    private partial void LogUntrue(long id, string reason, int count);

    [LoggerMessage(LogLevel.Information, "bar {Id} in cache {Cache} lifted by {Caller}")]
    private partial void LogLifted(long id, CacheName cache, string caller);

    [LoggerMessage(LogLevel.Information, "going on with eviction {Id}, whose server fell silent")]
    private partial void LogResumed(long id);
}
