using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>The one connection pool of the program, for the server and for the object store.</summary>
internal static class Connections
{
    public const string UserAgent = "orleans-cache/" + ThisAssembly.Version;

    /// <param name="parallel">The most connections to one host.</param>
    /// <param name="tls">Whom to trust, and what to show; null: the system's authorities, and nothing.</param>
    /// <param name="server">Who gets to see the certificate; nobody else does.</param>
    /// <param name="decodes">Compressed answers are decoded; else they are given as they are.</param>
    /// <exception cref="CliException">A file cannot be used.</exception>
    public static HttpMessageInvoker Open(int parallel, ClientTls? tls = null, Uri? server = null, bool decodes = true)
    {
        var certificates = new Certificates(tls?.Authorities());
        HttpMessageHandler all = Handler(parallel, certificates, null, decodes);
        if (tls?.Certificate() is { } own && server is not null)
            all = new HostChoice(server, Handler(parallel, certificates, own, decodes), all);
        return new HttpMessageInvoker(new HostNaming(all));
    }

    private static SocketsHttpHandler Handler(int parallel, Certificates certificates, SslStreamCertificateContext? own,
        bool decodes) => new()
    {
        Proxy = Proxies.OfEnvironment,
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = certificates.Accept,
            ClientCertificateContext = own,
        },
        UseCookies = false,
        // A presigned URL must not lead elsewhere, and the API has no redirects.
        AllowAutoRedirect = false,
        AutomaticDecompression = decodes ? DecompressionMethods.GZip | DecompressionMethods.Brotli : DecompressionMethods.None,
        MaxConnectionsPerServer = parallel,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        ConnectTimeout = TimeSpan.FromSeconds(15),
        ActivityHeadersPropagator = null,
        ConnectCallback = ConnectAsync,
    };

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>One handler for one host, and another for all others.</summary>
    private sealed class HostChoice(Uri host, HttpMessageHandler ofHost, HttpMessageHandler ofOthers) : HttpMessageHandler
    {
        private readonly HttpMessageInvoker _ofHost = new(ofHost), _ofOthers = new(ofOthers);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            (request.RequestUri is { } url && url.Scheme == host.Scheme && url.Authority == host.Authority ? _ofHost : _ofOthers)
                .SendAsync(request, cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _ofHost.Dispose();
                _ofOthers.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
