using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace OrleansCache.Cli.Http;

/// <summary>What is wrong with a certificate, as a clause that follows the host's name.</summary>
internal sealed class CertificateException(string message) : AuthenticationException(message);

/// <summary>Accepts what the runtime accepts, and explains each refusal.</summary>
internal static class Certificates
{
    public static bool Accept(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return true;
        if (certificate is not X509Certificate2 shown)
            throw new CertificateException("shows no certificate");
        var (now, from, until) = (DateTime.Now, shown.NotBefore, shown.NotAfter);
        var reasons = new List<string>();
        if (now > until)
            reasons.Add($"its certificate expired on {Day(until)}");
        else if (now < from)
            reasons.Add($"its certificate is not valid before {Day(from)} (is this machine's clock right?)");
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            reasons.Add($"its certificate is for another name ({string.Join(", ", Names(shown))})");
        var statuses = chain?.ChainStatus.Select(status => status.Status).ToList() ?? [];
        if (statuses.Any(status => status is X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain))
            reasons.Add($"its certificate is not trusted (issued by {shown.Issuer}): {Trust()}");
        if (reasons.Count == 0)
            reasons.Add($"its certificate is refused ({string.Join(", ", statuses)})");
        throw new CertificateException(string.Join(", and ", reasons));
    }

    private static string Trust() => Environment.GetEnvironmentVariable("SSL_CERT_FILE") is not { Length: > 0 } file
        ? "name a file with the certificate of that authority in SSL_CERT_FILE"
        : File.Exists(file) ? $"the file of SSL_CERT_FILE, {file}, does not have that authority"
            : $"SSL_CERT_FILE names {file}, which is not there";

    private static IEnumerable<string> Names(X509Certificate2 certificate)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
        return alternatives.Count == 0
            ? [certificate.GetNameInfo(X509NameType.SimpleName, false)]
            : alternatives.SelectMany(names => names.EnumerateDnsNames()
                .Concat(names.EnumerateIPAddresses().Select(address => address.ToString())));
    }

    private static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
