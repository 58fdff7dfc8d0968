using System.Globalization;

namespace OrleansCache.Contracts;

/// <summary>
/// The contract of tokens. Its answers are the catalog's at that moment: every process refuses a token from its revocation on.
/// </summary>
public interface ITokens
{
    /// <summary>The same for another caller: the audit log names who makes or revokes a token.</summary>
    ITokens As(Caller caller);

    /// <summary>Makes a token. <see cref="ProblemKind.TokenExists"/>: a token of that name exists and is not revoked.</summary>
    Task<CreatedToken> CreateAsync(CacheName cache, CreateToken request, CancellationToken cancellationToken);

    /// <summary>Tokens by name, without those that were revoked unless <paramref name="revokedToo"/>.</summary>
    Task<TokenList> ListAsync(CacheName cache, bool revokedToo, CancellationToken cancellationToken);

    /// <summary>
    /// Revokes a token for good, and ends its open pushes; a second call does nothing. <see cref="ProblemKind.UnknownToken"/>: there never
    /// was such a token.
    /// </summary>
    Task RevokeAsync(CacheName cache, long id, CancellationToken cancellationToken);

    /// <summary>What the token with this secret allows; null when there is none, or when it has expired or was revoked.</summary>
    /// <exception cref="CacheProblemException">The database does not answer, so nothing is known.</exception>
    Task<ValidToken?> FindAsync(string secret, CancellationToken cancellationToken);
}

/// <summary>A token that is valid now.</summary>
/// <param name="Pins">Null: all pins.</param>
/// <param name="Group">Its trust group; null: a group of its own.</param>
/// <param name="Expires">Null: when it is revoked.</param>
/// <param name="Block">Why it is refused all the same; null: it is not.</param>
public sealed record ValidToken(long Id, CacheName Cache, IReadOnlyList<TokenScope> Scopes, IReadOnlyList<PinPattern>? Pins,
    string? Group = null, DateTimeOffset? Expires = null, SubjectBlock? Block = null)
{
    /// <summary>The publisher of a token: see <see cref="Caller"/>.</summary>
    public static string PublisherOf(long id) => string.Create(CultureInfo.InvariantCulture, $"token:{id}");
}
