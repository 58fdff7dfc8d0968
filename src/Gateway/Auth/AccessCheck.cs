using System.Text;
using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Gateway.Auth;

/// <summary>Lets a request through to its route when its credentials allow what the route asks for; 401 otherwise.</summary>
internal sealed class AccessCheck(RequestDelegate next, ICredentials credentials)
{
    public Task InvokeAsync(HttpContext http)
    {
        // Routing's own answers (405, 415) are not route endpoints and give nothing away.
        if (http.GetEndpoint() is not RouteEndpoint route)
            return next(http);
        if (route.Metadata.GetMetadata<AccessMetadata>() is not { } needed)
            throw new InvalidOperationException($"The route {route.RoutePattern.RawText} does not say what access it needs.");
        var secret = Secret(http.Request.Headers.Authorization.ToString());
        if (credentials.Allows(secret, needed.Access))
            return next(http);

        http.Response.Headers.WWWAuthenticate = "Basic realm=\"orleans-cache\", Bearer realm=\"orleans-cache\"";
        return Problems.WriteAsync(http, HttpProblem.Unauthorized, secret is null
            ? "This needs a token: send it as 'Authorization: Bearer <token>', or as the password of Basic authentication."
            : "The token is not one that this server accepts. Is it whole, and of this server?");
    }

    private static string? Secret(string header)
    {
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            return header["Bearer ".Length..].Trim();
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
            return null;
        var buffer = new byte[header.Length];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), buffer, out var length))
            return "";
        var pair = Encoding.UTF8.GetString(buffer, 0, length);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? "" : pair[(colon + 1)..];
    }
}
