using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Limits;

/// <summary>
/// Keeps what a browser has for us (a Basic login, which it sends with every request) from pages of others: a request that would change
/// something and comes from another
/// origin is refused before anybody asks who sent it. Nix, curl and clients send neither header. And no answer is taken for another type
/// than it says.
/// </summary>
internal sealed class BrowserGuard(RequestDelegate next, GatewayParts parts)
{
    public Task InvokeAsync(HttpContext http)
    {
        // At the last moment: an error clears what was set before.
        http.Response.OnStarting(static state =>
        {
            ((HttpContext)state).Response.Headers.XContentTypeOptions = "nosniff";
            return Task.CompletedTask;
        }, http);
        return IsSafe(http.Request.Method) || !IsForeign(http.Request)
            ? next(http)
            : Problems.WriteAsync(http, HttpProblem.CrossSite,
                "A page of another site sent this. Changes are taken from clients and from this server's own pages only.");
    }

    private static bool IsSafe(string method) => HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method);

    // What a browser says of the relation of the two sites, where it says it; else the origins tell.
    private bool IsForeign(HttpRequest request) => request.Headers["Sec-Fetch-Site"].ToString() switch
    {
        "same-origin" or "none" => false,
        "" => request.Headers.Origin is { Count: > 0 } origin && !IsOurs(origin.ToString(), request.Host),
        _ => true,
    };

    // Behind a proxy that ends TLS the scheme is not ours to compare.
    private bool IsOurs(string origin, HostString host) => Uri.TryCreate(origin, UriKind.Absolute, out var url)
        && (string.Equals(url.Authority, host.Value, StringComparison.OrdinalIgnoreCase)
            || string.Equals(url.Authority, parts.PublicUrl.Authority, StringComparison.OrdinalIgnoreCase));
}
