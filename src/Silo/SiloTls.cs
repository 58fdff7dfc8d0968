using System.Security.Cryptography.X509Certificates;

namespace OrleansCache.Silo;

/// <summary>
/// The certificates under which silos talk: who shows one of the authority is a silo of the cluster, whatever name stands in it.
/// </summary>
public sealed record SiloTls
{
    public required string CertificateFile { get; init; }

    public required string KeyFile { get; init; }

    public required string AuthorityFile { get; init; }

    /// <summary>As the files are now: certificates may be renewed while the silo runs.</summary>
    public X509Certificate2 OwnCertificate() => X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile);

    /// <summary>What the certificate file holds behind the certificate itself, to be shown along with it.</summary>
    public X509Certificate2Collection Intermediates()
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(CertificateFile);
        all.RemoveAt(0);
        return all;
    }

    public X509Certificate2Collection Authorities()
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(AuthorityFile);
        return all;
    }
}
