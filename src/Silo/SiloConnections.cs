using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Orleans.Connections.Security;

namespace OrleansCache.Silo;

/// <summary>
/// Mutual TLS between silos. Both sides must show a certificate of the authority; a connection without one is closed before a message is
/// read.
/// </summary>
internal static class SiloConnections
{
    public static void Use(ISiloBuilder silo, SiloTls tls) => silo.UseTls(options =>
    {
        options.RemoteCertificateMode = RemoteCertificateMode.RequireCertificate;
        // Each connection asks, as certificates may be renewed while the silo runs.
        options.LocalServerCertificateSelector = (_, _) => tls.OwnCertificate();
        options.OnAuthenticateAsServer = (_, server) =>
        {
            server.ServerCertificateSelectionCallback = null;
            var given = (SslServerAuthenticationOptions)server.SslServerAuthenticationOptions;
            (given.ServerCertificateContext, given.CertificateChainPolicy) = (OwnContext(tls), ChainPolicy(tls));
        };
        options.OnAuthenticateAsClient = (_, client) =>
        {
            var given = (SslClientAuthenticationOptions)client.SslClientAuthenticationOptions;
            (given.ClientCertificateContext, given.CertificateChainPolicy) = (OwnContext(tls), ChainPolicy(tls));
        };
        // Addresses of silos change, and the authority signs for silos only, so a matching name would prove nothing more.
        options.RemoteCertificateValidation = (_, _, errors) =>
            (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;
    });

    private static SslStreamCertificateContext OwnContext(SiloTls tls) =>
        SslStreamCertificateContext.Create(tls.OwnCertificate(), tls.Intermediates(), offline: true);

    private static X509ChainPolicy ChainPolicy(SiloTls tls)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(tls.Authorities());
        return policy;
    }
}
