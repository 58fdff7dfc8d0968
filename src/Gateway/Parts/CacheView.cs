using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Gateway.Parts;

/// <summary>A cache as its readers meet it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Url">Its root.</param>
/// <param name="Store">Its objects.</param>
/// <param name="IsPrivate">Reads need a credential.</param>
/// <param name="Priority">Nix asks caches of lower numbers first.</param>
/// <param name="PublicKeys"><c>name:base64</c>.</param>
/// <param name="VerifyPolicy">Null where no core tells.</param>
public sealed record CacheView(CacheName Name, Uri Url, IObjectStore Store, bool IsPrivate, int Priority, IReadOnlyList<string> PublicKeys,
    string? VerifyPolicy)
{
    /// <summary>The root of a cache beside the default one: its host, else a path of the server's.</summary>
    public static Uri UrlOf(Uri server, CacheName cache, CacheSettings settings) => settings.Hosts is [var host, ..]
        ? new Uri($"{server.Scheme}://{host}")
        : new Uri($"{server.AbsoluteUri.TrimEnd('/')}/c/{cache}");
}
