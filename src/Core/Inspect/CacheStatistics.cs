using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Inspect;

/// <summary>The size of a cache's contents. The catalog is asked at most once a minute, however often a page shows it.</summary>
internal sealed class CacheStatistics(CacheDirectory caches, CatalogDatabase database, TimeProvider time) : IDisposable
{
    // Pages to read of each table: all of a small one, a fixed sample of a large one.
    private const int SampledPages = 400;
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _one = new(1);
    private readonly Dictionary<int, CacheNumbers> _known = [];

    /// <exception cref="CacheProblemException">No such cache, or the database does not answer.</exception>
    public async Task<CacheNumbers> ReadAsync(CacheName cache, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (!_known.TryGetValue(id, out var numbers) || time.GetUtcNow() - numbers.Asked >= Life)
                _known[id] = numbers = await AskAsync(id, cancellationToken);
            return numbers;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<CacheNumbers> AskAsync(int cache, CancellationToken cancellationToken)
    {
        var asked = time.GetUtcNow();
        var share = await database.SingleAsync(
            """
            select least(100, 100.0 * $1 / greatest(1, pg_relation_size('store_path') / 8192))::float8, least(100, 100.0 * $1 / greatest(1, pg_relation_size('object') / 8192))::float8
            """,
            p => p.With(SampledPages), r => (Paths: r.GetDouble(0), Objects: r.GetDouble(1)), cancellationToken);
        return await database.SingleAsync(
            """
            select (select count(*) from store_path tablesample system ($2::real) repeatable (0) where cache_id = $1 and state in ('live', 'condemned')), o.objects, o.bytes, o.nar_bytes,
              (select count(*) from pin where cache_id = $1 and not deleted),
              (select max(finished) from gc_run where cache_id = $1 and state = 'done' and not dry_run), b.nars, b.bytes, b.oldest,
              (select count(*) from waiting_path where cache_id = $1),
              (select count(*) from upstream_path where cache_id = $1 and lost is not null)
            from (select count(*) as objects, coalesce(sum(file_size), 0)::bigint as bytes, coalesce(sum(nar_size), 0)::bigint as nar_bytes from object tablesample system ($3::real) repeatable (0)
                  where cache_id = $1 and state in ('live', 'condemned')) o cross join @fn@.verification_backlog($1) b
            """,
            p => p.With(cache).With(share.Paths).With(share.Objects),
            r => new CacheNumbers(
                asked, Scale(r.GetInt64(0), share.Paths), Scale(r.GetInt64(1), share.Objects), Scale(r.GetInt64(2), share.Objects),
                Scale(r.GetInt64(3), share.Objects),
                share.Paths >= 100 && share.Objects >= 100, r.GetInt64(4), r.IsDBNull(5) ? null : r.GetDateTime(5),
                r.GetInt64(6), r.GetInt64(7), r.IsDBNull(8) ? null : r.GetDateTime(8), r.GetInt64(9), r.GetInt64(10)),
            cancellationToken);
    }

    private static long Scale(long counted, double share) => (long)(counted * (100 / share));
}

/// <param name="Asked">When the catalog was asked.</param>
/// <param name="Paths">Store paths that readers find.</param>
/// <param name="Objects">NARs, logs and realisations.</param>
/// <param name="Bytes">Their size in the store, compressed.</param>
/// <param name="NarBytes">The size of the NARs, uncompressed; one that paths share counts once.</param>
/// <param name="Exact">False: a large catalog was sampled, and the four before are estimates.</param>
/// <param name="Pins">Pins.</param>
/// <param name="Collected">When a collection last succeeded; null before the first.</param>
/// <param name="Unread">NARs that wait to be verified.</param>
/// <param name="UnreadBytes">Their size in the store.</param>
/// <param name="UnreadSince">Since when the oldest waits; null when none does.</param>
/// <param name="Waiting">Paths that were put before their references.</param>
/// <param name="LostBoundaries">Paths that an upstream had and has no more.</param>
public sealed record CacheNumbers(DateTimeOffset Asked, long Paths, long Objects, long Bytes, long NarBytes, bool Exact, long Pins,
    DateTimeOffset? Collected, long Unread, long UnreadBytes, DateTimeOffset? UnreadSince, long Waiting, long LostBoundaries);
