using System.Text.Json.Nodes;

namespace OrleansCache.Contracts;

/// <summary>
/// The caches of a database. A change holds on this server when it answers, and on the others within seconds. The default cache has the
/// settings of its servers' command line, and is none of those that this changes.
/// </summary>
public interface ICaches
{
    /// <summary>All caches, by name.</summary>
    Task<CacheList> ListAsync(CancellationToken cancellationToken);

    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownCache"/>.</exception>
    Task<CacheDescription> ShowAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>Why what is private in a cache is not, and what to do; null: nothing is known to be wrong.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownCache"/>.</exception>
    Task<string?> FindExposureAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a cache, with a key to sign with. <see cref="ProblemKind.CacheExists"/>: there is one of that name, or its deletion has not
    /// ended; <see cref="ProblemKind.BadRequest"/>: a setting is wrong, or another cache has the place.
    /// </summary>
    Task<CacheDescription> CreateAsync(CacheName cache, JsonObject settings, Caller caller, CancellationToken cancellationToken);

    /// <summary>
    /// Changes settings: members of <paramref name="changes"/> replace those of the cache, null takes one away, and what is absent stays.
    /// <see cref="ProblemKind.CacheDeclared"/>: the servers' file of caches has it.
    /// </summary>
    /// <param name="isOperator">The caller may change the place, the hosts and the quota, too: they concern other caches.</param>
    Task<CacheDescription> SetAsync(CacheName cache, JsonObject changes, bool isOperator, Caller caller,
        CancellationToken cancellationToken);

    /// <summary>
    /// Ends a cache: nobody is served it any more, and what it holds is deleted in the background, as a collection deletes.
    /// <see cref="ProblemKind.CacheInUse"/>: it has paths, and <paramref name="force"/> is not given.
    /// </summary>
    Task DeleteAsync(CacheName cache, bool force, Caller caller, CancellationToken cancellationToken);

    /// <summary>The keys that sign a cache's paths or have signed them.</summary>
    Task<KeyList> ListKeysAsync(CacheName cache, CancellationToken cancellationToken);

    /// <summary>
    /// Adds a key that signs from now on, and signs in the background what is there. <see cref="ProblemKind.CacheExists"/>: there is a key
    /// of that name.
    /// </summary>
    Task<KeyList> AddKeyAsync(CacheName cache, AddKey request, Caller caller, CancellationToken cancellationToken);

    /// <summary>
    /// Changes the state of a key. <see cref="ProblemKind.UnknownKey"/>: the cache has no such key; <see cref="ProblemKind.Conflict"/>: no
    /// other key signs, or none has signed what is there.
    /// </summary>
    Task<KeyList> SetKeyAsync(CacheName cache, string key, SetKey request, Caller caller, CancellationToken cancellationToken);
}
