using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Tls;

/// <summary>
/// The certificate that the server shows. It is read again when its files change, so that a renewed one needs no restart; files that cannot
/// be used leave the former certificate in place.
/// </summary>
internal sealed partial class ServerTls : IAsyncDisposable
{
    private static readonly TimeSpan Reminder = TimeSpan.FromDays(1);
    private static readonly TimeSpan Soon = TimeSpan.FromDays(14);

    private readonly TlsSettings _settings;
    private readonly WatchedPem<SslStreamCertificateContext> _certificate;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly RegularLook _looks;
    private DateTimeOffset? _reminded; // Of one look at a time.

    /// <exception cref="StartupException">The files are no certificate and its key.</exception>
    public ServerTls(TlsSettings settings, ILogger log, TimeProvider time)
    {
        (_settings, _log, _time) = (settings, log, time);
        _certificate = new WatchedPem<SslStreamCertificateContext>([settings.CertificateFile, settings.KeyFile], Parse);
        Remind();
        _looks = new RegularLook(Look, log, time);
    }

    /// <summary>When the certificate expires.</summary>
    public DateTimeOffset NotAfter => EndOf(_certificate.Value);

    /// <summary>What an operator should do about the certificate, a sentence; null: nothing.</summary>
    public string? Doubt => (NotAfter, _time.GetUtcNow()) switch
    {
        var (end, now) when end <= now =>
            $"The certificate {_settings.CertificateFile} expired on {Day(end)}, and clients refuse it: renew it in place.",
        var (end, now) when end - now <= Soon =>
            $"The certificate {_settings.CertificateFile} expires on {Day(end)}: renew it in place, the server reads it anew.",
        _ => null,
    };

    /// <summary>Makes the endpoint one of HTTPS, with HTTP/1.1 and HTTP/2 as the client chooses.</summary>
    /// <param name="listen">The endpoint.</param>
    /// <param name="authority">Whose clients' certificates are asked for; null: none are.</param>
    public void ApplyTo(ListenOptions listen, ClientAuthority? authority)
    {
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = handshake =>
            {
                var options = new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = _certificate.Value,
                    AllowRenegotiation = false,
                };
                authority?.AskFor(options, handshake.Connection);
                return ValueTask.FromResult(options);
            },
        });
    }

    public ValueTask DisposeAsync() => _looks.DisposeAsync();

    // Offline: nothing is fetched, neither issuers nor revocations. What issued the certificate stands behind it in the file.
    private static SslStreamCertificateContext Parse(string[] texts)
    {
        var certificate = X509Certificate2.CreateFromPem(texts[0], texts[1]);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(texts[0]);
        chain.RemoveAt(0);
        return SslStreamCertificateContext.Create(certificate, chain, offline: true);
    }

    /// <summary>Reads the files again, as happens by itself every few seconds.</summary>
    internal void Look()
    {
        if (_certificate.Refresh(out var trouble))
        {
            LogRenewed(_log, _settings.CertificateFile, NotAfter.UtcDateTime);
            _reminded = null;
        }

        if (trouble is not null)
            LogUnusable(_log, _settings.CertificateFile, _settings.KeyFile, trouble);
        Remind();
    }

    private void Remind()
    {
        if (Doubt is not { } doubt || (_reminded is { } last && _time.GetUtcNow() - last < Reminder))
            return;
        _reminded = _time.GetUtcNow();
        LogDoubt(_log, doubt);
    }

    private static DateTimeOffset EndOf(SslStreamCertificateContext context) => context.TargetCertificate.NotAfter.ToUniversalTime();

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    [LoggerMessage(Level = LogLevel.Information, Message = "the certificate {File} was renewed: it is valid until {Until:u}")]
    private static partial void LogRenewed(ILogger logger, string file, DateTime until);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{Certificate} and {Key} have changed and cannot be used, so the former certificate stays: {Why}")]
    private static partial void LogUnusable(ILogger logger, string certificate, string key, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Doubt}")]
    private static partial void LogDoubt(ILogger logger, string doubt);
}
