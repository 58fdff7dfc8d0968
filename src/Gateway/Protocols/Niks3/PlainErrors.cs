using System.Text;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>Errors as niks3's clients show them: one line of text, with the statuses that these clients understand.</summary>
internal sealed class PlainErrors : IErrorForm
{
    /// <summary>Is this a path of niks3's routes?</summary>
    public bool IsWantedBy(HttpRequest request)
    {
        var path = request.Path;
        if (path.StartsWithSegments("/c", StringComparison.Ordinal, out var rest) && rest.Value is { Length: > 1 } value
            && value.IndexOf('/', 1) is > 0 and var slash)
            path = value[slash..];
        return path.StartsWithSegments("/api", StringComparison.Ordinal);
    }

    public Task WriteAsync(HttpContext http, HttpProblem problem, string? detail)
    {
        var body = Encoding.UTF8.GetBytes((detail ?? problem.Title).ReplaceLineEndings(" ") + "\n");
        http.Response.StatusCode = problem.Name switch
        {
            // These clients take each of them for an absent upload or closure, which is how they notice that a peer has finished it.
            "push-ended" or "path-not-in-cache" => StatusCodes.Status404NotFound,
            "closure-incomplete" => StatusCodes.Status400BadRequest,
            _ => problem.Status,
        };
        http.Response.ContentType = "text/plain; charset=utf-8";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask
            : http.Response.Body.WriteAsync(body, http.RequestAborted).AsTask();
    }
}
