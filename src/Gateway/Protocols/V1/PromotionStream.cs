using System.Text.Json;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>
/// Streams a promotion as lines of JSON: how far it is, every few seconds, and at the end what was done, or a problem document. An answer
/// with neither was cut off. What fails at once is an ordinary error. With the request the promotion ends.
/// </summary>
internal sealed class PromotionStream(GatewayParts parts, CacheName target, PromoteRequest request, OperationId operation,
    CancellationToken stopping) : IResult
{
    // Also the time within which an answer is an ordinary one.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);
    private static readonly byte[] EndOfLine = [(byte)'\n'];

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(httpContext.RequestAborted, stopping);
        var progress = new PromotionProgress { Copied = 0, Of = 0, Bytes = 0 };
        var promoting = parts.Promotions.PromoteAsync(target, request, httpContext.Credential().Caller, operation,
            p => Volatile.Write(ref progress, p), linked.Token);
        try
        {
            if (await EndsWithinAsync(promoting))
                await promoting;
            var response = httpContext.Response;
            response.ContentType = "application/x-ndjson";
            response.Headers.CacheControl = "no-store";
            // Proxies that know this header pass each line on at once.
            response.Headers["X-Accel-Buffering"] = "no";
            await response.StartAsync(linked.Token);
            while (!promoting.IsCompleted)
            {
                await WriteLineAsync(response, Volatile.Read(ref progress), linked.Token);
                await EndsWithinAsync(promoting);
            }

            await WriteEndAsync(response, promoting, httpContext.RequestAborted);
        }
        catch
        {
            await linked.CancelAsync();
            await ((Task)promoting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private static async Task WriteEndAsync(HttpResponse response, Task<Promotion> promoting, CancellationToken aborted)
    {
        try
        {
            await WriteLineAsync(response, await promoting, aborted);
        }
        catch (Exception e) when (!aborted.IsCancellationRequested && ProblemOf(e) is { } problem)
        {
            await WriteLineAsync(response, problem, aborted);
        }
    }

    // Null: a fault, whose answer is cut off.
    private static Problem? ProblemOf(Exception e) => e switch
    {
        CacheProblemException problem => HttpProblem.Of(problem.Kind).ToDocument(problem.Message, problem.Paths),
        ObjectStoreException full when FullDisk.Is(full) => HttpProblem.DiskFull.ToDocument(FullDisk.Sentence),
        ObjectStoreException store => HttpProblem.Unavailable.ToDocument(store.Told),
        NpgsqlException or TimeoutException => HttpProblem.Unavailable.ToDocument(
            "The database or the store did not answer in time. Send the same request again."),
        OperationCanceledException => HttpProblem.Unavailable.ToDocument(
            "The server is stopping. Send the same request again; another one, or the next, goes on with it."),
        _ => null,
    };

    private async Task<bool> EndsWithinAsync(Task task)
    {
        try
        {
            await task.WaitAsync(Interval, parts.Time);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            return false;
        }
        catch (Exception) when (task.IsCompleted)
        {
            // Whoever awaits it is told.
        }

        return true;
    }

    private static async Task WriteLineAsync<T>(HttpResponse response, T line, CancellationToken cancellationToken)
    {
        await response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(line, WireJson.Of<T>()), cancellationToken);
        await response.Body.WriteAsync(EndOfLine, cancellationToken);
        await response.Body.FlushAsync(cancellationToken);
    }
}
