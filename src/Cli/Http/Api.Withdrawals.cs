using System.Globalization;
using System.Net;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Http;

/// <summary>The routes of withdrawals.</summary>
internal sealed partial class Api
{
    /// <summary>All pages.</summary>
    public async Task<List<PublishedPath>> PublishedAsync(string publisher, DateTimeOffset? since, CancellationToken cancellationToken)
    {
        var paths = new List<PublishedPath>();
        for (var after = ""; after is not null;)
        {
            var query = $"/paths?limit=1000&by={Uri.EscapeDataString(publisher)}"
                + (since is { } from ? $"&since={Uri.EscapeDataString(from.ToString("O", CultureInfo.InvariantCulture))}" : "")
                + (after.Length > 0 ? $"&after={after}" : "");
            var page = await SendAsync("asking who published what", HttpMethod.Get, query, null, ProtocolJson.Default.PublishedPaths,
                cancellationToken);
            paths.AddRange(page.Paths);
            after = page.Next;
        }

        return paths;
    }

    /// <summary>Asks again until the eviction is done; a dry run is answered at once.</summary>
    public async Task<Eviction> EvictAsync(EvictRequest request, Action<Eviction> onRunning, CancellationToken cancellationToken)
    {
        var key = NewKey();
        var body = Body(request, ProtocolJson.Default.EvictRequest);
        while (true)
        {
            var (answer, retryAfter, status) = await retry.RunAsync("evicting", c =>
                AttemptAsync(HttpMethod.Post, "/evictions", body.ToContent, ProtocolJson.Default.Eviction, key, c), cancellationToken);
            if (status != HttpStatusCode.Accepted)
                return answer!;
            onRunning(answer!);
            await retry.Delay(retryAfter ?? TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    public Task<BarList> BarsAsync(bool liftedToo, CancellationToken cancellationToken) =>
        SendAsync("asking for the bars", HttpMethod.Get, liftedToo ? "/bars?lifted=true" : "/bars", null, ProtocolJson.Default.BarList,
            cancellationToken);

    public Task LiftBarAsync(long id, CancellationToken cancellationToken) =>
        retry.RunAsync("lifting the bar", c => AttemptAsync<Bar>(HttpMethod.Delete,
            string.Create(CultureInfo.InvariantCulture, $"/bars/{id}"), null, null, null, c), cancellationToken);
}
