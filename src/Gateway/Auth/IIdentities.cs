using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>Identities that issuers vouch for by signed tokens (JWT).</summary>
public interface IIdentities
{
    /// <summary>True: the secret has the form of such a token, so it is none of the server's own.</summary>
    bool IsToken(string secret);

    /// <summary>The identity behind a token; with a <see cref="Credential.Refusal"/> where it is let in for nothing.</summary>
    /// <param name="cache">The cache of the request, where a publisher may be blocked.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: the database does not answer.</exception>
    ValueTask<Credential> FindAsync(string token, CacheName cache, CancellationToken cancellationToken);

    /// <summary>What the server makes of a token, rule by rule.</summary>
    Task<AccessChecked> CheckAsync(string token, CancellationToken cancellationToken);

    /// <summary>The audience that tokens of this issuer need; null: no such issuer, or none is named and there are several.</summary>
    string? AudienceOf(string? issuer);
}
