using System.Net;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Http;

/// <summary>Promotions into a cache.</summary>
internal sealed partial class Api
{
    private const string ProblemLine = "{\"type\":\"urn:";
    private const string ProgressLine = "{\"copied\":";

    /// <summary>Promotes; an answer that is cut off is asked for again, and the server goes on where it was.</summary>
    /// <param name="target">The cache that takes the closure over.</param>
    /// <param name="request">What, and where from.</param>
    /// <param name="tell">Is told how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public Task<Promotion> PromoteAsync(string target, PromoteRequest request, Action<PromotionProgress> tell,
        CancellationToken cancellationToken)
    {
        var key = NewKey();
        var body = Body(request, ProtocolJson.Default.PromoteRequest);
        return retry.RunAsync("promoting", async stop =>
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stop);
            using var response = await AuthorizedAsync(() => Request(HttpMethod.Post, UrlOf($"{ServerRoutes}caches/{target}/promotions"),
                body.ToContent, key, null), timeout, Timeout, stop);
            if (!response.IsSuccessStatusCode)
                throw Failure(response, await response.Content.ReadAsByteArrayAsync(timeout.Token));
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(timeout.Token));
            while (true)
            {
                // The server sends a line every few seconds.
                timeout.CancelAfter(Timeout);
                if (await reader.ReadLineAsync(timeout.Token) is not { } line)
                    throw new TransientException("the answer was cut off");
                if (line.StartsWith(ProgressLine, StringComparison.Ordinal))
                    tell(JsonSerializer.Deserialize(line, ProtocolJson.Default.PromotionProgress)!);
                else if (line.StartsWith(ProblemLine, StringComparison.Ordinal))
                    throw FailureOf(JsonSerializer.Deserialize(line, ProtocolJson.Default.Problem)!);
                else if (line.Length > 0)
                    return Ended(line);
            }
        }, cancellationToken);
    }

    /// <summary>Paths of the cache's stages that do not go to it by themselves, some at a time.</summary>
    /// <param name="after">The last path of the former answer; null: from the start.</param>
    public Task<ConflictList> ConflictsAsync(bool all, StorePathHash? after, CancellationToken cancellationToken) =>
        SendAsync("asking for conflicts", HttpMethod.Get, $"/conflicts?limit={IPromotions.MaxConflicts}{(all ? "&all=true" : "")}" +
            (after is { } path ? $"&after={path}" : ""), null, ProtocolJson.Default.ConflictList, cancellationToken);

    private Promotion Ended(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ProtocolJson.Default.Promotion)!;
        }
        catch (JsonException e)
        {
            throw new CliException(ExitCodes.Failed,
                $"{_server} answered something that is not this protocol ({e.Message}). Is it an orleans-cache server, at this path?", e);
        }
    }

    private static Exception FailureOf(Problem problem) => RetryPolicy.IsTransient((HttpStatusCode)problem.Status)
        ? new TransientException(problem.Detail ?? problem.Title, exitCode: ExitCodes.Failed)
        : new CacheException((HttpStatusCode)problem.Status, problem.Type, problem.Detail ?? problem.Title, problem.Paths);
}
