using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>The one connection pool of the program, for the server and for the object store.</summary>
internal static class Connections
{
    public const string UserAgent = "orleans-cache/" + ThisAssembly.Version;

    public static HttpMessageInvoker Open(int parallel) => new(new HostNaming(new SocketsHttpHandler
    {
        Proxy = Proxies.OfEnvironment,
        SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = Certificates.Accept },
        UseCookies = false,
        // A presigned URL must not lead elsewhere, and the API has no redirects.
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.GZip | DecompressionMethods.Brotli,
        MaxConnectionsPerServer = parallel,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        ConnectTimeout = TimeSpan.FromSeconds(15),
        ActivityHeadersPropagator = null,
        ConnectCallback = ConnectAsync,
    }));

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
}
