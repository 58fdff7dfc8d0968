using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>
/// Streams the findings of a check as lines of JSON, each as it is found, and a summary at the end; an answer without one was cut off. An
/// occasional empty line keeps proxies from closing a connection that seems idle.
/// </summary>
internal sealed class FsckStream(GatewayParts parts, CacheName cache, CancellationToken stopping) : IResult
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);
    private static readonly byte[] EndOfLine = [(byte)'\n'];

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(httpContext.RequestAborted, stopping);
        var tally = new FsckTally();
        await using var findings = parts.Fsck.CheckAsync(cache, tally, linked.Token).GetAsyncEnumerator(linked.Token);
        var response = httpContext.Response;
        response.ContentType = "application/x-ndjson";
        response.Headers.CacheControl = "no-store";
        // Proxies that know this header pass each line on at once.
        response.Headers["X-Accel-Buffering"] = "no";
        await response.StartAsync(linked.Token);

        long count = 0;
        while (true)
        {
            var next = findings.MoveNextAsync().AsTask();
            try
            {
                while (!await EndsWithinAsync(next))
                {
                    await response.Body.WriteAsync(EndOfLine, linked.Token);
                    await response.Body.FlushAsync(linked.Token);
                }
            }
            catch
            {
                // An enumerator must not be disposed of while MoveNextAsync runs.
                await linked.CancelAsync();
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }

            if (!await next)
                break;
            count++;
            await WriteLineAsync(response, findings.Current, linked.Token);
        }

        if (await CacheInfoAsync(linked.Token) is { } cacheInfo)
        {
            count++;
            await WriteLineAsync(response, cacheInfo, linked.Token);
        }

        await WriteLineAsync(response, new FsckSummary { Checked = tally.ToWire(), Findings = count }, linked.Token);
    }

    // The catalog knows nothing of nix-cache-info: each server writes it when it starts. index.html needs no check, as it is written again
    // within two minutes.
    private async Task<FsckFinding?> CacheInfoAsync(CancellationToken cancellationToken) =>
        await StoredObject.IsAsync(parts.ViewOf(cache).Store, ObjectKey.NixCacheInfo, CacheInfos.NixCacheInfo(parts.ViewOf(cache).Priority),
            cancellationToken) switch
        {
            null => new FsckFinding
            {
                Kind = FsckKind.MissingObject,
                Key = ObjectKey.NixCacheInfo.ToString(),
                Detail = "It is not in the bucket, and who reads from there needs it."
            },
            false => new FsckFinding
            {
                Kind = FsckKind.WrongCacheInfo,
                Key = ObjectKey.NixCacheInfo.ToString(),
                Detail = "It says something else than this server does."
            },
            true => null,
        };

    private async Task<bool> EndsWithinAsync(Task next)
    {
        try
        {
            await next.WaitAsync(KeepAlive, parts.Time);
            return true;
        }
        catch (TimeoutException) when (!next.IsCompleted)
        {
            return false;
        }
    }

    private static async Task WriteLineAsync<T>(HttpResponse response, T line, CancellationToken cancellationToken)
    {
        await response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(line, WireJson.Of<T>()), cancellationToken);
        await response.Body.WriteAsync(EndOfLine, cancellationToken);
        await response.Body.FlushAsync(cancellationToken);
    }
}
