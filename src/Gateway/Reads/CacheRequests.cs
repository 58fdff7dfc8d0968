using OrleansCache.Contracts;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Reads;

/// <summary>The cache that a request of a reader names: <c>/c/{cache}</c>, else the default one.</summary>
internal static class CacheRequests
{
    /// <summary>Null: there is no such cache.</summary>
    public static CacheView? Find(HttpContext http, GatewayParts parts)
    {
        if (http.GetRouteValue("cache") is not string text)
            return parts.ViewOf(CacheName.Default);
        return CacheName.TryParse(text, out var cache) && (cache == CacheName.Default || parts.FindCache(cache) is not null)
            ? parts.ViewOf(cache) : null;
    }

    /// <summary>
    /// The same for a URL that is its own credential; null, too, where this server cannot serve the cache, as only who may read it learns
    /// that it is there.
    /// </summary>
    public static CacheView? FindForUrl(HttpContext http, GatewayParts parts)
    {
        try
        {
            return Find(http, parts);
        }
        catch (CacheProblemException e) when (e.IsOutage)
        {
            return null;
        }
    }
}
