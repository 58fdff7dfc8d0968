using OrleansCache.Core;
using OrleansCache.Core.Objects;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.NixWriter;
using OrleansCache.Gateway.V1;

namespace OrleansCache.Gateway.Reads;

/// <summary>
/// The binary cache as Nix reads it, of cache <c>default</c> at the root and of any cache under <c>/c/{cache}</c>. Each kind of object has its route;
/// what has none is not there, so nothing else in the store can be reached.
/// </summary>
internal static class ReadRoutes
{
    private static readonly string[] GetAndHead = ["GET", "HEAD"];
    private static readonly TimeSpan MovedPatience = TimeSpan.FromSeconds(2);

    // The pattern, and the key that its values name.
    private static readonly (string Pattern, Func<RouteValueDictionary, string> Key)[] Kinds =
    [
        ("/nix-cache-info", static _ => "nix-cache-info"),
        ("/{hash}.narinfo", static v => $"{v["hash"]}.narinfo"),
        ("/{hash}.ls", static v => $"{v["hash"]}.ls"),
        ("/nar/{file}", static v => $"nar/{v["file"]}"),
        ("/log/{drv}", static v => $"log/{v["drv"]}"),
        ("/realisations/{id}", static v => $"realisations/{v["id"]}"),
        ("/build-trace-v2/{drv}/{output}", static v => $"build-trace-v2/{v["drv"]}/{v["output"]}"),
        ("/debuginfo/{id}", static v => $"debuginfo/{v["id"]}"),
        ("/pins/{name}", static v => $"pins/{v["name"]}"),
    ];

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        var info = CacheInfos.NixCacheInfo(parts);
        foreach (var (pattern, keyOf) in Kinds)
        {
            MapOne(app, pattern, parts, keyOf, info, Access.Read);
            MapOne(app, "/c/{cache}" + pattern, parts, keyOf, info, Access.ReadOrPush);
        }
    }

    private static void MapOne(IEndpointRouteBuilder app, string pattern, GatewayParts parts, Func<RouteValueDictionary, string> keyOf, byte[] nixCacheInfo, Access access) =>
        app.MapMethods(pattern, GetAndHead, http =>
        {
            if (http.GetRouteValue("cache") is string cache && cache != CacheName.Default.ToString())
                return ObjectAnswer.NotFoundAsync(http);
            if (!ObjectKey.TryParse(keyOf(http.Request.RouteValues), out var key))
                return ObjectAnswer.NotFoundAsync(http);
            if (key == ObjectKey.NixCacheInfo)
                return ObjectAnswer.SendAsync(http, key, nixCacheInfo);
            // What a writer is told is there has to stay.
            return access == Access.ReadOrPush && http.Credential().Allows(Access.Push) ? NixWriterReads.SendAsync(http, key, parts) : SendAsync(http, key, parts);
        }).Needs(access);

    // Nix remembers a narinfo for 30 days, with the URL of its NAR, and asks for no other when that is gone: so a NAR is found under each key that it ever had.
    private static async Task SendAsync(HttpContext http, ObjectKey key, GatewayParts parts)
    {
        if (await ObjectAnswer.TrySendAsync(http, key, parts.Store)
            || (key.ToString().StartsWith("nar/", StringComparison.Ordinal) && await FindMovedAsync(http, key, parts) is { } moved && await ObjectAnswer.TrySendAsync(http, moved, parts.Store)))
            return;
        await ObjectAnswer.NotFoundAsync(http);
    }

    // Null also when the database does not answer: reads do without it.
    private static async Task<ObjectKey?> FindMovedAsync(HttpContext http, ObjectKey key, GatewayParts parts)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        limit.CancelAfter(MovedPatience);
        try
        {
            return await parts.Contents.FindMovedNarAsync(CacheName.Default, key, limit.Token);
        }
        catch (Exception) when (!http.RequestAborted.IsCancellationRequested)
        {
            return null;
        }
    }
}
