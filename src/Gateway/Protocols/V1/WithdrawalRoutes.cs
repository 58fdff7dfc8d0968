using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Withdrawals, under <c>/v1/caches/{cache}</c>: the paths of a publisher, evictions, and the bars that they leave.</summary>
internal static class WithdrawalRoutes
{
    private const int DefaultPage = 100;

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, CancellationToken stopping)
    {
        var withdrawals = parts.Withdrawals;
        var group = app.MapGroup("/v1/caches/{cache}").WithTags("withdrawals");

        group.MapGet("/paths", async (string cache, string? by, string? since, string? after, string? limit,
            CancellationToken cancellationToken) =>
                new JsonAnswer<PublishedPaths>(await withdrawals.ListPathsAsync(Cache(cache), By(by), Since(since), after,
                    Limit(limit), cancellationToken)))
            .Needs(Access.Admin).Answers<PublishedPaths>(200, "What a publisher has published").Fails(400, 404);

        group.MapPost("/evictions", async (string cache, JsonBody<EvictRequest> body, HttpContext http) =>
            {
                using var linked = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
                var eviction = await withdrawals.EvictAsync(Cache(cache), body.Value, http.Credential().Caller, Operation(http.Request),
                    parts.CommitPatience, linked.Token);
                if (eviction.State != EvictionState.Running)
                    return new JsonAnswer<Eviction>(eviction);
                http.Response.Headers.RetryAfter = "1";
                return new JsonAnswer<Eviction>(eviction, StatusCodes.Status202Accepted);
            })
            .Needs(Access.Admin).Answers<Eviction>(200, "Take paths back, with all that refers to them; or tell what would go")
                .Answers<Eviction>(202).Fails(400, 404, 409);

        group.MapGet("/bars", async (string cache, string? lifted, CancellationToken cancellationToken) =>
                new JsonAnswer<BarList>(await withdrawals.ListBarsAsync(Cache(cache), Flag(nameof(lifted), lifted), cancellationToken)))
            .Needs(Access.Admin).Answers<BarList>(200, "Content that may not come back").Fails(400, 404);

        group.MapDelete("/bars/{bar}", async (string cache, string bar, HttpContext http) =>
            {
                await withdrawals.LiftAsync(Cache(cache), Bar(bar), http.Credential().Caller, http.RequestAborted);
                return Results.NoContent();
            })
            .Needs(Access.Admin).WithSummary("Lift a bar: the content may come back").Produces(204).Fails(404);
    }

    private static string By(string? text) => text is { Length: > 0 }
        ? text
        : throw new CacheProblemException(ProblemKind.BadRequest, "by is missing: the publisher, such as token:7.");

    private static DateTimeOffset? Since(string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var since) ? since
        : throw new CacheProblemException(ProblemKind.BadRequest, $"since is '{text}': a time such as 2026-05-01T12:00:00Z is wanted.");

    private static int Limit(string? text) => text is null ? DefaultPage
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit
        : throw new CacheProblemException(ProblemKind.BadRequest, $"limit is '{text}': a number is wanted.");

    private static long Bar(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownBar,
            "This is not the id of a bar: it is the number that the list of bars tells.");
}
