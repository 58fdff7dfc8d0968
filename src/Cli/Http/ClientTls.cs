using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>Files of TLS: an authority to trust, and a certificate of one's own.</summary>
internal sealed record ClientTls
{
    /// <summary>PEM of authorities that are trusted beside those of the system.</summary>
    public string? AuthorityFile { get; init; }

    /// <summary>PEM of the certificate that the server gets to see, and of those that issued it.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>PEM of its key; null: the key is in <see cref="CertificateFile"/>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>The authorities; null: those of the system alone.</summary>
    /// <exception cref="CliException">The file holds none.</exception>
    public X509Certificate2Collection? Authorities() => AuthorityFile is not { } file ? null : Read("--ca", file, () =>
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(file);
        return all.Count > 0 ? all : throw new CryptographicException("it holds no certificate in PEM form");
    });

    /// <summary>The certificate with its key; null: none.</summary>
    /// <exception cref="CliException">The files are no certificate and its key.</exception>
    public SslStreamCertificateContext? Certificate()
    {
        if (CertificateFile is not { } file)
            return KeyFile is null ? null
                : throw new CliException(ExitCodes.Usage, "--client-key is given without --client-cert: name the certificate, too.");
        return Read("--client-cert", file, () =>
        {
            var certificate = X509Certificate2.CreateFromPemFile(file, KeyFile ?? file);
            var above = new X509Certificate2Collection();
            above.ImportFromPemFile(file);
            above.RemoveAt(0);
            return SslStreamCertificateContext.Create(certificate, above, offline: true);
        });
    }

    private static T Read<T>(string option, string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CliException(ExitCodes.Usage, $"{file} of {option} cannot be used: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
