using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>What a certificate says of its owner, as rules read it. OpenSSL is the witness of the names' form.</summary>
public class CertificateClaimsTests
{
    [Fact]
    public void Every_name_of_a_certificate_is_a_claim()
    {
        using var authority = new CertificateAuthority("\"clients, inc\"");
        var (file, _) = authority.Client("builder", "CN=builder-1, OU=Fast, OU=Builders, O=Example, C=DE", names =>
        {
            names.AddDnsName("B1.Example.org");
            names.AddDnsName("b1.local");
            names.AddEmailAddress("ops@example.org");
            names.AddUri(new Uri("spiffe://example.org/ns/ci/sa/Builder"));
            names.AddIpAddress(IPAddress.Parse("10.1.2.3"));
            names.AddIpAddress(IPAddress.Parse("fd00::1"));
            names.AddUserPrincipalName("not read");
        });
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(file);

        var claims = CertificateClaims.Of(certificate);

        Assert.Equal("CN=builder-1,OU=Fast,OU=Builders,O=Example,C=DE", claims.GetProperty("subject").GetString());
        Assert.Equal("CN=clients\\, inc", claims.GetProperty("issuer").GetString());
        Assert.Equal(["builder-1"], Texts("cn"));
        Assert.Equal(["Builders", "Fast"], Texts("ou"));
        Assert.Equal(["Example"], Texts("o"));
        Assert.Equal(["b1.example.org", "b1.local"], Texts("dns"));
        Assert.Equal(["ops@example.org"], Texts("email"));
        Assert.Equal(["spiffe://example.org/ns/ci/sa/Builder"], Texts("uri"));
        Assert.Equal(["10.1.2.3", "fd00::1"], Texts("ip"));
        Assert.Equal("uri:spiffe://example.org/ns/ci/sa/Builder", claims.GetProperty("name").GetString());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(certificate.RawData)), claims.GetProperty("fingerprint").GetString());
        Assert.Equal(certificate.SerialNumber.ToLowerInvariant(), claims.GetProperty("serial").GetString());

        string[] Texts(string claim) => [.. claims.GetProperty(claim).EnumerateArray().Select(e => e.GetString()!)];
    }

    [Theory]
    [InlineData("CN=only", "CN=only")]
    [InlineData("CN=\"a, b + c \"\" <d>;\"", @"CN=a\, b \+ c \"" \<d\>\;")]
    [InlineData("CN=\" # spaces \"", @"CN=\ # spaces\ ")]
    [InlineData("CN=\"#hash\",O=Exämple", @"CN=\#hash,O=Exämple")]
    [InlineData("OID.1.2.3.4=odd,CN=c", "1.2.3.4=#13036f6464,CN=c")]
    public async Task A_subject_is_written_as_the_standard_says(string subject, string expected)
    {
        using var authority = new CertificateAuthority();
        var (file, _) = authority.Client("one", subject);
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(file);

        Assert.Equal(expected, CertificateClaims.Of(certificate).GetProperty("subject").GetString());

        var seen = (await ProcessRunner.RunAsync("openssl", ["x509", "-in", file, "-noout", "-subject", "-nameopt",
            "RFC2253,-esc_msb,utf8"])).OrThrow().Output.TrimEnd('\n');
        Assert.Equal("subject=" + expected, seen, ignoreCase: true);
    }

    [Fact]
    public void A_name_says_its_kind_so_that_none_passes_for_one_of_another_kind()
    {
        using var authority = new CertificateAuthority();
        string[] all =
        [
            NameOf(authority.Client("dns", "CN=x", names => names.AddDnsName("b1.example.org")).Certificate),
            NameOf(authority.Client("uri", "CN=x", names => names.AddUri(new Uri("urn:b1"))).Certificate),
            NameOf(authority.Client("subject", "CN=x").Certificate),
        ];

        Assert.Equal(["dns:b1.example.org", "uri:urn:b1", "subject:CN=x"], all);

        static string NameOf(string file)
        {
            using var certificate = X509CertificateLoader.LoadCertificateFromFile(file);
            return CertificateClaims.Of(certificate).GetProperty("name").GetString()!;
        }
    }

    [Fact]
    public async Task A_part_of_a_name_with_two_values_keeps_both()
    {
        using var folder = new TempFolder();
        (await ProcessRunner.RunAsync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", folder["key"], "-out", folder["pem"], "-multivalue-rdn", "-subj", "/O=a+OU=b/CN=c"])).OrThrow();
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(folder["pem"]);

        Assert.Equal("CN=c,O=a+OU=b", CertificateClaims.Of(certificate).GetProperty("subject").GetString());
    }

    [Fact]
    public void A_name_that_could_be_read_in_two_ways_is_refused()
    {
        using var authority = new CertificateAuthority();
        var (file, _) = authority.Client("nul", "CN=x", names => names.AddUri(new Uri("spiffe://example.org/a")));
        using var good = X509CertificateLoader.LoadCertificateFromFile(file);
        // The signature no longer fits, and nobody looks at it here.
        var raw = good.RawData;
        raw[raw.AsSpan().IndexOf("spiffe://example.org/a"u8) + 12] = 0;
        using var bad = X509CertificateLoader.LoadCertificate(raw);

        Assert.Contains("control character", Assert.Throws<FormatException>(() => CertificateClaims.Of(bad)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_list_of_names_is_refused()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension("2.5.29.17", [0x30, 0x05, 0x86, 0x20], critical: false));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));

        Assert.Throws<FormatException>(() => CertificateClaims.Of(certificate));
    }
}
