using OrleansCache.Contracts;
using OrleansCache.Gateway.Tls;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Looks in the token file first, which needs no database; asks the issuers about what has the form of their tokens; and looks in the
/// catalog for all else, anew each time, so that a revoked token is refused at once.
/// </summary>
public sealed class TokenCredentials(TokenFile file, ITokens tokens, IIdentities? identities = null, ICertificates? certificates = null)
    : ICredentials
{
    public async ValueTask<Credential?> FindAsync(string? secret, CacheName cache, CancellationToken cancellationToken)
    {
        if (await file.FindAsync(secret, cache, cancellationToken) is { } known)
            return known;
        if (secret is null)
            return null;
        if (identities?.IsToken(secret) == true)
            return await identities.FindAsync(secret, cache, cancellationToken);
        if (await tokens.FindAsync(secret, cancellationToken) is not { } token)
            return null;
        var publisher = ValidToken.PublisherOf(token.Id);
        return token.Block is { } block ? Credential.Blocked(publisher, block) : new Credential(publisher, Scopes.None)
        {
            Permits = [new Permit([token.Cache.ToString()], token.Scopes.Aggregate(Scopes.None, (all, scope) => all | scope.ToScopes()),
                token.Pins)],
            Group = token.Group,
            Expires = token.Expires,
        };
    }

    public async ValueTask<Credential?> FindByCertificateAsync(ClientCertificate certificate, CacheName cache,
        CancellationToken cancellationToken) =>
        certificates is null ? null : await certificates.FindAsync(certificate, cache, cancellationToken);

    public bool IsKnown(string secret) => file.IsKnown(secret);
}
