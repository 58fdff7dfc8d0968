using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Schedule;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>The garbage collector, the question why a path is kept, and fsck, under <c>/v1/caches/{cache}</c>.</summary>
internal static class GcRoutes
{
    private const int MaxHistory = 100;
    private const int DefaultHistory = 20;

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, CancellationToken stopping)
    {
        var collection = parts.Collection;
        var cacheRoute = app.MapGroup("/v1/caches/{cache}").WithTags("gc");

        cacheRoute.MapPost("/gc", async (string cache, JsonBody<GcRequest> body, HttpContext http) =>
            {
                var run = await collection.StartAsync(Cache(cache), http.Credential().Caller, body.Value,
                    NotScheduled(Operation(http.Request)), http.RequestAborted);
                http.Response.Headers.Location = RelativeLocations.From(http.Request,
                    $"/v1/caches/{cache}/gc/runs/{run.Id.ToString(CultureInfo.InvariantCulture)}");
                return new JsonAnswer<GcRun>(run, StatusCodes.Status202Accepted);
            })
            .Needs(Access.Gc).Answers<GcRun>(202, "Start a run of the garbage collector").Fails(400, 404, 409);

        cacheRoute.MapGet("/gc", async (string cache, CancellationToken cancellationToken) =>
            new JsonAnswer<GcStatus>(await collection.StatusAsync(Cache(cache), cancellationToken)))
            .Needs(Access.Gc).Answers<GcStatus>(200, "What the garbage collector does, and when it will run").Fails(404);

        cacheRoute.MapGet("/gc/runs", async (string cache, string? limit, CancellationToken cancellationToken) =>
                new JsonAnswer<GcHistory>(await collection.HistoryAsync(Cache(cache),
                    Limit(limit, DefaultHistory, MaxHistory), cancellationToken)))
            .Needs(Access.Gc).Answers<GcHistory>(200, "Runs, newest first").Fails(400, 404);

        cacheRoute.MapGet("/gc/runs/{run}", async (string cache, string run, CancellationToken cancellationToken) =>
            new JsonAnswer<GcRun>(await collection.RunAsync(Cache(cache), Run(run), cancellationToken)))
            .Needs(Access.Gc).Answers<GcRun>(200, "A run as it is now").Fails(404);

        cacheRoute.MapPost("/gc/cancel", async (string cache, CancellationToken cancellationToken) => new JsonAnswer<GcRun>(
                await collection.CancelAsync(Cache(cache), cancellationToken) ?? throw new CacheProblemException(ProblemKind.UnknownGcRun,
                    "No run is under way: there is nothing to cancel.")))
            .Needs(Access.Gc).Answers<GcRun>(200, "Ask the run under way to stop").Fails(404);

        cacheRoute.MapGet("/why/{path}", async (string cache, string path, CancellationToken cancellationToken) =>
            new JsonAnswer<WhyAnswer>(await collection.WhyAsync(Cache(cache), PathHash(path), cancellationToken)))
            .Needs(Access.Gc).Answers<WhyAnswer>(200, "What keeps a path, or since when it is condemned").Fails(400, 404);

        cacheRoute.MapGet("/fsck", (string cache) => new FsckStream(parts, Cache(cache), stopping))
            .Needs(Access.Admin).WithSummary("Compare catalog and bucket: a line of JSON for each FsckFinding, the FsckSummary at the end")
            .Produces<FsckFinding>(200, "application/x-ndjson").Fails(404);
    }

    // The schedule's operations are reserved: a client that sent the next one could start its run early, or keep it from starting.
    private static OperationId NotScheduled(OperationId operation) => GcSchedule.IsScheduled(operation)
        ? throw new CacheProblemException(ProblemKind.BadRequest,
            $"An Idempotency-Key that begins with '{GcSchedule.Prefix}' belongs to the server's schedule: send another.")
        : operation;

    private static long Run(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownGcRun,
            $"'{text}' is not the id of a run: it is the number that starting one answered.");
}
