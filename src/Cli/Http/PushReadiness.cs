using System.Net;

namespace OrleansCache.Cli.Http;

/// <summary>Asks the server whether pushes would succeed. A server too old for the question answers whether it serves at all.</summary>
internal static class PushReadiness
{
    /// <returns>What prevents pushes; null when nothing does, or when the URL gives no answer to that: a proxy may hide the
    /// route.</returns>
    public static async Task<string?> FindTroubleAsync(HttpMessageInvoker http, Uri server, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{server.AbsoluteUri.TrimEnd('/')}/readyz?for=push");
        using var response = await http.SendAsync(request, cancellationToken);
        if (response.StatusCode is not (HttpStatusCode.ServiceUnavailable or HttpStatusCode.InsufficientStorage))
            return null;
        return Api.ReadProblem(response, await response.Content.ReadAsByteArrayAsync(cancellationToken))?.Detail
            ?? $"the server is not ready ({Misdirected.Describe(response)})";
    }
}
