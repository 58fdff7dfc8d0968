using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.Ncps;

/// <summary>
/// Pins in ncps's form: a pin has a path's hash and no other name. Ours is called <c>ncps-&lt;hash&gt;</c>, and <c>GET /pins</c> lists
/// those.
/// </summary>
internal static class NcpsRoutes
{
    private const string Prefix = "ncps-";
    private const int MaxNarInfo = 16 << 20;

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        foreach (var root in (string[])["", "/c/{cache}"])
        {
            app.MapPost(root + "/pin/{hash}.narinfo", (RequestDelegate)(http => PinAsync(http, parts))).Needs(Access.Pin);
            app.MapDelete(root + "/pin/{hash}.narinfo", (RequestDelegate)(http => UnpinAsync(http, parts))).Needs(Access.Pin);
            app.MapGet(root + "/pins", (RequestDelegate)(http => ListAsync(http, parts))).Needs(Access.Pin);
        }
    }

    private static async Task PinAsync(HttpContext http, GatewayParts parts)
    {
        var (cache, hash) = (Cache(http), Hash(http));
        if (hash is not { } path || await FindAsync(parts.ViewOf(cache).Store, path, http.RequestAborted) is not { } info)
        {
            await Problems.WriteAsync(http, HttpProblem.Of(ProblemKind.UnknownPath),
                $"There is no '{http.GetRouteValue("hash")}.narinfo' in this cache: push the path first.");
            return;
        }

        http.Credential().DemandPin(Name(path));
        try
        {
            await parts.Pins.As(http.Credential().Caller).SetAsync(cache, Name(path), new SetPin { Path = info.StorePath },
                PinCondition.None, OperationId.New(), parts.PinPatience, http.RequestAborted);
            http.Response.ContentLength = 0;
        }
        catch (CacheProblemException e) when (e.Kind == ProblemKind.PathNotInCache)
        {
            await Problems.WriteAsync(http, HttpProblem.Of(ProblemKind.UnknownPath), e.Message, e.Paths);
        }
    }

    private static async Task UnpinAsync(HttpContext http, GatewayParts parts)
    {
        var cache = Cache(http);
        try
        {
            if (Hash(http) is { } path)
            {
                http.Credential().DemandPin(Name(path));
                await parts.Pins.As(http.Credential().Caller).DeleteAsync(cache, Name(path), PinCondition.None, OperationId.New(),
                    parts.PinPatience, http.RequestAborted);
            }
        }
        catch (CacheProblemException e) when (e.Kind is ProblemKind.UnknownPin or ProblemKind.PinChanged)
        {
            // The pin is not there, which is what the client wanted.
        }

        http.Response.ContentLength = 0;
    }

    private static async Task ListAsync(HttpContext http, GatewayParts parts)
    {
        var pins = await parts.Pins.ListAsync(Cache(http), http.RequestAborted);
        var hashes = pins.Pins.Where(p => http.Credential().AllowsPin(p.Name)).Select(p => p.Name.ToString())
            .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).Select(n => n[Prefix.Length..]);
        http.Response.ContentType = "application/json";
        http.Response.Headers.CacheControl = "no-store";
        // Hashes need no escapes.
        await http.Response.WriteAsync($"[{string.Join(',', hashes.Select(h => $"\"{h}\""))}]", http.RequestAborted);
    }

    // The narinfo has the name of the path.
    private static async Task<NarInfo?> FindAsync(IObjectStore store, StorePathHash hash, CancellationToken cancellationToken)
    {
        await using var body = await store.GetAsync(ObjectKey.NarInfo(hash), null, cancellationToken);
        if (body is null || body.Length > MaxNarInfo)
            return null;
        using var reader = new StreamReader(body.Stream, Encoding.UTF8);
        return NarInfo.TryParse(await reader.ReadToEndAsync(cancellationToken), out var info, out _) ? info : null;
    }

    private static CacheName Cache(HttpContext http) => http.GetRouteValue("cache") is string name ? RouteHelpers.Cache(name)
        : CacheName.Default;

    private static StorePathHash? Hash(HttpContext http) => StorePathHash.TryParse((string)http.GetRouteValue("hash")!, out var hash)
        ? hash : null;

    private static PinName Name(StorePathHash hash) => PinName.Parse(Prefix + hash);
}
