using System.Globalization;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Http;

/// <summary>The routes of the garbage collector, of <c>why</c>, of <c>path</c> and of <c>fsck</c>.</summary>
internal sealed partial class Api
{
    public Task<GcRun> StartGcAsync(GcRequest request, string idempotencyKey, CancellationToken cancellationToken) =>
        SendAsync("starting the garbage collector", HttpMethod.Post, "/gc", Body(request, ProtocolJson.Default.GcRequest),
            ProtocolJson.Default.GcRun, cancellationToken, idempotencyKey);

    public Task<GcRun> GcRunAsync(long run, CancellationToken cancellationToken) =>
        SendAsync("asking for the run", HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"/gc/runs/{run}"), null,
            ProtocolJson.Default.GcRun, cancellationToken);

    public Task<GcStatus> GcStatusAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the garbage collector", HttpMethod.Get, "/gc", null, ProtocolJson.Default.GcStatus, cancellationToken);

    public Task<GcHistory> GcHistoryAsync(int limit, CancellationToken cancellationToken) =>
        SendAsync("asking for the runs", HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"/gc/runs?limit={limit}"), null,
            ProtocolJson.Default.GcHistory, cancellationToken);

    public Task<GcRun> CancelGcAsync(CancellationToken cancellationToken) =>
        SendAsync("cancelling the run", HttpMethod.Post, "/gc/cancel", null, ProtocolJson.Default.GcRun, cancellationToken);

    public Task<WhyAnswer> WhyAsync(StorePathHash path, CancellationToken cancellationToken) =>
        SendAsync("asking why", HttpMethod.Get, $"/why/{path}", null, ProtocolJson.Default.WhyAnswer, cancellationToken);

    public Task<PathLife> PathAsync(StorePathHash path, CancellationToken cancellationToken) =>
        SendAsync("asking for the path", HttpMethod.Get, $"/paths/{path}", null, ProtocolJson.Default.PathLife, cancellationToken);

    public Task<UpstreamReport> UpstreamsAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the upstreams", HttpMethod.Get, "/upstreams", null, ProtocolJson.Default.UpstreamReport, cancellationToken);

    /// <summary>Checks catalog and bucket. Null: the answer was cut off, and further findings are unknown.</summary>
    public async Task<FsckSummary?> FsckAsync(Action<FsckFinding> onFinding, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Opening the answer is tried again. The check itself is not, as its findings so far have been printed.
        using var response = await retry.RunAsync("fsck", async _ =>
        {
            var opened = await AuthorizedAsync(() => new HttpRequestMessage(HttpMethod.Get, _root + "/fsck"), timeout, Timeout,
                cancellationToken);
            if (opened.IsSuccessStatusCode)
                return opened;
            using (opened)
                throw Failure(opened, await opened.Content.ReadAsByteArrayAsync(timeout.Token));
        }, cancellationToken);
        try
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(timeout.Token));
            while (true)
            {
                // The server sends something, if only an empty line, every 15 seconds.
                timeout.CancelAfter(Timeout);
                if (await reader.ReadLineAsync(timeout.Token) is not { } line)
                    return null;
                if (line.Length == 0)
                    continue;
                if (line.StartsWith("""{"checked":""", StringComparison.Ordinal))
                    return JsonSerializer.Deserialize(line, ProtocolJson.Default.FsckSummary);
                onFinding(JsonSerializer.Deserialize(line, ProtocolJson.Default.FsckFinding)!);
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested
            && e is JsonException or IOException or HttpRequestException or OperationCanceledException)
        {
            return null;
        }
    }
}
