using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>A single path, under <c>/v1/caches/{cache}/paths</c>.</summary>
internal static class PathRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts) =>
        app.MapGet("/v1/caches/{cache}/paths/{path}", async (string cache, string path, CancellationToken cancellationToken) =>
            new JsonAnswer<PathLife>(await parts.Paths.GetAsync(Cache(cache), PathHash(path), cancellationToken)))
            .Needs(Access.Gc).WithTags("paths").Answers<PathLife>(200, "A path: its state, what it needs, who needs it, and who brings it")
            .Fails(400, 404);
}
