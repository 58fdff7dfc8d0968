using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>What the catalog tells a promotion, and notes of it.</summary>
internal sealed class PromotionCatalog(CatalogDatabase database)
{
    /// <summary>Those of the paths that the cache has live; with <paramref name="follow"/> with all that they need.</summary>
    public Task<List<TakenPath>> ReadAsync(CacheName cache, IReadOnlyList<StorePathHash> paths, bool follow, int limit,
        CancellationToken cancellationToken) =>
        database.ListAsync(
            "select t.* from cache c cross join @fn@.taken_paths(c.id, $2, $3, $4) t where c.name = $1 and c.deleting is null",
            p => p.With(cache.ToString()).With(paths.Select(h => h.ToArray()).ToArray()).With(follow).With(limit),
            r => new TakenPath(
                new PathDeclaration
                {
                    Path = new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetString(1)),
                    NarHash = Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(2)),
                    NarSize = r.GetInt64(3),
                    References = [.. r.GetFieldValue<byte[][]>(4).Select(h => StorePathHash.FromBytes(h))],
                    Deriver = !r.IsDBNull(5) && StorePath.TryParse(r.GetString(5), out var deriver) ? deriver : null,
                    Ca = !r.IsDBNull(6) && ContentAddress.TryParse(r.GetString(6), out var ca) ? ca : null,
                    Signatures = r.GetFieldValue<string[]>(7),
                },
                ObjectKey.Parse(r.GetString(8)), r.IsDBNull(9) ? null : Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(9)), r.GetInt64(10),
                r.GetBoolean(11), r.GetFieldValue<string[]>(12)),
            cancellationToken);

    /// <summary>Notes where a push takes its paths from.</summary>
    public Task NoteAsync(CacheName cache, OwnPush push, CacheName source, CancellationToken cancellationToken) =>
        database.RunAsync(
            "select @fn@.promoted_from(c.id, @fn@.push_of(c.id, $2, $3, $4), $5) from cache c where c.name = $1",
            p => p.With(cache.ToString()).WithPush(push).With(source.ToString()), cancellationToken);
}
