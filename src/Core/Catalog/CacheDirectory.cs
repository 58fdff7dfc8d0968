using System.Collections.Frozen;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>The caches of this catalog by name, read at start.</summary>
internal sealed class CacheDirectory
{
    private readonly FrozenDictionary<string, int> _ids;
    private readonly FrozenDictionary<int, byte[]> _secrets;

    private CacheDirectory(IReadOnlyList<(int Id, string Name, byte[] Secret)> caches) =>
        (_ids, _secrets) = (caches.ToFrozenDictionary(c => c.Name, c => c.Id), caches.ToFrozenDictionary(c => c.Id, c => c.Secret));

    public IEnumerable<int> All => _ids.Values;

    public IReadOnlyCollection<CacheName> Names => [.. _ids.Keys.Select(n => CacheName.TryParse(n, out var name) ? name
        : throw new FormatException($"'{n}' is not the name of a cache"))];

    public static async Task<CacheDirectory> LoadAsync(CatalogDatabase database, CancellationToken cancellationToken) =>
        new(await database.ListAsync("select id, name, secret from cache", static _ => { }, r =>
            (r.GetInt32(0), r.GetString(1), r.GetFieldValue<byte[]>(2)), cancellationToken));

    /// <summary>The secret that only the servers of a cache share: it seals the ids of grants.</summary>
    public byte[] SecretOf(int id) => _secrets[id];

    /// <exception cref="CacheProblemException">No such cache.</exception>
    public int IdOf(CacheName name) => _ids.TryGetValue(name.ToString(), out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownCache, $"There is no cache '{name}' on this server.");
}
