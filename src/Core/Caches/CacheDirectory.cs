using System.Collections.Frozen;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Caches;

/// <summary>The caches of this catalog by name, read at start.</summary>
internal sealed class CacheDirectory
{
    private readonly FrozenDictionary<string, int> _ids;

    private CacheDirectory(FrozenDictionary<string, int> ids) => _ids = ids;

    public IEnumerable<int> All => _ids.Values;

    public IReadOnlyCollection<CacheName> Names => [.. _ids.Keys.Select(n => CacheName.TryParse(n, out var name) ? name : throw new FormatException($"'{n}' is not the name of a cache"))];

    public static async Task<CacheDirectory> LoadAsync(CatalogDatabase database, CancellationToken cancel) =>
        new((await database.ListAsync("select id, name from cache", static _ => { }, r => (Id: r.GetInt32(0), Name: r.GetString(1)), cancel))
            .ToFrozenDictionary(c => c.Name, c => c.Id));

    /// <exception cref="CacheProblemException">No such cache.</exception>
    public int IdOf(CacheName name) => _ids.TryGetValue(name.ToString(), out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownCache, $"There is no cache '{name}' on this server.");
}
