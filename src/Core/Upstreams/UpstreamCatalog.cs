using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Upstreams;

/// <summary>What the catalog keeps of upstreams, typed: one method, one statement.</summary>
internal sealed class UpstreamCatalog(CatalogDatabase database)
{
    /// <summary>Of these paths those that the cache has not, and the open push of the operation does not bring.</summary>
    public Task<List<UpstreamPath>> KnownAsync(int cache, string operation, IReadOnlyList<StorePathHash> paths, TimeSpan life,
        CancellationToken cancellationToken) => database.ListAsync(
        "select hash, id, name, nar_hash, nar_size, refs from @fn@.upstream_known($1, $2, $3, $4)",
        p => p.With(cache).With(operation).With(paths.Select(h => h.ToArray()).ToArray()).With(life),
        r =>
        {
            var hash = StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0));
            return r.IsDBNull(1) ? new UpstreamPath(hash, 0, null) : new UpstreamPath(hash, r.GetInt64(1), new UpstreamContent(
                r.GetString(2), Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(3)), r.GetInt64(4),
                r.GetFieldValue<byte[][]>(5).Select(h => StorePathHash.FromBytes(h)).ToHashSet()));
        }, cancellationToken);

    /// <summary>Keeps what the upstream's narinfos say; returns the ids of what was kept.</summary>
    public Task<List<(StorePathHash Hash, long Id)>> NoteAsync(int cache, string upstream, IReadOnlyList<NarInfo> infos,
        CancellationToken cancellationToken) => database.ListAsync(
        "select hash, id from @fn@.upstream_note($1, $2, $3, $4, $5, $6, $7, $8)",
        p => p.With(cache).With(upstream).With(infos.Select(i => i.StorePath.Hash.ToArray()).ToArray())
            .With(infos.Select(i => i.StorePath.Name).ToArray()).With(infos.Select(i => i.NarHash.ToArray()).ToArray())
            .With(infos.Select(i => i.NarSize).ToArray()).With(infos.Select(i => i.References.Count).ToArray())
            .With(infos.SelectMany(i => i.References).Select(x => x.Hash.ToArray()).ToArray()),
        r => (StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetInt64(1)), cancellationToken);

    /// <summary>A push relies on these. False: one of them was forgotten meanwhile.</summary>
    public Task<bool> RelyAsync(int cache, IReadOnlyList<(StorePathHash Path, byte[] Digest, long Upstream)> boundaries,
        CancellationToken cancellationToken) => database.SingleAsync(
        "select @fn@.note_boundaries($1, $2, $3, $4)",
        p => p.With(cache).With(boundaries.Select(b => b.Path.ToArray()).ToArray()).With(boundaries.Select(b => b.Digest).ToArray())
            .With(boundaries.Select(b => b.Upstream).ToArray()), r => r.GetBoolean(0), cancellationToken);

    /// <summary>Boundaries that are to be looked for again; whoever gets one looks.</summary>
    public Task<List<(long Id, StorePath Path, string Upstream)>> DueAsync(int cache, TimeSpan after, TimeSpan afterLost, int limit,
        CancellationToken cancellationToken) => database.ListAsync(
        "select id, hash, name, upstream from @fn@.upstream_due($1, $2, $3, $4)",
        p => p.With(cache).With(after).With(afterLost).With(limit),
        r => (r.GetInt64(0), new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetString(2)), r.GetString(3)),
        cancellationToken);

    /// <summary>Keeps what became of them; returns those that are lost since just now.</summary>
    public Task<List<(StorePath Path, string Upstream)>> SeenAsync(int cache, IReadOnlyList<(long Id, bool Found)> seen,
        CancellationToken cancellationToken) => database.ListAsync(
        "select hash, name, upstream from @fn@.upstream_seen($1, $2, $3)",
        p => p.With(cache).With(seen.Select(s => s.Id).ToArray()).With(seen.Select(s => s.Found).ToArray()),
        r => (new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetString(1)), r.GetString(2)), cancellationToken);

    public Task ForgetAsync(int cache, UpstreamOptions options, int limit, CancellationToken cancellationToken) => database.RunAsync(
        "select @fn@.forget_boundaries($1, $2, $3, $4)",
        p => p.With(cache).With(options.BoundaryLife).With(options.ForgottenAfter).With(limit), cancellationToken);

    /// <summary>The boundaries in the closure of a path of the cache, some of them, in the order of their hashes.</summary>
    public Task<List<StorePath>> OfClosureAsync(int cache, StorePathHash path, int limit, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select distinct b.hash, b.name from store_path s cross join lateral @fn@.closure_boundaries($1, s.id) b " +
                "where s.cache_id = $1 and s.hash = $2 order by b.hash limit $3",
            p => p.With(cache).With(path.ToArray()).With(limit),
            r => new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetString(1)), cancellationToken);

    /// <summary>How many boundaries live paths have, and the lost ones with a path that refers to each.</summary>
    public async Task<UpstreamReport> ReportAsync(int cache, IReadOnlyList<string> upstreams, int limit,
        CancellationToken cancellationToken)
    {
        var (boundaries, lost) = await database.SingleAsync(
            "select count(*), count(*) filter (where u.lost is not null) from upstream_path u where u.cache_id = $1 and exists (select " +
                "from boundary b join store_path s on s.cache_id = $1 and s.hash = b.hash and s.declared = b.digest and s.state = 'live' " +
                "where b.upstream_id = u.id)",
            p => p.With(cache), r => (r.GetInt64(0), r.GetInt64(1)), cancellationToken);
        var named = await database.ListAsync(
            """
            select u.hash, u.name, u.upstream, u.lost, s.hash, s.name, count(*) over (partition by u.id) from upstream_path u
              join boundary b on b.upstream_id = u.id join store_path s on s.cache_id = $1 and s.hash = b.hash and s.declared = b.digest and s.state = 'live'
            where u.cache_id = $1 and u.lost is not null order by u.lost, u.hash, s.hash
            """,
            p => p.With(cache),
            r => new LostBoundary
            {
                Path = new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetString(1)),
                Upstream = r.GetString(2),
                Since = r.GetDateTime(3),
                Referrer = new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(4)), r.GetString(5)),
                Referrers = r.GetInt64(6),
            }, cancellationToken);
        return new UpstreamReport
        {
            Upstreams = upstreams,
            Boundaries = boundaries,
            LostCount = lost,
            Lost = [.. named.DistinctBy(l => l.Path.Hash).Take(limit)],
        };
    }
}

/// <param name="Id">0: no upstream is known to have it.</param>
internal sealed record UpstreamPath(StorePathHash Hash, long Id, UpstreamContent? Content);

internal sealed record UpstreamContent(string Name, Sha256Hash NarHash, long NarSize, HashSet<StorePathHash> References)
{
    public static UpstreamContent Of(NarInfo info) =>
        new(info.StorePath.Name, info.NarHash, info.NarSize, info.References.Select(r => r.Hash).ToHashSet());

    /// <summary>The upstream's path is what a push declares.</summary>
    public bool Is(PathDeclaration path) => Name == path.Path.Name && NarHash == path.NarHash && NarSize == path.NarSize
        && References.SetEquals(path.References);
}
