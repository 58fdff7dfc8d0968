using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Reads;

/// <summary>
/// The binary cache as Nix reads it: cache <c>default</c> at the root, any cache under <c>/c/{cache}</c>, and under <c>/r/{cache}</c>,
/// where a token that may push is answered as any reader. Each kind of object has a route, so nothing else in the store can be reached.
/// </summary>
internal static class ReadRoutes
{
    private const string NarPrefix = "nar/";

    private static readonly string[] GetAndHead = ["GET", "HEAD"];
    private static readonly TimeSpan MovedPatience = TimeSpan.FromSeconds(2);

    // Long enough for a reader who tries the same URL again. The bytes may come for longer.
    private static readonly TimeSpan UrlLife = TimeSpan.FromMinutes(15);

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
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts,
        Func<HttpContext, ObjectKey, CacheView, GatewayParts, Task> forWriters)
    {
        var unknown = new UnknownNars(parts.Time);
        foreach (var (pattern, keyOf) in Kinds)
        {
            MapOne(app, pattern, parts, keyOf, unknown, Access.Read, forWriters);
            MapOne(app, "/c/{cache}" + pattern, parts, keyOf, unknown, Access.ReadOrPush, forWriters);
            MapOne(app, "/r/{cache}" + pattern, parts, keyOf, unknown, Access.Read, forWriters);
        }
    }

    private static void MapOne(IEndpointRouteBuilder app, string pattern, GatewayParts parts, Func<HttpRequest, string> keyOf,
        UnknownNars unknown, Access access, Func<HttpContext, ObjectKey, CacheView, GatewayParts, Task> forWriters) =>
        app.MapMethods(pattern, GetAndHead, http =>
        {
            if (CacheRequests.Find(http, parts) is not { } view)
                return ObjectAnswer.NotFoundAsync(http);
            // No NAR has a name of another form, so neither store nor database is asked.
            if (!ObjectKey.TryParse(keyOf(http.Request), out var key)
                || (IsNar(key) && !NarFileName.TryParse(key.ToString()[NarPrefix.Length..], out _)))
                return ObjectAnswer.NotFoundAsync(http);
            if (key == ObjectKey.NixCacheInfo)
                return ObjectAnswer.SendAsync(http, key, CacheInfos.NixCacheInfo(view.Priority));
            return access == Access.ReadOrPush && http.Credential().Allows(Access.Push) ? forWriters(http, key, view, parts)
                : SendAsync(http, key, view, parts, unknown);
        }).Needs(access);

    // Nix remembers a narinfo with the URL of its NAR for 30 days, and asks for no other when the NAR is gone. So a NAR is found under each
    // key that it ever had.
    private static async Task SendAsync(HttpContext http, ObjectKey key, CacheView view, GatewayParts parts, UnknownNars unknown)
    {
        if (await TrySendAsync(http, key, view.Store)
            || (IsNar(key) && !unknown.Contains(NameIn(view, key)) && await FindMovedAsync(http, key, view, parts, unknown) is { } moved
                && await TrySendAsync(http, moved, view.Store)))
            return;
        await ObjectAnswer.NotFoundAsync(http);
    }

    // A NAR's bytes come from the bucket where the server has a key for that. A URL is signed for one method, so HEAD is answered here.
    private static async Task<bool> TrySendAsync(HttpContext http, ObjectKey key, IObjectStore store)
    {
        if (!IsNar(key) || !HttpMethods.IsGet(http.Request.Method) || store.SignGet(key, UrlLife) is not { } url)
            return await ObjectAnswer.TrySendAsync(http, key, store);
        if (await store.HeadAsync(key, http.RequestAborted) is null)
            return false;
        http.Response.StatusCode = StatusCodes.Status307TemporaryRedirect;
        http.Response.Headers.Location = url.AbsoluteUri;
        // Whoever has the URL has the bytes.
        http.Response.Headers.CacheControl = "no-store";
        return true;
    }

    private static string NameIn(CacheView view, ObjectKey key) => $"{view.Name}/{key}";

    private static bool IsNar(ObjectKey key) => key.ToString().StartsWith(NarPrefix, StringComparison.Ordinal);

    // Null also when the database does not answer, as reads do without it.
    private static async Task<ObjectKey?> FindMovedAsync(HttpContext http, ObjectKey key, CacheView view, GatewayParts parts,
        UnknownNars unknown)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        limit.CancelAfter(MovedPatience);
        try
        {
            var moved = await parts.Contents.FindMovedNarAsync(view.Name, key, limit.Token);
            if (moved is null)
                unknown.Add(NameIn(view, key));
            return moved;
        }
        catch (Exception) when (!http.RequestAborted.IsCancellationRequested)
        {
            return null;
        }
    }
}
