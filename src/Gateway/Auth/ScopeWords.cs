using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>The scopes of a credential and their words on the wire.</summary>
public static class ScopeWords
{
    public static Scopes ToScopes(this TokenScope scope) => scope switch
    {
        TokenScope.Push => Scopes.Push,
        TokenScope.Pin => Scopes.Pin,
        TokenScope.Gc => Scopes.Gc,
        TokenScope.Read => Scopes.Read,
        TokenScope.Admin => Scopes.Admin,
        TokenScope.Promote => Scopes.Promote,
        TokenScope.Deploy => Scopes.Deploy,
        _ => throw new ArgumentOutOfRangeException(nameof(scope)),
    };

    public static IReadOnlyList<TokenScope> ToList(this Scopes scopes) =>
        [.. Enum.GetValues<TokenScope>().Where(scope => (scopes & scope.ToScopes()) != 0)];
}
