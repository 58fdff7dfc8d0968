using System.Globalization;

namespace OrleansCache.Contracts;

/// <summary>
/// The contract of tokens. What it answers is what the catalog says at that moment: a token that is revoked is refused from then on by
/// every process.
/// </summary>
public interface ITokens
{
    /// <summary>The same for somebody: who makes or revokes a token stands in the audit log.</summary>
    ITokens As(Caller caller);

    /// <summary>Makes a token. One of that name that is not revoked: <see cref="ProblemKind.TokenExists"/>.</summary>
    Task<CreatedToken> CreateAsync(CacheName cache, CreateToken request, CancellationToken cancellationToken);

    /// <summary>Tokens by name, without those that were revoked unless <paramref name="revokedToo"/>.</summary>
    Task<TokenList> ListAsync(CacheName cache, bool revokedToo, CancellationToken cancellationToken);

    /// <summary>
    /// Revokes a token for good, and ends its open pushes; again does nothing. There never was one: <see cref="ProblemKind.UnknownToken"/>.
    /// </summary>
    Task RevokeAsync(CacheName cache, long id, CancellationToken cancellationToken);

    /// <summary>What the token with this secret allows; null when there is none, or it has expired or was revoked.</summary>
    /// <exception cref="CacheProblemException">The database does not answer: nothing is known.</exception>
    Task<ValidToken?> FindAsync(string secret, CancellationToken cancellationToken);
}

/// <summary>A token that is good now.</summary>
/// <param name="Pins">Null: all pins.</param>
/// <param name="Group">Its trust group; null: its own.</param>
public sealed record ValidToken(long Id, CacheName Cache, IReadOnlyList<TokenScope> Scopes, IReadOnlyList<PinPattern>? Pins,
    string? Group = null)
{
    /// <summary>The publisher that a token is: see <see cref="Caller"/>.</summary>
    public static string PublisherOf(long id) => string.Create(CultureInfo.InvariantCulture, $"token:{id}");
}
