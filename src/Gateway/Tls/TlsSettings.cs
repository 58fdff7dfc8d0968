using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Tls;

/// <summary>The server's own certificate and key, PEM files.</summary>
/// <param name="CertificateFile">The certificate, then those that issued it.</param>
/// <param name="KeyFile">Its key.</param>
public sealed record TlsSettings(string CertificateFile, string KeyFile)
{
    /// <returns>Null: the server talks plain HTTP.</returns>
    /// <exception cref="StartupException">One of the options is missing; the message says which.</exception>
    public static TlsSettings? From(Func<string, string?> one) => (one("tls-cert"), one("tls-key")) switch
    {
        (null, null) => null,
        ({ } certificate, { } key) => new TlsSettings(certificate, key),
        (var certificate, _) => throw new StartupException(
            $"--tls-cert and --tls-key belong together, and --{(certificate is null ? "tls-cert" : "tls-key")} is missing: name both, or " +
            "neither to talk plain HTTP."),
    };
}
