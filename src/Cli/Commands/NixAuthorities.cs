using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// The file of <c>ssl-cert-file</c>: those whom <c>--ca</c> names, and those of this machine, as Nix trusts nobody else then.
/// </summary>
internal static class NixAuthorities
{
    private const string Setting = "ssl-cert-file";

    /// <summary>The file, beside nix.conf.</summary>
    public static string FileOf(string conf) =>
        Path.Combine(Path.GetDirectoryName(Path.GetFullPath(conf))!, "orleans-cache-authorities.pem");

    /// <summary>What goes into that file, and the line of nix.conf that names it; null: nothing, as the system's own are enough, or
    /// somebody else's line names another file.</summary>
    /// <param name="others">The lines of nix.conf that are not of this cache.</param>
    /// <exception cref="CliException">A file holds no certificates.</exception>
    public static (NixFileChange Change, string Line)? Of(ClientTls tls, string conf, string part, string others)
    {
        if (tls.Authorities() is not { } own)
            return null;
        var path = NixLines.FileName(FileOf(conf));
        if (NixLines.SettingOf(Setting, others) is { } theirs && theirs != path)
        {
            Console.Error.WriteLine(
                $"note: {Setting} of {conf} is {theirs}, which stays: Nix reads from the server once the certificates of " +
                $"{tls.AuthorityFile} are in that file, too");
            return null;
        }

        var machine = OfMachine();
        return (new NixFileChange(new MarkedLines(path, part), [.. PemOf(own), .. PemOf(machine)])
        {
            Summary = $"({own.Count} of {tls.AuthorityFile}, and the {machine.Count} that this machine trusts)",
        }, $"{Setting} = {path}");
    }

    private static X509Certificate2Collection OfMachine()
    {
        var all = new X509Certificate2Collection();
        if (Environment.GetEnvironmentVariable("NIX_SSL_CERT_FILE") is { Length: > 0 } file && File.Exists(file))
        {
            all.ImportFromPemFile(file);
            return all;
        }

        using var store = new X509Store(StoreName.Root, StoreLocation.LocalMachine);
        try
        {
            store.Open(OpenFlags.ReadOnly);
            all.AddRange(store.Certificates);
        }
        catch (CryptographicException)
        {
            // This machine has no list.
        }

        return all;
    }

    private static IEnumerable<string> PemOf(X509Certificate2Collection all) =>
        all.SelectMany(certificate => certificate.ExportCertificatePem().Split('\n'));
}
