using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OrleansCache.Testing;

/// <summary>An authority of the test's own, and certificates by it, as PEM files in a folder.</summary>
public sealed class CertificateAuthority : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly TempFolder _folder = new("oc-ca-");
    private readonly X509Certificate2 _own;
    private readonly X509Certificate2Collection _above = [];

    public CertificateAuthority(string name = "authority")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _own = Request($"CN={name}", key, isAuthority: true)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-2), DateTimeOffset.UtcNow.AddDays(300));
        System.IO.File.WriteAllText(File, _own.ExportCertificatePem());
    }

    private CertificateAuthority(string name, CertificateAuthority above)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = Request($"CN={name}", key, isAuthority: true).Create(above._own, DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddDays(200), RandomNumberGenerator.GetBytes(8));
        _own = made.CopyWithPrivateKey(key);
        _above.Add(_own);
        _above.AddRange(above._above);
        System.IO.File.WriteAllText(File, _own.ExportCertificatePem());
    }

    /// <summary>The file of its own certificate.</summary>
    public string File => _folder["ca.pem"];

    /// <summary>A file of this name beside the certificates.</summary>
    public string this[string name] => _folder[name];

    /// <summary>An authority that this one vouches for; its certificates bring its own along.</summary>
    public CertificateAuthority Intermediate(string name) => new(name, this);

    /// <summary>A certificate for servers on loopback, in files of that name.</summary>
    public (string Certificate, string Key) Server(string name = "server", TimeSpan? life = null) =>
        Write(name, $"CN={name}", names =>
        {
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
        }, ServerAuthentication, life);

    /// <summary>A certificate for clients, in files of that name.</summary>
    /// <param name="name">The name of the files.</param>
    /// <param name="subject">Such as <c>CN=builder,O=Example</c>.</param>
    /// <param name="names">Adds other names.</param>
    /// <param name="life">How long it is valid from now on; negative: it has expired.</param>
    /// <param name="forClients">False: it may prove servers only.</param>
    public (string Certificate, string Key) Client(string name, string subject, Action<SubjectAlternativeNameBuilder>? names = null,
        TimeSpan? life = null, bool forClients = true) =>
        Write(name, subject, names, forClients ? ClientAuthentication : ServerAuthentication, life);

    public void Dispose()
    {
        _own.Dispose();
        _folder.Dispose();
    }

    private static CertificateRequest Request(string subject, ECDsa key, bool isAuthority)
    {
        var request = new CertificateRequest(new X500DistinguishedName(subject), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    private (string, string) Write(string name, string subject, Action<SubjectAlternativeNameBuilder>? names, string use, TimeSpan? life)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(subject, key, isAuthority: false);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        if (names is not null)
        {
            var builder = new SubjectAlternativeNameBuilder();
            names(builder);
            request.CertificateExtensions.Add(builder.Build());
        }

        using var made = request.Create(_own, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow + (life ?? TimeSpan.FromDays(90)),
            RandomNumberGenerator.GetBytes(8));
        var (certificate, keyFile) = (_folder[$"{name}.pem"], _folder[$"{name}.key"]);
        System.IO.File.WriteAllText(certificate, string.Join('\n',
            [made.ExportCertificatePem(), .. _above.Select(above => above.ExportCertificatePem())]) + "\n");
        System.IO.File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem() + "\n");
        UnixMode.Set(keyFile, UnixMode.Own);
        return (certificate, keyFile);
    }
}
