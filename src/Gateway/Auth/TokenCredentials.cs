using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Looks in the token file first, which needs no database, then in the catalog, anew each time, so that a revoked token is refused at once.
/// </summary>
public sealed class TokenCredentials(TokenFile file, ITokens tokens) : ICredentials
{
    public async ValueTask<Credential?> FindAsync(string? secret, CancellationToken cancellationToken)
    {
        if (await file.FindAsync(secret, cancellationToken) is { } known)
            return known;
        return secret is not null && await tokens.FindAsync(secret, cancellationToken) is { } token
            ? new Credential(ValidToken.PublisherOf(token.Id), token.Scopes.Aggregate(Scopes.None, (all, scope) =>
                all | Of(scope)))
            { Cache = token.Cache, Pins = token.Pins, Group = token.Group }
            : null;
    }

    public bool IsKnown(string secret) => file.IsKnown(secret);

    private static Scopes Of(TokenScope scope) => scope switch
    {
        TokenScope.Push => Scopes.Push,
        TokenScope.Pin => Scopes.Pin,
        TokenScope.Gc => Scopes.Gc,
        TokenScope.Read => Scopes.Read,
        TokenScope.Admin => Scopes.Admin,
        _ => throw new ArgumentOutOfRangeException(nameof(scope)),
    };
}
