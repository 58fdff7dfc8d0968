using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Single paths, under <c>/v1/caches/{cache}/paths</c>, and those that wait for others.</summary>
internal static class PathRoutes
{
    private const int DefaultPage = 100;
    private const int MaxPage = 1_000;

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        app.MapGet("/v1/caches/{cache}/paths/{path}", async (string cache, string path, CancellationToken cancellationToken) =>
            new JsonAnswer<PathLife>(await parts.Paths.GetAsync(Cache(cache), PathHash(path), cancellationToken)))
            .Needs(Access.Gc).WithTags("paths").Answers<PathLife>(200, "A path: its state, what it needs, who needs it, and who brings it")
            .Fails(400, 404);

        app.MapGet("/v1/caches/{cache}/waiting", async (string cache, string? limit, CancellationToken cancellationToken) =>
            new JsonAnswer<WaitingPathList>(await parts.AtticPushes.ListWaitingAsync(Cache(cache), Limit(limit, DefaultPage, MaxPage),
                cancellationToken)))
            .Needs(Access.Admin).WithTags("paths").Answers<WaitingPathList>(200, "Paths that were put before their references")
            .Fails(400, 404);

        app.MapGet("/v1/caches/{cache}/upstreams", async (string cache, string? limit, CancellationToken cancellationToken) =>
            new JsonAnswer<UpstreamReport>(await parts.Upstreams.ReportAsync(Cache(cache), Limit(limit, DefaultPage, MaxPage),
                cancellationToken)))
            .Needs(Access.Gc).WithTags("paths").Answers<UpstreamReport>(200, "The upstreams, and the paths that they have lost")
            .Fails(400, 404);

        app.MapGet("/v1/caches/{cache}/paths/{path}/boundaries", async (string cache, string path, string? limit,
            CancellationToken cancellationToken) =>
            new JsonAnswer<BoundaryList>(await parts.Upstreams.OfPathAsync(Cache(cache), PathHash(path), Limit(limit, DefaultPage, MaxPage),
                cancellationToken)))
            .Needs(Access.Gc).WithTags("paths").Answers<BoundaryList>(200, "What a path needs, and only an upstream has")
            .Fails(400, 404);
    }
}
