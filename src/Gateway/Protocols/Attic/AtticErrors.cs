using System.Text.Json;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Protocols.Attic;

/// <summary>Errors as attic's client shows them: <c>{"code","error","message"}</c>.</summary>
internal sealed class AtticErrors : IErrorForm
{
    /// <summary>Is this a path of attic's routes?</summary>
    public bool IsWantedBy(HttpRequest request)
    {
        var path = request.Path;
        if (path.StartsWithSegments("/c", StringComparison.Ordinal, out var rest) && rest.Value is { Length: > 1 } value
            && value.IndexOf('/', 1) is > 0 and var slash)
            path = value[slash..];
        return path.StartsWithSegments(AtticRoutes.Root, StringComparison.Ordinal);
    }

    public Task WriteAsync(HttpContext http, HttpProblem problem, string? detail)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new ErrorAnswer(problem.Status, NameOf(problem),
            (detail ?? problem.Title).ReplaceLineEndings(" ")), AtticRequests.Wire.ErrorAnswer);
        http.Response.StatusCode = problem.Status;
        http.Response.ContentType = "application/json";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask
            : http.Response.Body.WriteAsync(body, http.RequestAborted).AsTask();
    }

    // Attic's own names where it has one.
    private static string NameOf(HttpProblem problem) => problem.Name switch
    {
        "bad-request" => "RequestError",
        "forbidden" => "AccessError",
        "unknown-cache" => "NoSuchCache",
        "internal" => "InternalServerError",
        var name => string.Concat(name.Split('-').Select(word => char.ToUpperInvariant(word[0]) + word[1..])),
    };
}
