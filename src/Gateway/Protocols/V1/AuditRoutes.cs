using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>The audit log, under <c>/v1/caches/{cache}/audit</c>.</summary>
internal static class AuditRoutes
{
    private const int DefaultLimit = 100;

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts) =>
        app.MapGroup("/v1/caches/{cache}").WithTags("audit")
            .MapGet("/audit", async (string cache, string? since, string? until, string? by, string? action, string? limit, string? after,
                CancellationToken cancellationToken) =>
                new JsonAnswer<AuditPage>(await parts.Audit.ReadAsync(
                    Cache(cache), new AuditQuery(Time(nameof(since), since), Time(nameof(until), until), by, action, after,
                        Limit(limit, DefaultLimit, AuditQuery.MaxLimit)), cancellationToken)))
            .Needs(Access.Admin).Answers<AuditPage>(200, "Who did what, newest first").Fails(400, 404);

    private static DateTimeOffset? Time(string name, string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw new CacheProblemException(ProblemKind.BadRequest, $"{name} is '{text}': a time such as 2030-01-31T12:00:00Z is wanted.");
}
