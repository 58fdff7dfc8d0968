using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

/// <summary>An authority of its own and certificates by it, in files.</summary>
internal sealed class Certificates : IDisposable
{
    private readonly TempFolder _folder = new("oc-tls-");
    private readonly X509Certificate2 _authority;

    public Certificates()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        _authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        File.WriteAllText(_folder["ca.pem"], _authority.ExportCertificatePem());
    }

    public string this[string file] => _folder[file];

    /// <summary>The options of a silo with a certificate of that name.</summary>
    public string[] Options(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        using var certificate = request.Create(_authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(20),
            RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(_folder[$"{name}.pem"], certificate.ExportCertificatePem());
        File.WriteAllText(_folder[$"{name}.key"], key.ExportPkcs8PrivateKeyPem());
        return ["--silo-tls-cert", _folder[$"{name}.pem"], "--silo-tls-key", _folder[$"{name}.key"], "--silo-tls-ca", _folder["ca.pem"]];
    }

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }
}
