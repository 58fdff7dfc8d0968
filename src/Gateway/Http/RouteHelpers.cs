using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>What the v1 routes share: reading parts of a request, and describing a route in the OpenAPI document.</summary>
internal static class RouteHelpers
{
    public static CacheName Cache(string text) => CacheName.TryParse(text, out var name)
        ? name
        : throw new CacheProblemException(ProblemKind.UnknownCache, $"'{text}' is not the name of a cache.");

    public static PinName Pin(string text) => PinName.TryParse(text, out var name)
        ? name
        : throw new CacheProblemException(ProblemKind.BadRequest, $"'{text}' is not the name of a pin: {PinName.Rule}.");

    /// <summary>A store path in a route: its hash, or its base name.</summary>
    public static StorePathHash PathHash(string text)
    {
        if (StorePathHash.TryParse(text, out var hash))
            return hash;
        return StorePath.TryParse(text, out var path)
            ? path.Hash
            : throw new CacheProblemException(ProblemKind.BadRequest, $"'{text}' is not a store path: its hash, or hash-name, is wanted.");
    }

    public static OperationId Operation(HttpRequest request)
    {
        if (!request.Headers.TryGetValue("Idempotency-Key", out var sent))
            return OperationId.New();
        return OperationId.TryParse(sent.ToString(), out var id)
            ? id
            : throw new CacheProblemException(ProblemKind.BadRequest,
                "The Idempotency-Key must be 1 to 128 printable ASCII characters without spaces.");
    }

    /// <summary>A query parameter that is true or false; false when absent.</summary>
    public static bool Flag(string name, string? text) => text switch
    {
        null or "false" => false,
        "true" => true,
        _ => throw new CacheProblemException(ProblemKind.BadRequest, $"{name} is true or false."),
    };

    /// <summary>How many a page has at most.</summary>
    public static int Limit(string? text, int otherwise, int max) => text is null ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit > 0 && limit <= max ? limit
        : throw new CacheProblemException(ProblemKind.BadRequest, $"limit is '{text}': a number from 1 to {max} is wanted.");

    public static RouteHandlerBuilder Answers<T>(this RouteHandlerBuilder route, int status, string? summary = null) =>
        (summary is null ? route : route.WithSummary(summary)).Produces<T>(status, "application/json");

    public static RouteHandlerBuilder Fails(this RouteHandlerBuilder route, params int[] statuses)
    {
        foreach (var status in (int[])[.. statuses, 401, 403, 503])
            route.Produces<Problem>(status, "application/problem+json");
        return route;
    }
}
