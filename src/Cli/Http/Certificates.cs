using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OrleansCache.Cli.Http;

/// <summary>What is wrong with a certificate, as a clause that follows the host's name.</summary>
internal sealed class CertificateException(string message) : AuthenticationException(message);

/// <summary>Accepts what the runtime accepts, and what further authorities vouch for; explains each refusal.</summary>
/// <param name="authorities">Trusted beside those of the system; null: none.</param>
internal sealed class Certificates(X509Certificate2Collection? authorities)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    public bool Accept(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return true;
        if (errors == SslPolicyErrors.RemoteCertificateChainErrors && certificate is X509Certificate2 known && IsVouchedFor(known, chain))
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

    private bool IsVouchedFor(X509Certificate2 shown, X509Chain? seen)
    {
        if (authorities is null)
            return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        foreach (var element in seen?.ChainElements.AsEnumerable() ?? [])
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        return chain.Build(shown);
    }

    private string Trust() => authorities is not null ? "the file of --ca does not have that authority" : Variable();

    private static string Variable() => Environment.GetEnvironmentVariable("SSL_CERT_FILE") is not { Length: > 0 } file
        ? "name a file with the certificate of that authority in --ca or SSL_CERT_FILE"
        : File.Exists(file) ? $"the file of SSL_CERT_FILE, {file}, does not have that authority, which --ca names beside it"
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
