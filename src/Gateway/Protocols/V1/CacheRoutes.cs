using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Caches, their settings and their keys, under <c>/v1/caches</c>.</summary>
internal static class CacheRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        var caches = parts.Caches;
        var all = app.MapGroup("/v1/caches").WithTags("caches");

        all.MapGet("", async (CancellationToken cancellationToken) => new JsonAnswer<CacheList>(await caches.ListAsync(cancellationToken)))
            .Needs(Access.Operator).Answers<CacheList>(200, "All caches, by name");

        all.MapPost("", async (JsonBody<CreateCache> body, HttpContext http) =>
                new JsonAnswer<CacheDescription>(await caches.CreateAsync(CacheOf(body.Value.Name), body.Value.Settings ?? [],
                    http.Credential().Caller, http.RequestAborted), StatusCodes.Status201Created))
            .Needs(Access.Operator).Answers<CacheDescription>(201, "Make a cache, with a key of its own").Fails(400, 409);

        all.MapDelete("/{cache}", async (string cache, string? force, HttpContext http) =>
            {
                await caches.DeleteAsync(Cache(cache), Flag(nameof(force), force), http.Credential().Caller, http.RequestAborted);
                return Results.StatusCode(StatusCodes.Status202Accepted);
            })
            .Needs(Access.Operator).WithSummary("End a cache; what it has is deleted in the background").Produces(202).Fails(400, 404, 409);

        var settings = all.MapGroup("/{cache}/settings");

        settings.MapGet("", async (string cache, CancellationToken cancellationToken) =>
                new JsonAnswer<CacheDescription>(await caches.ShowAsync(Cache(cache), cancellationToken)))
            .Needs(Access.Admin).Answers<CacheDescription>(200, "A cache with its settings").Fails(404);

        settings.MapPatch("", async (string cache, JsonBody<System.Text.Json.Nodes.JsonObject> body, HttpContext http) =>
                new JsonAnswer<CacheDescription>(await caches.SetAsync(Cache(cache), body.Value,
                    http.Credential().Allows(Access.Operator), http.Credential().Caller, http.RequestAborted)))
            .Needs(Access.Admin).Answers<CacheDescription>(200, "Change settings: null takes one away, what is absent stays")
            .Fails(400, 404, 409);

        var keys = all.MapGroup("/{cache}/keys");

        keys.MapGet("", async (string cache, CancellationToken cancellationToken) =>
                new JsonAnswer<KeyList>(await caches.ListKeysAsync(Cache(cache), cancellationToken)))
            .Needs(Access.Admin).Answers<KeyList>(200, "The keys that sign the cache's paths, or have").Fails(404);

        keys.MapPost("", async (string cache, JsonBody<AddKey> body, HttpContext http) =>
                new JsonAnswer<KeyList>(await caches.AddKeyAsync(Cache(cache), body.Value, http.Credential().Caller, http.RequestAborted),
                    StatusCodes.Status201Created))
            .Needs(Access.Admin).Answers<KeyList>(201, "Add a key, which signs what is there, too").Fails(400, 404, 409);

        keys.MapPut("/{key}", async (string cache, string key, JsonBody<SetKey> body, HttpContext http) =>
                new JsonAnswer<KeyList>(await caches.SetKeyAsync(Cache(cache), key, body.Value, http.Credential().Caller,
                    http.RequestAborted)))
            .Needs(Access.Admin).Answers<KeyList>(200, "Change the state of a key").Fails(400, 404, 409);
    }

    private static CacheName CacheOf(string text) => CacheName.TryParse(text, out var name) ? name
        : throw new CacheProblemException(ProblemKind.BadRequest,
            $"'{text}' is not the name of a cache: 1 to 63 characters of a-z, 0-9 and '-' are wanted, and no '-' at the beginning.");
}
