using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>
/// What a stage takes from the cache that it is of: what anybody may read there. Of a private parent it takes nothing, as who pushes to the
/// stage knows declarations only, and would come by the bytes.
/// </summary>
internal sealed class ParentNars(CacheRegistry caches, PromotionCatalog catalog, CacheName parent, ICachePlaces? places) : IParentNars
{
    /// <summary>Null: the cache is no stage.</summary>
    public static ParentNars? Of(CacheRow cache, CacheRegistry caches, PromotionCatalog catalog, ICachePlaces? places) =>
        CacheName.TryParse(cache.Settings?.StageOf, out var parent) ? new ParentNars(caches, catalog, parent, places) : null;

    public async Task<IReadOnlyDictionary<StorePathHash, NarSource>> FindAsync(IReadOnlyList<PathDeclaration> paths,
        CancellationToken cancellationToken)
    {
        if (paths.Count == 0 || !IsPublic())
            return new Dictionary<StorePathHash, NarSource>();
        using var use = await caches.UseAsync(parent, cancellationToken);
        var store = use.Services.Options.Store;
        var declared = paths.ToDictionary(p => p.Path.Hash);
        // A client that copies in vain uploads what it has, which is zstd.
        return (await catalog.ReadAsync(parent, [.. declared.Keys], follow: false, paths.Count, cancellationToken))
            .Where(p => MintedKeys.EndingOf(p.NarKey) == MintedKeys.Ending && p.IsDeclaredAs(declared[p.Hash]))
            .ToDictionary(p => p.Hash, p => p.In(store));
    }

    private bool IsPublic() => caches.Find(parent) is { } entry
        && !(entry.Row.Settings is { } settings ? settings.IsPrivate : places?.OfDefault.Private == true);
}
