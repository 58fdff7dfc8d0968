using System.IO.Enumeration;
using System.Text.Json;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Oidc;

/// <summary>Which tokens of an issuer are let in, and what for.</summary>
/// <param name="Name">Unique in the file.</param>
/// <param name="Claims">All of them have to match.</param>
/// <param name="Permit">What a token may do that matches.</param>
/// <param name="Publisher">The claims that tell one publisher from another; null: the immutable id that the token has.</param>
internal sealed record Rule(string Name, IReadOnlyList<WantedClaim> Claims, Permit Permit, IReadOnlyList<ClaimPath>? Publisher)
{
    // The ids that GitHub and Forgejo, GitLab, and Kubernetes never give twice. Whoever has none of them is told apart by the subject.
    private static readonly ClaimPath[] ImmutableIds =
        [new("repository_id"), new("project_id"), new("kubernetes.io.serviceaccount.uid"), new("sub")];

    /// <summary>The first claim that the rule wants otherwise; null: the token matches.</summary>
    public WantedClaim? FindMismatch(JsonElement claims)
    {
        if (Claims.FirstOrDefault(wanted => !wanted.Matches(claims)) is { } wrong)
            return wrong;
        // Without its claims a publisher would have the name of another one.
        return PublisherOf(claims).FirstOrDefault(path => path.FindIn(claims) is not { Count: > 0 }) is { } missing
            ? new WantedClaim(missing, []) : null;
    }

    /// <summary>The claims whose values name the publisher.</summary>
    public IReadOnlyList<ClaimPath> PublisherOf(JsonElement claims) =>
        Publisher ?? [ImmutableIds.FirstOrDefault(path => path.FindIn(claims) is { Count: > 0 }, ImmutableIds[^1])];
}

/// <param name="Path">The claim.</param>
/// <param name="Patterns"><c>*</c> stands for any characters, <c>?</c> for one, and one pattern has to match one value. Empty: the claim
/// has to be there.</param>
internal sealed record WantedClaim(ClaimPath Path, IReadOnlyList<string> Patterns)
{
    public bool Matches(JsonElement claims) => Path.FindIn(claims)?.Any(value =>
        Patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(Literal(pattern), value, ignoreCase: false))) == true;

    // A backslash stands for itself here and is an escape there, but not after a single star at the beginning: a second star means the same
    // and is read as all else.
    private static string Literal(string pattern) => !pattern.Contains('\\', StringComparison.Ordinal) ? pattern
        : (pattern[0] == '*' ? "*" : "") + pattern.Replace(@"\", @"\\", StringComparison.Ordinal);
}

/// <summary>Somebody who signs tokens, and who of them is let in.</summary>
/// <param name="Name">For messages; unique in the file.</param>
/// <param name="Url">What its tokens say in <c>iss</c>.</param>
/// <param name="Audiences">What its tokens may say in <c>aud</c>.</param>
/// <param name="KeyFile">Its keys (a JWKS); null: they are where its discovery document says.</param>
internal sealed record Issuer(string Name, string Url, IReadOnlyList<string> Audiences, string? KeyFile, IReadOnlyList<Rule> Rules)
{
    /// <summary>How people log in there; null: they do not.</summary>
    public LoginClient? Login { get; init; }
}

/// <summary>The public client that people log in with at an issuer.</summary>
/// <param name="ClientId">Its id there.</param>
/// <param name="Scopes">What it asks for; null: what is usual.</param>
internal sealed record LoginClient(string ClientId, IReadOnlyList<string>? Scopes);

/// <summary>All that the file of <c>--access</c> says.</summary>
/// <param name="Issuers">None: only certificates are let in.</param>
/// <param name="Certificates">The rules of certificates; null: none is let in.</param>
internal sealed record AccessRules(IReadOnlyList<Issuer> Issuers, IReadOnlyList<Rule>? Certificates);
