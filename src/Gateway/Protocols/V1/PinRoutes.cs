using System.Globalization;
using Microsoft.Net.Http.Headers;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Pins, under <c>/v1/caches/{cache}/pins</c>. A pin's ETag is its revision, so <c>If-Match</c> compares and sets.</summary>
internal static class PinRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        var pins = parts.Pins;
        var group = app.MapGroup("/v1/caches/{cache}/pins").WithTags("pins");

        group.MapGet("", async (string cache, HttpContext http) =>
            {
                var list = await pins.ListAsync(Cache(cache), http.RequestAborted);
                return new JsonAnswer<PinList>(list with { Pins = [.. list.Pins.Where(pin => http.Credential().AllowsPin(pin.Name))] });
            })
            .Needs(Access.Pin).Answers<PinList>(200, "The pins that the token is for, by name").Fails(404);

        group.MapGet("/{name}", async (string cache, string name, HttpContext http) =>
            {
                var pin = RouteHelpers.Pin(name);
                if (!http.Credential().AllowsDeployment(pin))
                    http.Credential().DemandPin(pin);
                return Answer(http, await pins.ShowAsync(Cache(cache), pin, http.RequestAborted));
            })
            .Needs(Access.PinOrDeploy).Answers<Pin>(200, "One pin with its history").Fails(400, 404);

        group.MapPut("/{name}", async (string cache, string name, JsonBody<SetPin> body, HttpContext http) =>
            {
                var set = await pins.As(http.Credential().Caller).SetAsync(Cache(cache), Name(name, http), body.Value,
                    Condition(http.Request), Operation(http.Request), parts.PinPatience, http.RequestAborted);
                return Answer(http, set.Pin, set.Made ? StatusCodes.Status201Created : StatusCodes.Status200OK);
            })
            .Needs(Access.Pin).Answers<Pin>(201, "Make or move a pin").Answers<Pin>(200).Fails(400, 404, 409, 412);

        group.MapPost("/{name}/rollback", async (string cache, string name, JsonBody<RollbackPin> body, HttpContext http) =>
                Answer(http, (await pins.As(http.Credential().Caller).RollbackAsync(Cache(cache), Name(name, http), body.Value,
                    Condition(http.Request), Operation(http.Request), parts.PinPatience, http.RequestAborted)).Pin))
            .Needs(Access.Pin).Answers<Pin>(200, "Move a pin back to the path of an earlier revision").Fails(400, 404, 409, 412);

        group.MapDelete("/{name}", async (string cache, string name, HttpContext http) =>
                await pins.As(http.Credential().Caller).DeleteAsync(Cache(cache), Name(name, http), Condition(http.Request),
                    Operation(http.Request), parts.PinPatience, http.RequestAborted)
                    ? Results.NoContent()
                    : Results.StatusCode(StatusCodes.Status202Accepted))
            .Needs(Access.Pin).WithSummary("Delete a pin").Produces(204).Produces(202).Fails(400, 404, 409, 412);
    }

    private static JsonAnswer<Pin> Answer(HttpContext http, Pin pin, int status = StatusCodes.Status200OK)
    {
        http.Response.Headers.ETag = string.Create(CultureInfo.InvariantCulture, $"\"{pin.Revision}\"");
        return new JsonAnswer<Pin>(pin, status);
    }

    /// <summary>The pin of the request; its credential must allow it.</summary>
    private static PinName Name(string text, HttpContext http)
    {
        var name = RouteHelpers.Pin(text);
        http.Credential().DemandPin(name);
        return name;
    }

    private static PinCondition Condition(HttpRequest request)
    {
        var (match, noneMatch) = (request.Headers.IfMatch.ToString(), request.Headers.IfNoneMatch.ToString());
        return (match, noneMatch) switch
        {
            ("", "") => PinCondition.None,
            ("", "*") => PinCondition.Absent,
            ("*", "") => PinCondition.Present,
            (_, "") when EntityTagHeaderValue.TryParse(match, out var tag) && !tag.IsWeak
                && long.TryParse(tag.Tag.AsSpan().Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
                    && revision > 0 => PinCondition.AtRevision(revision),
            _ => throw new CacheProblemException(ProblemKind.BadRequest,
                "A pin's condition is If-Match with its revision in quotes (\"3\") or *, or If-None-Match: *, and one of the two."),
        };
    }
}
