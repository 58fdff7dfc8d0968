using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Oidc;

/// <summary>
/// Lets in who an issuer of <c>--access</c> vouches for, by its rules. Nothing is remembered of a token: its signature is checked, and its
/// publisher looked up among the blocked ones, for each request.
/// </summary>
internal sealed class Identities : IIdentities, IAsyncDisposable
{
    private readonly IReadOnlyList<Issuer> _issuers;
    private readonly Dictionary<string, IssuerKeys> _keys;
    private readonly TokenVerifier _verifier;
    private readonly ISubjects _subjects;
    private readonly HttpClient _http;

    private Identities(IReadOnlyList<Issuer> issuers, ISubjects subjects, ILogger logger, TimeProvider time)
    {
        (_issuers, _subjects, _verifier, _http) = (issuers, subjects, new TokenVerifier(time), KeySource.OpenHttp());
        _keys = issuers.ToDictionary(i => i.Url, i => new IssuerKeys(i, new KeySource(i, _http), time, logger), StringComparer.Ordinal);
    }

    /// <summary>Begins to fetch the keys and does not wait for them: a start depends on no issuer.</summary>
    public static Identities Start(IReadOnlyList<Issuer> issuers, ISubjects subjects, ILogger logger, TimeProvider time)
    {
        var identities = new Identities(issuers, subjects, logger, time);
        foreach (var keys in identities._keys.Values)
            keys.FetchAsync();
        return identities;
    }

    public bool IsToken(string secret) => JwtText.HasForm(secret);

    public async ValueTask<Credential> FindAsync(string token, CacheName cache, CancellationToken cancellationToken)
    {
        // 1. What the issuer says, and that it has said it.
        var (read, issuer, fault, isUndecided) = await VerifyAsync(token, cancellationToken);
        if (isUndecided)
        {
            return Credential.Refused(RefusalKind.Undecided,
                $"The token cannot be checked: {fault}. Send the same request again in a minute.");
        }

        if (fault is not null)
            return Credential.Refused(RefusalKind.Unproven, $"The token is not accepted: {fault}.");

        // 2. What the rules make of it.
        var rules = issuer!.Rules.Where(r => r.FindMismatch(read!.Claims) is null).ToList();
        if (rules.Count == 0)
        {
            return Credential.Refused(RefusalKind.Unentitled,
                $"The token is a valid one of {issuer.Url}, and no rule of this server lets it in. An admin of the cache sees by " +
                "'orleans-cache oidc check TOKEN-FILE' which claim fails.");
        }

        // 3. Whether an admin has ended it: a token itself cannot be revoked. Whom no rule lets into a cache learns nothing of it, nor of
        // its blocks.
        var publisher = PublisherName.Of(rules, read!.Claims);
        if ((cache == CacheName.Default || rules.Exists(r => r.Permit.Covers(cache)))
            && await _subjects.FindAsync(cache, publisher, cancellationToken) is { } block)
            return Credential.Blocked(publisher, block);
        read.TryGetTime("exp", out var expires);
        return new Credential(publisher, Scopes.None)
        {
            Permits = [.. rules.Select(r => r.Permit)],
            Rules = [.. rules.Select(r => r.Name)],
            Expires = expires,
        };
    }

    public async Task<AccessChecked> CheckAsync(string token, CancellationToken cancellationToken)
    {
        var (read, issuer, fault, _) = await VerifyAsync(token, cancellationToken);
        if (read is null)
            return new AccessChecked { Refused = fault, Rules = [] };
        var matching = issuer?.Rules.Where(r => r.FindMismatch(read.Claims) is null).ToList() ?? [];
        read.TryGetTime("exp", out var expires);
        return new AccessChecked
        {
            Refused = fault,
            Subject = matching.Count > 0 ? PublisherName.Of(matching, read.Claims) : null,
            Expires = expires,
            Rules = [.. _issuers.SelectMany(i => i.Rules.Select(r => Check(i, r, i == issuer, read)))],
        };
    }

    public string? AudienceOf(string? issuer) => (issuer is null ? _issuers.Count == 1 ? _issuers[0] : null
        : _issuers.FirstOrDefault(i => i.Url == issuer.TrimEnd('/') || i.Url == issuer))?.Audiences[0];

    public async ValueTask DisposeAsync()
    {
        foreach (var keys in _keys.Values)
            await keys.DisposeAsync();
        _http.Dispose();
    }

    private static RuleChecked Check(Issuer issuer, Rule rule, bool isOfIt, JwtText token)
    {
        var wrong = isOfIt ? rule.FindMismatch(token.Claims) : new WantedClaim(new ClaimPath("iss"), [issuer.Url]);
        return new RuleChecked
        {
            Issuer = issuer.Name,
            Rule = rule.Name,
            Matched = wrong is null,
            Claim = wrong?.Path.Text,
            Wanted = wrong?.Patterns,
            Found = wrong?.Path.FindIn(token.Claims),
        };
    }

    /// <returns>The token where it can be read, its issuer where it is known, and what is wrong; nothing is when that is null. Undecided:
    /// no key of the issuer is known yet.</returns>
    private async ValueTask<(JwtText? Token, Issuer? Issuer, string? Fault, bool IsUndecided)> VerifyAsync(string text,
        CancellationToken cancellationToken)
    {
        if (!JwtText.TryParse(text, out var token, out var fault))
            return (null, null, fault, false);
        var url = JwtText.TextOf(token.Claims, "iss");
        var issuer = _issuers.FirstOrDefault(i => i.Url == url);
        if (issuer is null)
            return (token, null, "it is of an issuer ('iss') that this server does not know", false);
        if (_verifier.FindFault(token, issuer) is { } plain)
            return (token, issuer, plain, false);
        // Anybody can write a text that comes as far as this: it learns and logs nothing of why the keys are not there.
        return await _keys[issuer.Url].FindAsync(JwtText.TextOf(token.Header, "kid"), JwtText.TextOf(token.Header, "alg")!,
            cancellationToken) is { } keys
            ? (token, issuer, await _verifier.FindFaultAsync(token, issuer, keys), false)
            : (token, issuer, "the server has no keys of its issuer yet", true);
    }
}
