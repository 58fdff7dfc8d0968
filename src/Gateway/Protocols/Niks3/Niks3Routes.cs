using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// The protocol of niks3's clients (push, pins, gc, and the queue of its hook), unmodified, under <c>/api</c> for cache <c>default</c> and
/// under <c>/c/{cache}/api</c> for any. Thin over the same contracts as our own; <c>docs/niks3.md</c> says what differs from niks3.
/// </summary>
internal static class Niks3Routes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, CancellationToken stopping)
    {
        foreach (var prefix in (string[])["", "/c/{cache}"])
        {
            var root = app.MapGroup(prefix);
            var api = root.MapGroup("/api");
            PushRoutes.Map(api, parts, stopping);
            NarRoutes.Map(api, parts);
            ContentRoutes.Map(api, parts);
            ExtraRoutes.Map(api, parts);
            GcRoutes.Map(api, parts);
            PinRoutes.Map(api, parts);

            root.MapGet("/health", http =>
            {
                CacheInfos.Describe(parts, Cache(http));
                return http.Response.WriteAsync("OK\n", http.RequestAborted);
            }).Needs(Access.Open);

            api.MapGet("/cache-config", http =>
            {
                var info = CacheInfos.Describe(parts, Cache(http));
                var issuer = http.Request.Query["issuer"].ToString();
                return AnswerAsync(http, new CacheConfig(info.Substituter.OriginalString, info.PublicKeys,
                    parts.Identities?.AudienceOf(issuer.Length > 0 ? issuer : null), NarInfo.MaxNarSize, Pushes: true), Wire.CacheConfig);
            }).Needs(Access.Open);

            api.MapGet("/cache-stats", async http =>
            {
                var cache = Cache(http);
                CacheInfos.Describe(parts, cache);
                var numbers = await parts.ReadNumbers(cache, http.RequestAborted);
                http.Response.Headers.AccessControlAllowOrigin = "*";
                await AnswerAsync(http, new CacheStats(numbers is null ? 0 : numbers.Paths + numbers.Objects, numbers?.NarBytes ?? 0),
                    Wire.CacheStats);
            }).Needs(Access.Open);
        }
    }
}
