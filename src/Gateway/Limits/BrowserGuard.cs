using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Limits;

/// <summary>
/// Keeps pages of other origins from using a browser's Basic login, which the browser sends with every request. A changing request from
/// another origin is refused before its credential is read; Nix, curl and clients send neither header. It also forbids browsers to guess
/// the type of an answer.
/// </summary>
internal sealed class BrowserGuard(RequestDelegate next, GatewayParts parts)
{
    public Task InvokeAsync(HttpContext http)
    {
        // Set at the last moment, as an error clears earlier headers.
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

    // The browser's own word on the relation of the two sites; where it gives none, the origins decide.
    private bool IsForeign(HttpRequest request) => request.Headers["Sec-Fetch-Site"].ToString() switch
    {
        "same-origin" or "none" => false,
        "" => request.Headers.Origin is { Count: > 0 } origin && !IsOurs(origin.ToString(), request.Host),
        _ => true,
    };

    // Behind a proxy that ends TLS our scheme says nothing, so it is not compared.
    private bool IsOurs(string origin, HostString host) => Uri.TryCreate(origin, UriKind.Absolute, out var url)
        && (string.Equals(url.Authority, host.Value, StringComparison.OrdinalIgnoreCase)
            || string.Equals(url.Authority, parts.PublicUrl.Authority, StringComparison.OrdinalIgnoreCase));
}
