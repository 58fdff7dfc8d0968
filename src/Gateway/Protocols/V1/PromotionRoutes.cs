using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Operations;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>
/// Closures that a cache takes over from another, under <c>/v1/caches/{cache}/promotions</c>, and what its stages do not agree on, under
/// <c>/conflicts</c>.
/// </summary>
internal static class PromotionRoutes
{
    private const int DefaultPage = 100;

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, CancellationToken stopping)
    {
        app.MapPost("/v1/caches/{cache}/promotions", async (string cache, JsonBody<PromoteRequest> body, HttpContext http) =>
            {
                await http.OtherCaches().DemandReadAsync(Cache(body.Value.From), http.RequestAborted);
                return new PromotionStream(parts, Cache(cache), body.Value, Operation(http.Request), stopping);
            })
            .WithTags("promotions").WithMetadata(WaitsByDesign.Instance).Needs(Access.Promote)
            .Answers<Promotion>(200, "Take closures over from another cache: lines of JSON, the last one with what was done")
            .Fails(400, 404, 409, 413, 422);
        app.MapGet("/v1/caches/{cache}/conflicts", async (string cache, string? all, string? after, string? limit,
            CancellationToken cancellationToken) =>
                new JsonAnswer<ConflictList>(await parts.Promotions.ConflictsAsync(Cache(cache), after is null ? null : PathHash(after),
                    Flag(nameof(all), all), Limit(limit, DefaultPage, IPromotions.MaxConflicts), cancellationToken)))
            .WithTags("promotions").Needs(Access.Promote)
            .Answers<ConflictList>(200, "Paths of the cache's stages that do not go to it by themselves, and why").Fails(400, 404);
    }
}
