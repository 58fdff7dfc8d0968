using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Tokens, under <c>/v1/caches/{cache}/tokens</c>.</summary>
internal static class TokenRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        var tokens = parts.Tokens;
        var group = app.MapGroup("/v1/caches/{cache}/tokens").WithTags("tokens");

        group.MapPost("", async (string cache, JsonBody<CreateToken> body, HttpContext http) =>
                new JsonAnswer<CreatedToken>(await tokens.As(http.Credential().Caller)
                    .CreateAsync(Cache(cache), body.Value, http.RequestAborted), StatusCodes.Status201Created))
            .Needs(Access.Admin).Answers<CreatedToken>(201, "Make a token; its secret is told only here").Fails(400, 404, 409);

        group.MapGet("", async (string cache, string? revoked, CancellationToken cancellationToken) =>
                new JsonAnswer<TokenList>(await tokens.ListAsync(Cache(cache), Flag(nameof(revoked), revoked), cancellationToken)))
            .Needs(Access.Admin).Answers<TokenList>(200, "All tokens, by name").Fails(400, 404);

        group.MapDelete("/{token}", async (string cache, string token, HttpContext http) =>
            {
                await tokens.As(http.Credential().Caller).RevokeAsync(Cache(cache), Token(token), http.RequestAborted);
                return Results.NoContent();
            })
            .Needs(Access.Admin).WithSummary("Revoke a token, at once and for good").Produces(204).Fails(404);
    }

    private static long Token(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownToken,
            "This is not the id of a token: it is the number that the list of tokens tells.");
}
