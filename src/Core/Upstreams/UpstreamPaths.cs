using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Upstreams;

/// <summary>Which paths of a closure a cache need not have, as an upstream has them: the boundaries.</summary>
/// <remarks>
/// 1. Of the closure but its roots, what the cache lacks and the push does not bring already. 2. What upstreams have of that, as the
/// catalog remembers, else as they say now. 3. Of that, what is as declared, and refers to nothing that only this push has. 4. Note who
/// refers to it, before the push can be published.
/// </remarks>
internal sealed partial class UpstreamPaths(UpstreamCatalog catalog, UpstreamReader reader, UpstreamOptions options, TimeProvider time,
    ILogger logger) : IDisposable
{
    private const int Batch = 200;
    // Of a cache without upstreams: what it had is forgotten.
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(10);
    private long? _watched;

    public bool AllowsPins => options.AllowsPins;

    /// <summary>Positions in the request of the paths that an upstream has and the cache has not.</summary>
    /// <param name="cache">The cache that is pushed to.</param>
    /// <param name="request">A closure that was checked.</param>
    /// <param name="index">Position of each path.</param>
    /// <param name="digests">Of the declaration of each path.</param>
    /// <param name="operation">The caller's own.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<HashSet<int>> FindAsync(int cache, BeginPush request, Dictionary<StorePathHash, int> index, byte[][] digests,
        string operation, CancellationToken cancellationToken)
    {
        if (request.Upstream == false || (request.Pin is not null && !options.AllowsPins))
            return [];

        // 1. Who names a root wants it here.
        var roots = request.Roots.ToHashSet();
        var lacking = await catalog.KnownAsync(cache, operation, [.. request.Paths.Select(p => p.Path.Hash).Where(h => !roots.Contains(h))],
            options.Life, cancellationToken);
        if (lacking.Count == 0)
            return [];

        // 2. What upstreams have.
        var there = lacking.Where(l => l.Content is not null).ToDictionary(l => l.Hash, l => (l.Id, Content: l.Content!));
        var asked = await reader.FindAsync(lacking.Where(l => l.Content is null).Select(l => l.Hash), cancellationToken);
        foreach (var upstream in asked.GroupBy(a => a.Upstream))
        {
            var infos = upstream.Select(a => a.Info).ToDictionary(i => i.StorePath.Hash);
            foreach (var (hash, id) in await catalog.NoteAsync(cache, reader.UrlOf(upstream.Key), [.. infos.Values], cancellationToken))
                there[hash] = (id, UpstreamContent.Of(infos[hash]));
        }

        // 3. As declared, and whole there.
        var boundaries = there.Where(t => t.Value.Content.Is(request.Paths[index[t.Key]])).Select(t => index[t.Key]).ToHashSet();
        var absent = lacking.Select(l => index[l.Hash]).Where(i => !boundaries.Contains(i)).Concat(roots.Select(r => index[r])).ToHashSet();
        DropReferrers(request, index, boundaries, absent);
        if (boundaries.Count == 0)
            return [];

        // 4. Who refers to them.
        var relied = new List<(StorePathHash, byte[], long)>();
        for (var i = 0; i < request.Paths.Count; i++)
        {
            if (boundaries.Contains(i))
                continue;
            foreach (var reference in request.Paths[i].References.Distinct().Where(r => boundaries.Contains(index[r])))
                relied.Add((request.Paths[i].Path.Hash, digests[i], there[reference].Id));
        }

        return relied.Count == 0 || await catalog.RelyAsync(cache, relied, cancellationToken) ? boundaries : [];
    }

    /// <summary>Looks for boundaries at their upstreams again, some at a time, and forgets what nobody refers to.</summary>
    public async Task WatchAsync(int cache, CancellationToken cancellationToken)
    {
        if (options.Upstreams.Count == 0 && _watched is { } last && time.GetElapsedTime(last) < Idle)
            return;
        _watched = time.GetTimestamp();
        await catalog.ForgetAsync(cache, options, Batch, cancellationToken);
        var due = await catalog.DueAsync(cache, options.Life, options.LostLife, Batch, cancellationToken);
        var seen = new List<(long, bool)>();
        foreach (var (id, path, upstream) in due)
        {
            if (await reader.LookAsync(upstream, path, cancellationToken) is var answer and not UpstreamAnswer.Unknown)
                seen.Add((id, answer == UpstreamAnswer.Found));
        }

        if (seen.Count == 0)
            return;
        foreach (var (path, upstream) in await catalog.SeenAsync(cache, seen, cancellationToken))
            LogLost(path, upstream);
    }

    public Task<List<StorePath>> OfClosureAsync(int cache, StorePathHash path, int limit, CancellationToken cancellationToken) =>
        catalog.OfClosureAsync(cache, path, limit, cancellationToken);

    public Task<UpstreamReport> ReportAsync(int cache, int limit, CancellationToken cancellationToken) =>
        catalog.ReportAsync(cache, [.. options.Upstreams.Select(u => u.ToString())], limit, cancellationToken);

    public void Dispose() => reader.Dispose();

    /// <summary>A path that refers to what its upstream has not is not whole there.</summary>
    private static void DropReferrers(BeginPush request, Dictionary<StorePathHash, int> index, HashSet<int> boundaries, HashSet<int> absent)
    {
        var referrers = new Dictionary<int, List<int>>();
        foreach (var at in boundaries)
        {
            foreach (var reference in request.Paths[at].References)
                (referrers.TryGetValue(index[reference], out var list) ? list : referrers[index[reference]] = []).Add(at);
        }

        var open = new Stack<int>(absent);
        while (open.TryPop(out var at))
        {
            foreach (var referrer in referrers.GetValueOrDefault(at, []))
            {
                if (boundaries.Remove(referrer))
                    open.Push(referrer);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Upstream} has {Path} no more, which paths of this cache refer to: push it here with --no-upstream")]
    private partial void LogLost(StorePath path, string upstream);
}
