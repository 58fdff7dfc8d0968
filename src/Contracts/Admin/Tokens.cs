using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansCache.Contracts;

/// <summary>What a token may do. No scope includes another, but <see cref="Admin"/> can make a token of any scope.</summary>
public enum TokenScope
{
    /// <summary>Push closures.</summary>
    Push,

    /// <summary>Make, move, roll back, delete and see pins.</summary>
    Pin,

    /// <summary>Run the garbage collector, see its runs, and ask about a path and why it is kept.</summary>
    Gc,

    /// <summary>Read from a private cache.</summary>
    Read,

    /// <summary>Make, see and revoke tokens; check catalog and bucket; withdraw paths.</summary>
    Admin,

    /// <summary>Take closures over from another cache.</summary>
    Promote,

    /// <summary>Report what was deployed from pins, and read what a deployment needs: the pin and its closure.</summary>
    Deploy,
}

/// <summary>Makes a token.</summary>
public sealed record CreateToken
{
    /// <summary>What it is for: 1 to 64 characters of <c>A-Z a-z 0-9 . _ -</c>. No two tokens that are not revoked share a name.</summary>
    public required string Name { get; init; }

    /// <summary>At least one.</summary>
    public required IReadOnlyList<TokenScope> Scopes { get; init; }

    /// <summary>
    /// With <see cref="TokenScope.Pin"/> or <see cref="TokenScope.Deploy"/>: only pins whose name one of these matches. Absent: all.
    /// </summary>
    public IReadOnlyList<PinPattern>? Pins { get; init; }

    /// <summary>Seconds from now; absent: until it is revoked.</summary>
    public double? ExpiresSeconds { get; init; }

    /// <summary>
    /// Its trust group, of the same characters as a name: its tokens rely on each other's uploads before a server has read them. Absent:
    /// the token relies on its own uploads only.
    /// </summary>
    public string? Group { get; init; }
}

/// <summary>A token without its secret, for those who may see tokens.</summary>
public sealed record Token
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    public required IReadOnlyList<TokenScope> Scopes { get; init; }

    /// <summary>Absent: all pins.</summary>
    public IReadOnlyList<PinPattern>? Pins { get; init; }

    public required DateTimeOffset Created { get; init; }

    public DateTimeOffset? Expires { get; init; }

    public DateTimeOffset? Revoked { get; init; }

    /// <summary>Absent: a trust group of its own.</summary>
    public string? Group { get; init; }

    /// <summary>When it was last used, to about ten minutes; absent: never.</summary>
    public DateTimeOffset? LastUsed { get; init; }
}

/// <summary>A token that was just made.</summary>
public sealed record CreatedToken
{
    public required Token Token { get; init; }

    /// <summary>What the client sends. It cannot be shown a second time.</summary>
    public required string Secret { get; init; }

    /// <summary>Leaves out the secret, so that no log has it by accident.</summary>
    public override string ToString() => Token.ToString();
}

/// <summary>Tokens, by name.</summary>
public sealed record TokenList
{
    public required IReadOnlyList<Token> Tokens { get; init; }
}

public sealed class TokenScopeConverter() : JsonStringEnumConverter<TokenScope>(JsonNamingPolicy.CamelCase, allowIntegerValues: false);
