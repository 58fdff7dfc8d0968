using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Tls;

namespace OrleansCache.Gateway.Oidc;

/// <summary>
/// Lets in who shows a certificate, by the rules of <c>certificates</c> in the file of <c>--access</c>. They read its claims as other rules
/// read a token's, and a publisher is called <c>cert:&lt;its rules&gt;/&lt;values of their claims&gt;</c>.
/// </summary>
internal sealed class CertificateIdentities(IReadOnlyList<Rule> rules, ISubjects subjects, TimeProvider time) : ICertificates
{
    /// <summary>What a certificate can have.</summary>
    public static readonly string[] Claims =
        ["subject", "cn", "o", "ou", "dns", "email", "uri", "ip", "serial", "fingerprint", "issuer", "name"];

    /// <summary>What a renewed certificate has another of.</summary>
    public static readonly string[] Passing = ["serial", "fingerprint"];

    /// <summary>What tells one publisher from another when a rule does not say.</summary>
    public static readonly ClaimPath[] DefaultPublisher = [new("name")];

    private const string Prefix = "cert:";

    public async ValueTask<Credential> FindAsync(ClientCertificate certificate, CacheName cache, CancellationToken cancellationToken)
    {
        // A connection may outlive the certificate that it began with.
        if (certificate.Expires <= time.GetUtcNow())
            return Credential.Refused(RefusalKind.Unproven,
                $"The certificate expired at {certificate.Expires:yyyy-MM-dd'T'HH:mm:ss'Z'}: connect again with a renewed one.");
        var matching = rules.Where(r => r.FindMismatch(certificate.Claims) is null).ToList();
        if (matching.Count == 0)
        {
            return Credential.Refused(RefusalKind.Unentitled,
                $"The certificate of '{SubjectOf(certificate)}' is a valid one, and no rule of this server lets it in. An admin of the " +
                "cache adds one to 'certificates' in the file of --access.");
        }

        // Whom no rule lets into a cache learns nothing of it, nor of its blocks.
        var publisher = PublisherName.Of(matching, certificate.Claims, Prefix);
        return (cache == CacheName.Default || matching.Exists(r => r.Permit.Covers(cache)))
            && await subjects.FindAsync(cache, publisher, cancellationToken) is { } block ? Credential.Blocked(publisher, block)
            : new Credential(publisher, Scopes.None)
            {
                Permits = [.. matching.Select(r => r.Permit)],
                Rules = [.. matching.Select(r => r.Name)],
                Expires = certificate.Expires,
            };
    }

    private static string? SubjectOf(ClientCertificate certificate) =>
        certificate.Claims.TryGetProperty("subject", out var subject) && subject.ValueKind == JsonValueKind.String ? subject.GetString()
            : null;
}
