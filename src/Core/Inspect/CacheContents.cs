using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

/// <summary>Questions to the catalog, one statement each.</summary>
internal sealed class CacheContents(CacheDirectory caches, CatalogDatabase database) : ICacheContents
{
    public Task<bool> HasNarAsync(CacheName cache, Caller caller, Sha256Hash nar, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select exists (select from object o where o.cache_id = $1 and o.kind = 'nar' and o.nar_hash = $2 and o.state in ('stored', " +
                "'live', 'condemned') and @fn@.is_told($1, $3, o.trust_group))",
            p => p.With(caches.IdOf(cache)).With(nar.ToArray()).WithTold(caller), r => r.GetBoolean(0), cancellationToken);

    // A row keeps its NAR hash when its object goes. Only a NAR that a path has is answered: it was checked, and stays for a while.
    public async Task<ObjectKey?> FindMovedNarAsync(CacheName cache, ObjectKey former, CancellationToken cancellationToken) =>
        (await database.ListAsync(
            """
            select n.key from object f join object n on n.cache_id = f.cache_id and n.kind = 'nar' and n.nar_hash = f.nar_hash
            where f.cache_id = $1 and f.key = $2 and f.kind = 'nar' and n.id <> f.id and n.state in ('live', 'condemned') and substr(n.key, 57) = substr(f.key, 57)
            order by n.state, n.id limit 1
            """,
            p => p.With(caches.IdOf(cache)).With(former.ToString()), r => (ObjectKey?)ObjectKey.Parse(r.GetString(0)), cancellationToken))
                .FirstOrDefault();

    public Task<bool> HasPathAsync(CacheName cache, Caller caller, StorePathHash path, bool withListing,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select exists (select from store_path s where s.cache_id = $1 and s.hash = $2 and s.state in ('live', 'condemned') and " +
                "(s.has_listing or not $3) and @fn@.is_told($1, $4, s.trust_group))",
            p => p.With(caches.IdOf(cache)).With(path.ToArray()).With(withListing).WithTold(caller), r => r.GetBoolean(0),
            cancellationToken);

    public Task<bool> HasObjectAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select exists (select from object o where o.cache_id = $1 and o.key = $2 and o.state in ('stored', 'publishing', 'live', " +
                "'condemned') and @fn@.is_told($1, $3, o.trust_group))",
            p => p.With(caches.IdOf(cache)).With(key.ToString()).WithTold(caller), r => r.GetBoolean(0), cancellationToken);

    public Task<PushedClosure?> ClosureAsync(CacheName cache, Caller caller, StorePathHash root, CancellationToken cancellationToken) =>
        database.RunAsync(
            """
            with recursive top as materialized (
                select s.id, r.pushed from store_path s join root r on r.cache_id = s.cache_id and r.path_id = s.id where s.cache_id = $1 and s.hash = $2 and s.state = 'live' and @fn@.is_told($1, $3, s.trust_group)),
              walk(id) as (select t.id from top t union select r.id from walk w join store_path s on s.id = w.id cross join unnest(s.refs) r(id))
            select t.pushed, s.hash, s.nar_hash, s.has_listing, array(select o.key from object o where o.id = any(s.objects[2:]))
            from walk w join store_path s on s.id = w.id cross join top t where @fn@.is_told($1, $3, s.trust_group)
            """,
            p => p.With(caches.IdOf(cache)).With(root.ToArray()).WithTold(caller),
            async (r, stop) =>
            {
                var paths = new List<ClosurePath>();
                DateTimeOffset? pushed = null;
                while (await r.ReadAsync(stop))
                {
                    pushed = r.GetDateTime(0);
                    paths.Add(new ClosurePath(
                        StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(2)),
                        r.GetBoolean(3), [.. r.GetFieldValue<string[]>(4).Select(ObjectKey.Parse)]));
                }

                return pushed is { } at ? new PushedClosure(at, paths) : null;
            },
            cancellationToken);
}
