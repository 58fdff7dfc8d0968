using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Reads;

/// <summary>
/// Takes a request under a host name of a cache's own for one below <c>/c/{cache}</c>, before routing. Our own protocol names its cache
/// itself, and what is the server's stays the server's.
/// </summary>
internal sealed class CacheHosts(RequestDelegate next, GatewayParts parts)
{
    private static readonly string[] OfServer = ["/v1", "/c", "/r", "/upload", "/livez", "/readyz", "/metrics", "/openapi", "/dashboard"];

    public Task InvokeAsync(HttpContext http)
    {
        var request = http.Request;
        if (request.Host.Value is { Length: > 0 } host && parts.FindHost(host) is { } cache
            && !Array.Exists(OfServer, first => request.Path.StartsWithSegments(first, StringComparison.Ordinal)))
            request.Path = new PathString($"/c/{cache}{request.Path}");
        return next(http);
    }
}
