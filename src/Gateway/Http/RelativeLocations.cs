namespace OrleansCache.Gateway.Http;

/// <summary>Makes Location headers relative: where a proxy strips a path, only the client knows the server's root.</summary>
internal sealed class RelativeLocations(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext http)
    {
        await next(http);
        if (http.Response is { HasStarted: false, StatusCode: >= 300 and < 400 } response && response.Headers.Location is [['/', ..] path])
            response.Headers.Location = From(http.Request, path);
    }

    /// <param name="request">The client's request.</param>
    /// <param name="path">A path from the server's root, with its slash.</param>
    /// <returns>The same path, relative to the request's.</returns>
    public static string From(HttpRequest request, string path) =>
        string.Concat(Enumerable.Repeat("../", Math.Max(0, request.Path.Value!.Count(c => c == '/') - 1))) is { Length: > 0 } up
            ? up + path[1..] : "." + path;
}
