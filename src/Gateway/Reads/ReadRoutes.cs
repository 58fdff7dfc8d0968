using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Reads;

/// <summary>
/// The binary cache as Nix reads it: cache <c>default</c> at the root, any cache under <c>/c/{cache}</c>. Each kind of object has a route,
/// so nothing else in the store can be reached.
/// </summary>
internal static class ReadRoutes
{
    private const string NarPrefix = "nar/";

    private static readonly string[] GetAndHead = ["GET", "HEAD"];
    private static readonly TimeSpan MovedPatience = TimeSpan.FromSeconds(2);

    // Each pattern with the key that its requests name.
    private static readonly (string Pattern, Func<HttpRequest, string> Key)[] Kinds =
    [
        ("/nix-cache-info", static _ => "nix-cache-info"),
        ("/{hash}.narinfo", static r => $"{r.RouteValues["hash"]}.narinfo"),
        ("/{hash}.ls", static r => $"{r.RouteValues["hash"]}.ls"),
        ("/nar/{file}", static r => $"nar/{r.RouteValues["file"]}"),
        ("/log/{drv}", static r => $"log/{r.RouteValues["drv"]}"),
        ("/realisations/{id}", static r => $"realisations/{r.RouteValues["id"]}"),
        ("/build-trace-v2/{drv}/{output}", static r => $"build-trace-v2/{r.RouteValues["drv"]}/{r.RouteValues["output"]}"),
        ("/debuginfo/{id}", static r => $"debuginfo/{r.RouteValues["id"]}"),
        ("/pins/{name}", static r => $"pins/{r.RouteValues["name"]}"),
    ];

    /// <param name="forWriters">Answers a pusher's reads under the write URL, where an answer is a promise.</param>
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, Func<HttpContext, ObjectKey, GatewayParts, Task> forWriters)
    {
        var info = CacheInfos.NixCacheInfo(parts);
        var unknown = new UnknownNars(parts.Time);
        foreach (var (pattern, keyOf) in Kinds)
        {
            MapOne(app, pattern, parts, keyOf, info, unknown, Access.Read, forWriters);
            MapOne(app, "/c/{cache}" + pattern, parts, keyOf, info, unknown, Access.ReadOrPush, forWriters);
        }
    }

    private static void MapOne(IEndpointRouteBuilder app, string pattern, GatewayParts parts, Func<HttpRequest, string> keyOf,
        byte[] nixCacheInfo, UnknownNars unknown, Access access, Func<HttpContext, ObjectKey, GatewayParts, Task> forWriters) =>
        app.MapMethods(pattern, GetAndHead, http =>
        {
            if (http.GetRouteValue("cache") is string cache && cache != CacheName.Default.ToString())
                return ObjectAnswer.NotFoundAsync(http);
            // No NAR has a name of another form, so neither store nor database is asked.
            if (!ObjectKey.TryParse(keyOf(http.Request), out var key)
                || (IsNar(key) && !NarFileName.TryParse(key.ToString()[NarPrefix.Length..], out _)))
                return ObjectAnswer.NotFoundAsync(http);
            if (key == ObjectKey.NixCacheInfo)
                return ObjectAnswer.SendAsync(http, key, nixCacheInfo);
            return access == Access.ReadOrPush && http.Credential().Allows(Access.Push) ? forWriters(http, key, parts)
                : SendAsync(http, key, parts, unknown);
        }).Needs(access);

    // Nix remembers a narinfo with the URL of its NAR for 30 days, and asks for no other when the NAR is gone. So a NAR is found under each
    // key that it ever had.
    private static async Task SendAsync(HttpContext http, ObjectKey key, GatewayParts parts, UnknownNars unknown)
    {
        if (await ObjectAnswer.TrySendAsync(http, key, parts.Store)
            || (IsNar(key) && !unknown.Contains(key.ToString()) && await FindMovedAsync(http, key, parts, unknown) is { } moved
                && await ObjectAnswer.TrySendAsync(http, moved, parts.Store)))
            return;
        await ObjectAnswer.NotFoundAsync(http);
    }

    private static bool IsNar(ObjectKey key) => key.ToString().StartsWith(NarPrefix, StringComparison.Ordinal);

    // Null also when the database does not answer, as reads do without it.
    private static async Task<ObjectKey?> FindMovedAsync(HttpContext http, ObjectKey key, GatewayParts parts, UnknownNars unknown)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        limit.CancelAfter(MovedPatience);
        try
        {
            var moved = await parts.Contents.FindMovedNarAsync(CacheName.Default, key, limit.Token);
            if (moved is null)
                unknown.Add(key.ToString());
            return moved;
        }
        catch (Exception) when (!http.RequestAborted.IsCancellationRequested)
        {
            return null;
        }
    }
}
