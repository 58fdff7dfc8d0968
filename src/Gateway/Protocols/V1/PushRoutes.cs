using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Operations;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>
/// Our own protocol, under <c>/v1/caches/{cache}</c>: JSON in and out, every error a problem document. <c>docs/api.md</c> describes it.
/// </summary>
internal static class PushRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, CancellationToken stopping)
    {
        var cacheRoute = app.MapGroup("/v1/caches/{cache}").WithTags("push");

        cacheRoute.MapGet("", (string cache) => new JsonAnswer<CacheInfo>(CacheInfos.Describe(parts, Cache(cache))))
            .Needs(Access.Open).Answers<CacheInfo>(200, "What the cache is; needs no token").Fails(404);

        cacheRoute.MapGet("/warnings", async (string cache, CancellationToken cancellationToken) =>
            {
                _ = CacheInfos.Describe(parts, Cache(cache));
                return new JsonAnswer<ServerWarnings>(new ServerWarnings
                {
                    Warnings = await parts.FindDoubts(cancellationToken),
                    Failures = await parts.Caches.FindExposureAsync(Cache(cache), cancellationToken) is { } exposure ? [exposure] : [],
                });
            })
            .Needs(Access.Push).Answers<ServerWarnings>(200, "What may lose or spoil pushes although it works").Fails(404);

        cacheRoute.MapPost("/pushes", async (string cache, JsonBody<BeginPush> body, HttpContext http) =>
            {
                if (body.Value.Pin is { } pin)
                    http.Credential().DemandPin(pin.Name);
                return new JsonAnswer<PushOpened>(await Of(http).BeginAsync(Cache(cache), body.Value, Operation(http.Request),
                    http.RequestAborted), StatusCodes.Status201Created);
            })
            .Needs(Access.Push).Answers<PushOpened>(201, "Open a push of a whole closure").Fails(400, 404, 409, 413, 422);

        cacheRoute.MapPost("/pushes/{push}/uploaded", async (string cache, string push, JsonBody<UploadReport> body, HttpContext http) =>
                new JsonAnswer<ReportAnswer>(await Of(http).ReportAsync(Cache(cache), Push(push), body.Value.Checked(),
                    http.RequestAborted)))
            .Needs(Access.Push).Answers<ReportAnswer>(200, "Report finished uploads, listings, logs and realisations")
                .Fails(400, 404, 410, 413);

        cacheRoute.MapPost("/pushes/{push}/wait", async (string cache, string push, JsonBody<WaitRequest> body, HttpContext http) =>
            {
                using var linked = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
                return new JsonAnswer<WaitAnswer>(await Of(http).WaitAsync(Cache(cache), Push(push), body.Value.Checked(parts.Limits.Paths),
                    linked.Token));
            })
            .WithMetadata(WaitsByDesign.Instance).Needs(Access.Push)
                .Answers<WaitAnswer>(200, "Wait for paths that another push is uploading").Fails(400, 404, 410, 413);

        cacheRoute.MapPost("/pushes/{push}/uploads/{upload}/urls",
            async (string cache, string push, string upload, JsonBody<UrlsRequest> body, HttpContext http) =>
                new JsonAnswer<UrlsAnswer>(await Of(http).UrlsAsync(Cache(cache), Push(push), upload, body.Value, http.RequestAborted)))
            .Needs(Access.Push).Answers<UrlsAnswer>(200, "Fresh upload URLs of a grant").Fails(400, 404, 410);

        cacheRoute.MapPost("/pushes/{push}/commit", async (string cache, string push, HttpContext http) =>
            {
                using var linked = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
                await http.Credential().DemandPinOfAsync(Of(http), Cache(cache), Push(push), linked.Token);
                var answer = await Of(http).CommitAsync(Cache(cache), Push(push), parts.CommitPatience, linked.Token);
                if (answer.State == PushState.Committed)
                    return new JsonAnswer<CommitAnswer>(answer);
                http.Response.Headers.RetryAfter = "1";
                return new JsonAnswer<CommitAnswer>(answer, StatusCodes.Status202Accepted);
            })
            .Needs(Access.Push).Answers<CommitAnswer>(200, "Publish the closure, all or nothing").Answers<CommitAnswer>(202)
                .Fails(404, 409, 410);

        cacheRoute.MapPost("/pushes/{push}/renew", async (string cache, string push, HttpContext http) =>
                new JsonAnswer<RenewAnswer>(await Of(http).RenewAsync(Cache(cache), Push(push), http.RequestAborted)))
            .Needs(Access.Push).Answers<RenewAnswer>(200, "Keep a push open").Fails(404, 410);

        cacheRoute.MapDelete("/pushes/{push}", async (string cache, string push, HttpContext http) =>
            {
                await Of(http).AbortAsync(Cache(cache), Push(push), http.RequestAborted);
                return Results.NoContent();
            })
            .Needs(Access.Push).WithSummary("End a push without publishing").Produces(204).Fails(404);

        cacheRoute.MapPost("/missing", async (string cache, JsonBody<MissingRequest> body, HttpContext http) =>
                new JsonAnswer<MissingAnswer>(await Of(http).MissingAsync(Cache(cache), body.Value, http.RequestAborted)))
            .Needs(Access.Push).Answers<MissingAnswer>(200, "Which of these paths are absent? Advice only").Fails(400, 404, 413);

        IPushes Of(HttpContext http) => parts.Pushes.As(http.Credential().Caller);
    }

    private static PushId Push(string text) => PushId.TryParse(text, out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownPush,
            $"'{text}' is not the id of a push: it is what opening a push answered.");
}
