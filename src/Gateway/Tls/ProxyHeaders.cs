using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OrleansCache.Gateway.Tls;

/// <summary>
/// Takes a client's certificate from the header in which a proxy passes it on, when the connection comes from a proxy that is believed, and
/// verifies it like any other. From anybody else the header is removed. A proxy without that header passes nobody on: its own certificate,
/// which all behind it share, is no client's.
/// </summary>
internal sealed class ProxyHeaders(RequestDelegate next, ProxySettings settings, ClientAuthority authority, TimeProvider time)
{
    private const int MaxKnown = 1000;
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(1);

    // A proxy sends the same few certificates again and again, and a chain takes a millisecond.
    private readonly ConcurrentDictionary<string, Known> _known = new(StringComparer.Ordinal);

    public Task InvokeAsync(HttpContext http)
    {
        var passedOn = settings.CertificateHeader is { } name ? Take(http.Request.Headers, name) : null;
        if (settings.Includes(http.Connection.RemoteIpAddress))
            http.Features.Set(new ProxiedClient(passedOn is null ? null : Find(passedOn)));
        return next(http);
    }

    private static string? Take(IHeaderDictionary headers, string name)
    {
        var values = headers[name];
        headers.Remove(name);
        return values.Count == 1 && values[0] is { Length: > 0 } text ? text : null;
    }

    private ClientCertificate? Find(string text)
    {
        var version = authority.Version;
        if (_known.TryGetValue(text, out var known) && known.Version == version && time.GetElapsedTime(known.At) < Believed)
            return known.Certificate;
        ClientCertificate? found = null;
        try
        {
            using var certificate = Parse(text);
            found = authority.Verify(certificate);
        }
        catch (Exception e) when (e is FormatException or CryptographicException or ArgumentException)
        {
            authority.Tell($"{settings.CertificateHeader} of a proxy holds no certificate");
        }

        if (_known.Count >= MaxKnown)
            _known.Clear();
        _known[text] = new Known(found, version, time.GetTimestamp());
        return found;
    }

    // RFC 9440 has DER in base64 between colons; nginx ($ssl_client_escaped_cert) and others percent-encoded PEM.
    // Exactly one certificate: where a proxy appends its own to what a client wrote, neither counts.
    private static X509Certificate2 Parse(string text)
    {
        if (text is not [':', .. var inner, ':'])
        {
            var pem = Uri.UnescapeDataString(text).AsSpan().Trim();
            return PemEncoding.TryFind(pem, out var found) && pem[found.Location].Length == pem.Length
                ? X509Certificate2.CreateFromPem(pem) : throw new FormatException("not one certificate");
        }

        var der = new byte[Base64.GetMaxDecodedFromUtf8Length(inner.Length)];
        return Convert.TryFromBase64String(inner, der, out var length)
            ? X509CertificateLoader.LoadCertificate(der.AsSpan(0, length)) : throw new FormatException("no base64");
    }

    private sealed record Known(ClientCertificate? Certificate, object Version, long At);
}
