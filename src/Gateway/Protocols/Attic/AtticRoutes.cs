using Microsoft.AspNetCore.Http.Features;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Limits;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using static OrleansCache.Gateway.Protocols.Attic.AtticRequests;

namespace OrleansCache.Gateway.Protocols.Attic;

/// <summary>
/// The protocol of attic's client (login, use, push, watch-store), unmodified, under <c>/_api/v1</c> for cache <c>default</c> and under
/// <c>/c/{cache}/_api/v1</c> for any. The client asks for the configuration of a cache first, which tells it where that cache's requests
/// go. So a credential is always checked in the cache that the URL names, and the body may name no other. <c>docs/attic.md</c> says what
/// differs from attic.
/// </summary>
internal static class AtticRoutes
{
    public const string Root = "/_api/v1";

    private static readonly string[] Changes = [HttpMethods.Post, HttpMethods.Patch, HttpMethods.Delete];

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        foreach (var prefix in (string[])["", "/c/{cache}"])
        {
            var api = app.MapGroup(prefix + Root);
            api.MapPost("/get-missing-paths", (RequestDelegate)(http => MissingAsync(http, parts))).Needs(Access.Push);
            api.MapPut("/upload-path", (RequestDelegate)(http => UploadAsync(http, parts))).Needs(Access.Push).IsUpload();
            var config = prefix.Length == 0 ? "/cache-config/{cache}" : "/cache-config/{name}";
            api.MapGet(config, (RequestDelegate)(http => ConfigAsync(http, parts))).Needs(Access.Open);
            api.MapMethods(config, Changes, (RequestDelegate)RefuseChange).Needs(Access.Admin);
        }
    }

    private static async Task MissingAsync(HttpContext http, GatewayParts parts)
    {
        var request = await ReadMissingAsync(http, parts.Limits.JsonBytes);
        var cache = CacheOf(http, request.Cache);
        var asked = request.StorePathHashes ?? throw Bad("store_path_hashes are missing: a list, which may be empty.");
        if (asked.Count > parts.Limits.Paths)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"{asked.Count} paths were asked about; at most {parts.Limits.Paths} are taken at once.");
        CacheInfos.Describe(parts, cache);
        var missing = await parts.AtticPushes.FindMissingAsync(cache, http.Credential().Caller, [.. asked.Select(HashOf)],
            http.RequestAborted);
        await AnswerAsync(http, new MissingPathsAnswer(missing.Select(h => h.ToString())), Wire.MissingPathsAnswer);
    }

    private static async Task UploadAsync(HttpContext http, GatewayParts parts)
    {
        http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        var info = await ReadInfoAsync(http);
        var cache = CacheOf(http, info.Cache);
        CacheInfos.Describe(parts, cache);
        var caller = http.Credential().Caller;
        var done = await parts.AtticPushes.UploadAsync(cache, caller, PathOf(info), http.Request.Body, parts.CommitPatience,
            http.RequestAborted);
        // Who may not read a private cache is not told what others have put there.
        var wasThere = done.WasStored || (done.Outcome is AtticOutcome.Present or AtticOutcome.Conflict && caller.ReadsOthers);
        await AnswerAsync(http, new UploadAnswer(wasThere ? "Deduplicated" : "Uploaded", done.FileSize), Wire.UploadAnswer);
    }

    private static Task ConfigAsync(HttpContext http, GatewayParts parts)
    {
        var cache = NamedCache(http);
        if (http.GetRouteValue("name") is string name && name != cache.ToString())
            throw Other(cache, name);
        var view = parts.ViewOf(cache);
        return AnswerAsync(http, new CacheConfig(
            view.Url.OriginalString,
            $"{parts.PublicUrl.AbsoluteUri.TrimEnd('/')}/c/{cache}/",
            string.Join(' ', view.PublicKeys),
            !view.IsPrivate,
            CacheInfos.StoreDir,
            view.Priority,
            // Live is closed: what the client left out would be missing here.
            [],
            "Global"), Wire.CacheConfig);
    }

    private static Task RefuseChange(HttpContext http) => throw Bad(
        $"Attic's commands do not configure the caches of this server. 'orleans-cache caches create|set|delete {http.GetRouteValue("name") ?? http.GetRouteValue("cache")}' does, and 'orleans-cache caches --help' tells how.");

    private static CacheName CacheOf(HttpContext http, string? named)
    {
        var cache = NamedCache(http);
        return named is null ? throw Bad("cache is missing: the name of the cache.") : named == cache.ToString() ? cache
            : throw Other(cache, named);
    }

    private static CacheName NamedCache(HttpContext http) => http.GetRouteValue("cache") is string name ? RouteHelpers.Cache(name)
        : CacheName.Default;

    private static CacheProblemException Other(CacheName cache, string named) => new(ProblemKind.UnknownCache,
        $"This URL is of cache '{cache}' and not of '{named}'. GET {Root}/cache-config/{named} tells the URL of that one (api_endpoint).");
}
