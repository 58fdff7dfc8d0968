using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace OrleansCache.Silo;

/// <summary>Mutual TLS on the connections between silos. Both sides must show a certificate of the authority; a connection without is closed before a message is read.</summary>
internal sealed partial class TlsConnections(SiloTls tls, ILogger<TlsConnections> logger) : IConfigureOptions<SiloConnectionOptions>
{
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(10);

    public void Configure(SiloConnectionOptions options)
    {
        options.ConfigureSiloInboundConnection(builder => builder.Use(next => connection => RunAsync(connection, next, isServer: true)));
        options.ConfigureSiloOutboundConnection(builder => builder.Use(next => connection => RunAsync(connection, next, isServer: false)));
    }

    private async Task RunAsync(ConnectionContext connection, ConnectionDelegate next, bool isServer)
    {
        var plain = connection.Transport;
        await using var secure = new SslStream(new DuplexStream(plain));
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
            limit.CancelAfter(HandshakeLimit);
            await (isServer ? secure.AuthenticateAsServerAsync(ServerOptions(), limit.Token) : secure.AuthenticateAsClientAsync(ClientOptions(), limit.Token));
        }
        catch (Exception e) when (e is System.Security.Authentication.AuthenticationException or CryptographicException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            LogRefused(connection.RemoteEndPoint, (e.InnerException ?? e).Message.ReplaceLineEndings(" "));
            return;
        }

        connection.Transport = new SecurePipe(PipeReader.Create(secure), PipeWriter.Create(secure));
        try
        {
            await next(connection);
        }
        finally
        {
            // Who closes the connection closes what it opened.
            connection.Transport = plain;
        }
    }

    private SslServerAuthenticationOptions ServerOptions() => new()
    {
        ServerCertificateContext = OwnContext(),
        ClientCertificateRequired = true,
        CertificateChainPolicy = ChainPolicy(),
        RemoteCertificateValidationCallback = IsMember,
    };

    private SslClientAuthenticationOptions ClientOptions() => new()
    {
        ClientCertificateContext = OwnContext(),
        CertificateChainPolicy = ChainPolicy(),
        RemoteCertificateValidationCallback = IsMember,
    };

    private SslStreamCertificateContext OwnContext() => SslStreamCertificateContext.Create(tls.OwnCertificate(), tls.Intermediates(), offline: true);

    private X509ChainPolicy ChainPolicy()
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(tls.Authorities());
        return policy;
    }

    // Silos are reached by addresses that change; the authority signs for nobody else, so the name says nothing more.
    private static bool IsMember(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        certificate is not null && (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;

    [LoggerMessage(Level = LogLevel.Warning, Message = "No TLS with {Peer}, which is not taken for a silo of this cluster: {Reason}")]
    private partial void LogRefused(System.Net.EndPoint? peer, string reason);

    private sealed record SecurePipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
