using OrleansCache.Contracts;

namespace OrleansCache.Core.Caches;

/// <summary>A private cache in a bucket that anybody may read is private by its server alone.</summary>
internal static class CacheExposure
{
    /// <summary>What is wrong, and what to do, in two sentences; null: nothing is known to be.</summary>
    public static async Task<string?> FindAsync(CacheRegistry.Entry entry, bool isPrivate, CancellationToken cancellationToken) =>
        isPrivate && entry.Services is { } services
            && await services.Options.Store.FindPublicUrlAsync(ObjectKey.NixCacheInfo, cancellationToken) is { } url
            ? $"Cache '{entry.Row.Name}' is private, and its bucket gives it to anybody: {url} is answered without a credential. Take " +
                "its prefix out of the bucket's public policy, or make the cache anew in a bucket of its own (--bucket)."
            : null;
}
