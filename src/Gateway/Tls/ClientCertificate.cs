using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace OrleansCache.Gateway.Tls;

/// <summary>A client's certificate that the authority has vouched for.</summary>
/// <param name="Claims">What it says of its owner; see <see cref="CertificateClaims"/>.</param>
/// <param name="Expires">Its end.</param>
public sealed record ClientCertificate(JsonElement Claims, DateTimeOffset Expires)
{
    /// <summary>The certificate of a request: of the connection, or of the client behind a proxy; null: none that counts.</summary>
    public static ClientCertificate? Of(HttpContext http) => http.Features.Get<ProxiedClient>() is { } proxied ? proxied.Certificate
        : http.Features.Get<ConnectionClient>()?.Certificate;

    /// <exception cref="FormatException">Its names cannot be read.</exception>
    internal static ClientCertificate From(X509Certificate2 certificate) =>
        new(CertificateClaims.Of(certificate), certificate.NotAfter.ToUniversalTime());
}

/// <summary>Who is at the other end of a connection. The authority's file may change while the connection is open.</summary>
internal sealed class ConnectionClient(ClientAuthority authority)
{
    private readonly Lock _lock = new();
    private ClientAuthority.Proof? _proof; // Under _lock.

    /// <summary>Null: it showed no certificate, or none that counts now.</summary>
    public ClientCertificate? Certificate
    {
        get
        {
            lock (_lock)
            {
                if (_proof is not null && _proof.Version != authority.Version)
                    _proof = authority.Renew(_proof);
                return _proof?.Certificate;
            }
        }
    }

    /// <summary>Notes what the handshake has proven; null: nothing.</summary>
    public void Prove(ClientAuthority.Proof? proof)
    {
        lock (_lock)
            _proof = proof;
    }
}

/// <summary>Who is behind the proxy that sent a request. The certificate of the proxy itself does not count.</summary>
/// <param name="Certificate">Null: nobody is known.</param>
internal sealed record ProxiedClient(ClientCertificate? Certificate);
