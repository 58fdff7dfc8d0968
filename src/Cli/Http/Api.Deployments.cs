using System.Net;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Http;

/// <summary>Deployments, and the pin as any reader finds it.</summary>
internal sealed partial class Api
{
    public Task<DeploymentList> DeploymentsAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the deployments", HttpMethod.Get, "/deployments", null, ProtocolJson.Default.DeploymentList,
            cancellationToken);

    public Task ReportAsync(PinName pin, MachineName machine, DeploymentReport report, CancellationToken cancellationToken)
    {
        var body = Body(report, ProtocolJson.Default.DeploymentReport);
        return retry.RunAsync("reporting the deployment", c => AttemptAsync<Pin>(HttpMethod.Put, $"/deployments/{pin}/{machine}",
            body.ToContent, null, null, c), cancellationToken);
    }

    /// <summary>The path of a pin, as <c>pins/&lt;name&gt;</c> says it to whoever may read.</summary>
    public Task<StorePath> PublicPinAsync(PinName pin, CancellationToken cancellationToken) =>
        retry.RunAsync("asking for the pin", async c =>
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(c);
            var url = $"{_server}/c/{Uri.EscapeDataString(cache)}/pins/{pin}";
            using var response = await AuthorizedAsync(() => new HttpRequestMessage(HttpMethod.Get, url), timeout, Timeout, c);
            var answer = await ReadAsync(response.Content, timeout.Token);
            if (response.StatusCode == HttpStatusCode.NotFound)
                throw new CacheException(response.StatusCode, null, $"There is no pin '{pin}' in cache '{cache}'.");
            if (!response.IsSuccessStatusCode)
                throw Failure(response, answer);
            return StorePath.TryParse(Encoding.UTF8.GetString(answer).Trim(), out var path) ? path
                : throw new CacheException(response.StatusCode, null, $"{url} does not say a store path.");
        }, cancellationToken);
}
