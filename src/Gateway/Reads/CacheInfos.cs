using System.Reflection;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Reads;

/// <summary>What this server tells about a cache.</summary>
internal static class CacheInfos
{
    public const string StoreDir = "/nix/store";

    public static readonly string ServerVersion =
        typeof(CacheInfos).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    /// <exception cref="CacheProblemException">There is no such cache.</exception>
    public static CacheInfo Describe(GatewayParts parts, CacheName cache)
    {
        var view = parts.ViewOf(cache);
        return new CacheInfo
        {
            Name = cache.ToString(),
            StoreDir = StoreDir,
            Priority = view.Priority,
            Substituter = view.Url,
            PublicKeys = view.PublicKeys,
            Verify = view.VerifyPolicy,
            Version = ServerVersion,
        };
    }

    /// <summary>The text of <c>nix-cache-info</c>.</summary>
    public static byte[] NixCacheInfo(int priority) =>
        System.Text.Encoding.ASCII.GetBytes(
            System.FormattableString.Invariant($"StoreDir: {StoreDir}\nWantMassQuery: 1\nPriority: {priority}\n"));
}
