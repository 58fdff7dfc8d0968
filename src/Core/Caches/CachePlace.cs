using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>A cache that a server is to serve, as the catalog has it.</summary>
/// <param name="Bucket">Null: the objects lie in a directory.</param>
/// <param name="IsDeleting">Nothing is written there any more but by its deletion.</param>
public sealed record CacheDefinition(CacheName Name, CacheSettings Settings, string? Bucket, string Prefix, bool IsDeleting = false);

/// <summary>Where a cache lies, and by what a server serves it.</summary>
/// <param name="Store">Disposed of with the cache's services where it can be.</param>
/// <param name="Keys">Of its files.</param>
public sealed record CachePlace(IObjectStore Store, IReadOnlyList<SecretKey> Keys, GcOptions Gc, VerifyOptions Verify);

/// <summary>What a server knows of caches beside the default one: how to reach their objects.</summary>
public interface ICachePlaces
{
    /// <summary>Opens a cache for this server. It may take requests of the store.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: this server cannot serve it, and why.</exception>
    Task<CachePlace> OpenAsync(CacheDefinition cache, CancellationToken cancellationToken);

    /// <summary>The bucket and prefix of a cache with these settings; both are checked against the default cache's.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: a setting is wrong, and why.</exception>
    (string? Bucket, string Prefix) PlaceOf(CacheName cache, CacheSettings settings);

    /// <summary>The keys in the files that the settings name.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: one cannot be read, or holds no key.</exception>
    IReadOnlyList<SecretKey> KeysOf(CacheSettings settings);

    /// <summary>The settings of the default cache, as the servers' options say them.</summary>
    CacheSettings OfDefault { get; }

    /// <summary>The URL of a cache's root.</summary>
    Uri UrlOf(CacheName cache, CacheSettings settings);

    /// <summary>The policy of a cache that has none of its own.</summary>
    VerifyPolicy Policy { get; }
}

/// <summary>A cache as requests meet it.</summary>
/// <param name="Settings">Null: the default cache, whose settings are the server's.</param>
public sealed record ServedCache(CacheName Name, CacheSettings? Settings, IObjectStore Store, IReadOnlyList<string> PublicKeys,
    string VerifyPolicy);
