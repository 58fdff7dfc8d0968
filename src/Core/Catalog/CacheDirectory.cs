using System.Collections.Frozen;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>Some caches of this catalog by name: all, or the one of a core's services.</summary>
internal sealed class CacheDirectory
{
    private volatile Contents _contents;

    public CacheDirectory(IReadOnlyList<(int Id, string Name, byte[] Secret)> caches) => _contents = new Contents(caches);

    /// <summary>Those whose background work is to look for something to do.</summary>
    public IReadOnlyCollection<int> All => IsAsleep ? [] : _contents.All;

    /// <summary>There is nothing to do in any of them.</summary>
    public bool IsAsleep { get; set; }

    /// <summary>All caches, as they are now.</summary>
    public static async Task<CacheDirectory> LoadAsync(CatalogDatabase database, CancellationToken cancellationToken) =>
        new(await database.ListAsync("select id, name, secret from cache", static _ => { }, r =>
            (r.GetInt32(0), r.GetString(1), r.GetFieldValue<byte[]>(2)), cancellationToken));

    public void Replace(IReadOnlyList<(int Id, string Name, byte[] Secret)> caches) => _contents = new Contents(caches);

    /// <summary>The secret that only the servers of a cache share: it seals the ids of grants.</summary>
    public byte[] SecretOf(int id) => _contents.Secrets[id];

    /// <summary>Null: no such cache.</summary>
    public int? FindId(CacheName name) => _contents.Ids.TryGetValue(name.ToString(), out var id) ? id : null;

    /// <exception cref="CacheProblemException">No such cache.</exception>
    public int IdOf(CacheName name) => FindId(name) ?? throw Unknown(name);

    /// <summary>The error for a cache that is not there, or must not be told of.</summary>
    public static CacheProblemException Unknown(CacheName name) =>
        new(ProblemKind.UnknownCache, $"There is no cache '{name}' on this server.");

    private sealed class Contents(IReadOnlyList<(int Id, string Name, byte[] Secret)> caches)
    {
        public FrozenDictionary<string, int> Ids { get; } = caches.ToFrozenDictionary(c => c.Name, c => c.Id);

        public FrozenDictionary<int, byte[]> Secrets { get; } = caches.ToFrozenDictionary(c => c.Id, c => c.Secret);

        public int[] All { get; } = [.. caches.Select(c => c.Id)];
    }
}
