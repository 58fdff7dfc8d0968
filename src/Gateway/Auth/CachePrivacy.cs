using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Do reads of a cache beside the default one need a credential? Null: there is no such cache. Both are answered alike, so that nobody
/// learns which private caches there are, by the time that the answer takes neither: the catalog is asked only for who may read.
/// </summary>
/// <param name="cache">The cache.</param>
/// <param name="looks">Where it is not known here, look for it.</param>
/// <param name="cancellationToken">Stops the look.</param>
public delegate ValueTask<bool?> CachePrivacy(CacheName cache, bool looks, CancellationToken cancellationToken);
