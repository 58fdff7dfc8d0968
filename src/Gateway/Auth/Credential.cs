namespace OrleansCache.Gateway.Auth;

/// <summary>What a credential may do. None of them includes another.</summary>
[Flags]
public enum Scopes
{
    None = 0,

    /// <summary>Read narinfos, NARs and what belongs to them where the cache is private.</summary>
    Read = 1,

    /// <summary>Push closures.</summary>
    Push = 2,

    /// <summary>Make, move and delete pins, and see them.</summary>
    Pin = 4,

    /// <summary>Run the garbage collector and see what it does.</summary>
    Gc = 8,

    /// <summary>Everything that concerns the server itself.</summary>
    Admin = 16,

    All = Read | Push | Pin | Gc | Admin,
}

/// <summary>Who sent a request, and what they may do.</summary>
/// <param name="Id">Stable over requests, processes and restarts, and nothing secret: it may be stored and logged.</param>
/// <param name="Scopes">What it may do.</param>
public sealed record Credential(string Id, Scopes Scopes)
{
    public const string AnonymousId = "anonymous";

    /// <summary>Who sent no credential.</summary>
    public static Credential Anonymous(bool isPrivate) => new(AnonymousId, isPrivate ? Scopes.None : Scopes.Read);

    public bool Allows(Access access) => access switch
    {
        Access.Open or Access.SignedUrl => true,
        Access.Read => Has(Scopes.Read),
        Access.ReadOrPush => Has(Scopes.Read | Scopes.Push),
        Access.Push => Has(Scopes.Push),
        Access.Pin => Has(Scopes.Pin),
        Access.Gc => Has(Scopes.Gc),
        Access.Admin => Has(Scopes.Admin),
        _ => throw new ArgumentOutOfRangeException(nameof(access)),
    };

    private bool Has(Scopes scope) => (Scopes & scope) != 0;
}

public static class CredentialExtensions
{
    /// <summary>Who sent the request; known wherever its route is.</summary>
    public static Credential Credential(this HttpContext http) =>
        http.Features.Get<Credential>() ?? throw new InvalidOperationException("The request has not been through the access check.");
}
