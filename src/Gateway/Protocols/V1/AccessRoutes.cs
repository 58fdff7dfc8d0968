using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Who a request is, what a token of an issuer would be let in for, and which publishers are refused.</summary>
internal static class AccessRoutes
{
    private static readonly string[] AnyCache = ["*"];

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        app.MapGet("/v1/login", () => new JsonAnswer<LoginInfo>(parts.Login)).WithTags("access").Needs(Access.Open)
            .Answers<LoginInfo>(200, "The issuers whose tokens are let in, and how a person logs in there");

        app.MapGet("/v1/whoami", (HttpContext http) => new JsonAnswer<WhoAmI>(Describe(http.Credential())))
            .WithTags("access").Needs(Access.Self).Answers<WhoAmI>(200, "Who this request is, and what it may do");

        app.MapPost("/v1/access/check", async (JsonBody<CheckAccess> body, CancellationToken cancellationToken) =>
                new JsonAnswer<AccessChecked>(await (parts.Identities ?? throw new CacheProblemException(ProblemKind.BadRequest,
                    "This server knows no issuer: start it with --access and a file of them."))
                    .CheckAsync(body.Value.Token.Trim(), cancellationToken)))
            .WithTags("access").Needs(Access.Operator).Answers<AccessChecked>(200, "Which rules a token of an issuer matches, and why not")
            .Fails(400);

        var subjects = parts.Subjects;
        var group = app.MapGroup("/v1/caches/{cache}/subjects/blocks").WithTags("access");

        group.MapPost("", async (string cache, JsonBody<BlockSubjects> body, HttpContext http) =>
                new JsonAnswer<Blocked>(await subjects.BlockAsync(Cache(cache), body.Value, http.Credential().Caller, http.RequestAborted)))
            .Needs(Access.Admin).Answers<Blocked>(200, "Refuse publishers from now on, and end their open pushes").Fails(400, 404);

        group.MapGet("", async (string cache, string? lifted, CancellationToken cancellationToken) =>
                new JsonAnswer<BlockList>(await subjects.ListAsync(Cache(cache), Flag(nameof(lifted), lifted), cancellationToken)))
            .Needs(Access.Admin).Answers<BlockList>(200, "Publishers who are refused").Fails(400, 404);

        group.MapDelete("/{block}", async (string cache, string block, HttpContext http) =>
            {
                await subjects.UnblockAsync(Cache(cache), Block(block), http.Credential().Caller, http.RequestAborted);
                return Results.NoContent();
            })
            .Needs(Access.Admin).WithSummary("Let them in again").Produces(204).Fails(404);
    }

    private static WhoAmI Describe(Credential who)
    {
        IReadOnlyList<Permit> permits = who.Permits
            ?? (who.Scopes == Scopes.None ? [] : [new Permit(AnyCache, who.Scopes, who.Pins)]);
        return new WhoAmI
        {
            Subject = who.Id,
            Kind = who.Id.Split(':')[0],
            Caches = [.. permits.Select(p => new AllowedCaches
            {
                Caches = p.Caches,
                Scopes = p.Scopes.ToList(),
                Pins = p.Pins,
                Rank = new Credential(who.Id, p.Scopes).Caller.Rank,
                Rule = p.Rule,
                Group = p.Group,
            })],
            Rules = who.Rules,
            Expires = who.Expires,
            Group = who.Caller.Group,
        };
    }

    private static long Block(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownBlock,
            "This is not the id of a block: it is the number that the list of blocks tells.");
}
