using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Tls;

/// <summary>
/// Decides whose certificates count: exactly those of the authority in <c>--tls-client-ca</c>, for client authentication, and now. One that
/// does not count is as good as none. The file is read again when it changes.
/// </summary>
internal sealed partial class ClientAuthority : IAsyncDisposable
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const int MaxShown = 200;
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly WatchedPem<Authorities> _authorities;
    private readonly string _file;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly RegularLook _looks;
    private readonly Lock _lock = new();
    private (long At, int Since)? _told; // Under _lock.

    /// <exception cref="StartupException">The file holds no authority.</exception>
    public ClientAuthority(string file, ILogger log, TimeProvider time)
    {
        (_file, _log, _time) = (file, log, time);
        _authorities = new WatchedPem<Authorities>([file], Parse);
        _looks = new RegularLook(Look, log, time);
    }

    /// <summary>Is another object when the file has changed, so that what was found before no longer holds.</summary>
    public object Version => _authorities.Value;

    /// <summary>Makes a handshake ask for a certificate, which a client need not have, and notes it at the connection.</summary>
    public void AskFor(SslServerAuthenticationOptions options, ConnectionContext connection)
    {
        var client = new ConnectionClient(this);
        connection.Features.Set(client);
        var authorities = _authorities.Value;
        options.ClientCertificateRequired = true;
        // Each connection proves who it is anew, to the authority of now.
        options.AllowTlsResume = false;
        options.CertificateChainPolicy = Policy(authorities);
        // The handshake goes on whatever was shown: what does not count is as good as none.
        options.RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
        {
            var certificate = shown as X509Certificate2;
            client.Prove(certificate is not null && Judge(certificate, errors == SslPolicyErrors.None, chain) is { } found
                ? Proof.Of(found, certificate, chain, authorities) : null);
            return shown is null || certificate is not null;
        };
    }

    /// <summary>The certificate, when it counts.</summary>
    public ClientCertificate? Verify(X509Certificate2 certificate)
    {
        using var chain = new X509Chain { ChainPolicy = Policy(_authorities.Value) };
        return Judge(certificate, chain.Build(certificate), chain);
    }

    /// <summary>Verifies anew what another version of the file has vouched for; null: it does not count any more.</summary>
    public Proof? Renew(Proof proof)
    {
        var authorities = _authorities.Value;
        using var certificate = X509CertificateLoader.LoadCertificate(proof.Shown);
        using var chain = new X509Chain { ChainPolicy = Policy(authorities) };
        foreach (var above in proof.Above)
            chain.ChainPolicy.ExtraStore.Add(X509CertificateLoader.LoadCertificate(above));
        return Judge(certificate, chain.Build(certificate), chain) is { } found ? Proof.Of(found, certificate, chain, authorities) : null;
    }

    /// <summary>Logs what a client or a proxy sent that does not count; a line every ten seconds at most.</summary>
    public void Tell(string why)
    {
        int left;
        lock (_lock)
        {
            if (_told is { } told && _time.GetElapsedTime(told.At) < Quiet)
            {
                _told = told with { Since = told.Since + 1 };
                return;
            }

            left = _told?.Since ?? 0;
            _told = (_time.GetTimestamp(), 0);
        }

        LogRefused(_log, why, left);
    }

    public ValueTask DisposeAsync() => _looks.DisposeAsync();

    /// <summary>Reads the file again, as happens by itself every few seconds.</summary>
    internal void Look()
    {
        if (_authorities.Refresh(out var trouble))
            LogChanged(_log, _file);
        if (trouble is not null)
            LogUnusable(_log, _file, trouble);
    }

    private static Authorities Parse(string[] texts)
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPem(texts[0]);
        var roots = all.Where(c => c.SubjectName.RawData.AsSpan().SequenceEqual(c.IssuerName.RawData)).ToList();
        return roots.Count > 0 ? new Authorities(roots, [.. all.Except(roots)])
            : throw new CryptographicException("it holds no certificate in PEM form that is its own issuer, where chains of certificates end");
    }

    private ClientCertificate? Judge(X509Certificate2 certificate, bool isVouchedFor, X509Chain? chain)
    {
        try
        {
            if (isVouchedFor)
                return ClientCertificate.From(certificate);
            var reasons = chain?.ChainStatus.Select(status => status.Status.ToString()).Distinct() ?? [];
            Tell($"the certificate of '{Shown(certificate)}' does not count: {string.Join(", ", reasons)}");
        }
        catch (FormatException e)
        {
            Tell($"the certificate of '{Shown(certificate)}' does not count: {e.Message}");
        }

        return null;
    }

    private static string Shown(X509Certificate2 certificate)
    {
        var subject = new string([.. certificate.Subject.Where(c => !char.IsControl(c))]);
        return subject.Length <= MaxShown ? subject : subject[..MaxShown] + "…";
    }

    // Nothing is fetched: neither issuers nor revocations.
    private static X509ChainPolicy Policy(Authorities authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        foreach (var root in authorities.Roots)
            policy.CustomTrustStore.Add(root);
        foreach (var between in authorities.Between)
            policy.ExtraStore.Add(between);
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        return policy;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Why} ({Left} more since the last such line)")]
    private static partial void LogRefused(ILogger logger, string why, int left);

    [LoggerMessage(Level = LogLevel.Information, Message = "the authorities of {File} were read anew")]
    private static partial void LogChanged(ILogger logger, string file);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File} has changed and cannot be used, so the former authorities stay: {Why}")]
    private static partial void LogUnusable(ILogger logger, string file, string why);

    /// <summary>A certificate that counted, and what it takes to ask again.</summary>
    /// <param name="Certificate">What it says of its owner.</param>
    /// <param name="Shown">The certificate itself, DER.</param>
    /// <param name="Above">What vouched for it, DER.</param>
    /// <param name="Version">Of the authority's file that it counted by.</param>
    internal sealed record Proof(ClientCertificate Certificate, byte[] Shown, IReadOnlyList<byte[]> Above, object Version)
    {
        public static Proof Of(ClientCertificate found, X509Certificate2 shown, X509Chain? chain, object version) =>
            new(found, shown.RawData, [.. chain?.ChainElements.Skip(1).Select(e => e.Certificate.RawData) ?? []], version);
    }

    private sealed record Authorities(IReadOnlyList<X509Certificate2> Roots, IReadOnlyList<X509Certificate2> Between);
}
