using System.Security.Cryptography.X509Certificates;

namespace OrleansCache.Silo;

/// <summary>
/// The certificates of silos. A certificate of the authority makes its owner a silo of the cluster, whatever name it has.
/// </summary>
public sealed record SiloTls
{
    public required string CertificateFile { get; init; }

    public required string KeyFile { get; init; }

    public required string AuthorityFile { get; init; }

    /// <summary>Reads the files anew, as certificates may be renewed while the silo runs.</summary>
    public X509Certificate2 OwnCertificate() => X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile);

    /// <summary>The certificates that follow the silo's own in its file, to be shown along with it.</summary>
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
