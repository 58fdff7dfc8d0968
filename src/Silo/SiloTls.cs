using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Silo;

/// <summary>The certificates under which silos talk: who shows one of the authority is a silo of the cluster, whatever name stands in it.</summary>
internal sealed record SiloTls
{
    public required string CertificateFile { get; init; }

    public required string KeyFile { get; init; }

    public required string AuthorityFile { get; init; }

    /// <summary>Null when none of the three files is given.</summary>
    /// <exception cref="StartupException">One is missing or cannot be used.</exception>
    public static SiloTls? From(Func<string, string?> one)
    {
        string[] names = ["silo-tls-cert", "silo-tls-key", "silo-tls-ca"];
        var files = names.Select(one).ToList();
        if (files.TrueForAll(f => f is null))
            return null;
        if (files.IndexOf(null) is >= 0 and var missing)
            throw new StartupException($"--silo-tls-cert, --silo-tls-key and --silo-tls-ca belong together, and --{names[missing]} is missing: silos show each other certificates, or talk in the clear.");
        var tls = new SiloTls { CertificateFile = files[0]!, KeyFile = files[1]!, AuthorityFile = files[2]! };
        try
        {
            tls.OwnCertificate().Dispose();
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StartupException($"{tls.CertificateFile} of --silo-tls-cert and {tls.KeyFile} of --silo-tls-key are no certificate and its key in PEM form: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        try
        {
            if (tls.Authorities().Count == 0)
                throw new StartupException($"{tls.AuthorityFile} of --silo-tls-ca holds no certificate in PEM form.");
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"{tls.AuthorityFile} of --silo-tls-ca cannot be used: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        return tls;
    }

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
