using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Security.Authentication;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>Says of each request without an answer which host failed (server, store or a proxy between) and what to change.</summary>
internal sealed class HostNaming(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private readonly ConcurrentDictionary<string, bool> _answered = new(StringComparer.Ordinal);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var url = request.RequestUri!;
        try
        {
            var answer = await base.SendAsync(request, cancellationToken);
            _answered.TryAdd(url.Authority, true);
            return answer;
        }
        catch (HttpRequestException e)
        {
            throw Explain(url, e);
        }
        catch (SocketException e)
        {
            // A connection that is reset while it is made: the HTTP client passes that error on unchanged.
            throw NoConnection(url, e.Message, e);
        }
    }

    private Exception Explain(Uri url, HttpRequestException e) => e.HttpRequestError switch
    {
        HttpRequestError.SecureConnectionError => Tls(url, e),
        HttpRequestError.ConnectionError => NoConnection(url, e.InnerException?.Message ?? e.Message, e),
        HttpRequestError.NameResolutionError => NoConnection(url, "its name is not known", e),
        HttpRequestError.ProxyTunnelError => Tunnel(url, e),
        HttpRequestError.ResponseEnded => new TransientException($"{Host(url)} closed the connection before the answer{Doubt(url)}",
            null, e),
        HttpRequestError.InvalidResponse =>
            new TransientException($"{Host(url)} does not answer in HTTP ({e.Message}){Doubt(url)}", null, e),
        _ => new TransientException(
            $"{Host(url)}: {(e.InnerException is IOException io ? $"{e.Message} ({io.Message}){Doubt(url)}" : e.Message)}", null, e),
    };

    // A port of TLS closes the connection of who does not speak it. One that has answered speaks HTTP.
    private string Doubt(Uri url) => url.Scheme == Uri.UriSchemeHttp && !_answered.ContainsKey(url.Authority) ? "; is https:// meant?" : "";

    private static TransientException NoConnection(Uri url, string why, Exception e) => Proxies.Between(url) is { } proxy
        ? new TransientException($"no connection to the proxy {proxy} ({why}); with no_proxy={url.Host} {Host(url)} is reached without it",
            null, e)
        : new TransientException($"no connection to {Host(url)} ({why})", null, e);

    private static Exception Tunnel(Uri url, HttpRequestException e)
    {
        var message =
            $"the proxy {Proxies.Between(url)} does not connect to " +
            $"{Host(url)}{(e.StatusCode is { } status ? $" (HTTP {(int)status})" : "")}: allow it there, or go without the proxy with " +
            $"no_proxy={url.Host}";
        // The host could not answer, or refused to.
        return e.StatusCode is null || RetryPolicy.IsTransient(e.StatusCode.Value) ? new TransientException(message, null, e)
            : Final(message, e);
    }

    private static Exception Tls(Uri url, HttpRequestException e)
    {
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is CertificateException)
                return Final($"{Host(url)} is not the server that its URL names, or cannot prove it: {cause.Message}.", e);
            if (cause is IOException)
                return new TransientException(
                    $"{Host(url)} closed the connection instead of speaking TLS; is http:// meant, or another port?", null, e);
        }

        var last = e.GetBaseException();
        return Final(last is AuthenticationException && last.Message.Contains("frame", StringComparison.Ordinal)
            ? $"{Host(url)} does not speak TLS: is http:// meant, or another port?"
            : $"TLS with {Host(url)} failed: {last.Message}", e);
    }

    private static CliException Final(string message, Exception e) => new(ExitCodes.Unreachable, message, e) { IsComplete = true };

    private static string Host(Uri url) => url.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
}
