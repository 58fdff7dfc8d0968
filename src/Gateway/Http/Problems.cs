using System.Text.Json;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>Makes every error an RFC 9457 problem document: what was wrong and what to do, never the inside of the server.</summary>
internal sealed partial class Problems(RequestDelegate next, ILogger<Problems> logger)
{
    private const string RetryAfterSeconds = "2";

    public async Task InvokeAsync(HttpContext http)
    {
        try
        {
            await next(http);
            if (http.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null })
            {
                var problem = HttpProblem.OfStatus(http.Response.StatusCode);
                await WriteAsync(http, problem, Advice(http, problem));
            }
        }
        catch (Exception e)
        {
            await AnswerAsync(http, e);
        }
    }

    /// <summary>Answers with a problem, unless an answer has begun.</summary>
    public static Task WriteAsync(HttpContext http, HttpProblem problem, string? detail, IReadOnlyList<StorePathHash>? paths = null,
        string cacheControl = "no-store")
    {
        var response = http.Response;
        if (http.RequestServices.GetServices<IErrorForm>().FirstOrDefault(f => f.IsWantedBy(http.Request)) is { } form)
        {
            if (problem.Status == 503)
                response.Headers.RetryAfter = RetryAfterSeconds;
            return form.WriteAsync(http, problem, detail);
        }

        response.StatusCode = problem.Status;
        response.ContentType = "application/problem+json";
        response.Headers.Remove("ETag");
        response.Headers.Remove("Last-Modified");
        response.Headers.Remove("Content-Encoding");
        response.Headers.CacheControl = cacheControl;
        if (problem.Status == 503)
            response.Headers.RetryAfter = RetryAfterSeconds;
        var body = JsonSerializer.SerializeToUtf8Bytes(problem.ToDocument(detail, paths), WireJson.Of<Problem>());
        response.ContentLength = body.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(body, http.RequestAborted).AsTask();
    }

    private async Task AnswerAsync(HttpContext http, Exception e)
    {
        if (http.RequestAborted.IsCancellationRequested)
            return;
        if (http.Response.HasStarted)
        {
            // The status is sent: only a cut connection can still tell the client.
            LogCut(http.Request.Method, http.Request.Path, e);
            http.Abort();
            return;
        }

        http.Response.Clear();
        switch (e)
        {
            case CacheProblemException problem:
                if (problem.IsOutage)
                    LogTold(LogLevel.Warning, http.Request.Method, http.Request.Path, e.Message, e.InnerException);
                await WriteAsync(http, HttpProblem.Of(problem.Kind), problem.Message, problem.Paths);
                break;
            case ObjectStoreException full when FullDisk.Is(full):
                LogFull(http.Request.Method, http.Request.Path, full.Message);
                await WriteAsync(http, HttpProblem.DiskFull, FullDisk.Sentence);
                break;
            case BadHttpRequestException bad:
                var kind = HttpProblem.OfStatus(bad.StatusCode);
                await WriteAsync(http, kind, bad.StatusCode == 400 ? bad.Message : Advice(http, kind));
                break;
            case ObjectStoreException store:
                LogTold(store.Answer is { IsRefusal: true } ? LogLevel.Error : LogLevel.Warning, http.Request.Method, http.Request.Path,
                    e.Message, e);
                await WriteAsync(http, HttpProblem.Unavailable, store.Told);
                break;
            case NpgsqlException or TimeoutException:
                LogUnavailable(http.Request.Method, http.Request.Path, e);
                await WriteAsync(http, HttpProblem.Unavailable,
                    "The database or the store did not answer in time. Send the same request again.");
                break;
            case OperationCanceledException:
                await WriteAsync(http, HttpProblem.Unavailable,
                    "The server is stopping. Send the same request again; another one, or the next, answers it.");
                break;
            default:
                LogFault(http.TraceIdentifier, http.Request.Method, http.Request.Path, e);
                await WriteAsync(http, HttpProblem.Internal,
                    $"This is not your fault. The server's log tells more under {http.TraceIdentifier}.");
                break;
        }
    }

    private static string? Advice(HttpContext http, HttpProblem problem) => problem.Status switch
    {
        404 => $"There is no '{http.Request.Path}' on this server.",
        405 when HttpMethods.IsPut(http.Request.Method) && http.Request.Path.StartsWithSegments("/r", out var read) =>
            $"This URL is for reading. To write, use /c in the place of /r: nix copy --to http://…/c/{read.Value!.Split('/')[1]}.",
        // Nix was told to write below the URL that it reads from.
        405 when HttpMethods.IsPut(http.Request.Method) && http.Response.Headers.Allow == "GET, HEAD"
            && !http.Request.Path.StartsWithSegments("/v1") && !http.Request.Path.StartsWithSegments("/c") =>
            "This URL is for reading. To write, append /c/default: nix copy --to http://…/c/default; orleans-cache push takes the URL as it is.",
        405 => $"'{http.Request.Path}' takes {http.Response.Headers.Allow}.",
        413 => "Split the request, or upload in smaller pieces.",
        415 => "Send JSON, with 'Content-Type: application/json'.",
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path}: {Why}")]
    private partial void LogFull(string method, PathString path, string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Trace}: {Method} {Path} failed")]
    private partial void LogFault(string trace, string method, PathString path, Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} {Path}: the database or the store did not answer")]
    private partial void LogUnavailable(string method, PathString path, Exception e);

    // Error: somebody has to act. Warning: the store will soon succeed by itself.
    [LoggerMessage(Message = "{Method} {Path}: {Why}")]
    private partial void LogTold(LogLevel level, string method, PathString path, string why, Exception? e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} {Path}: cut off in the middle of the answer")]
    private partial void LogCut(string method, PathString path, Exception e);
}
