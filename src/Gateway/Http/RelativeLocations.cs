namespace OrleansCache.Gateway.Http;

/// <summary>Locations are relative: below a path that a proxy strips, only the client knows where the server's root is.</summary>
internal sealed class RelativeLocations(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext http)
    {
        await next(http);
        if (http.Response is { HasStarted: false, StatusCode: >= 300 and < 400 } response && response.Headers.Location is [['/', ..] path])
            response.Headers.Location = From(http.Request, path);
    }

    /// <param name="request">What the client asked for.</param>
    /// <param name="path">From the server's root, with its slash.</param>
    /// <returns>The same, from where the client asked.</returns>
    public static string From(HttpRequest request, string path) =>
        string.Concat(Enumerable.Repeat("../", Math.Max(0, request.Path.Value!.Count(c => c == '/') - 1))) is { Length: > 0 } up
            ? up + path[1..] : "." + path;
}
