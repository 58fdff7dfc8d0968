using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace OrleansCache.Gateway.Oidc;

/// <summary>Whether a token is what an issuer has signed, for this server and for now.</summary>
internal sealed class TokenVerifier(TimeProvider time)
{
    /// <summary>How far the clocks of an issuer and of this server may be apart.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromSeconds(60);

    private static readonly string[] Types = ["JWT", "at+jwt"];

    private readonly JsonWebTokenHandler _handler = new() { MaximumTokenSizeInBytes = JwtText.MaxLength };

    /// <summary>What needs no key; null: nothing is wrong so far.</summary>
    public string? FindFault(JwtText token, Issuer issuer)
    {
        var algorithm = JwtText.TextOf(token.Header, "alg");
        if (algorithm is null || !KeySet.Algorithms.Contains(algorithm))
            return $"its algorithm is none of {string.Join(", ", KeySet.Algorithms)}";
        if (token.Header.TryGetProperty("crit", out _))
            return "its header has 'crit', which asks for something that this server does not know";
        if (token.Header.TryGetProperty("kid", out var id) && id.ValueKind != System.Text.Json.JsonValueKind.String)
            return "the 'kid' of its header is no text";
        if (token.Header.TryGetProperty("typ", out _) && !Types.Contains(JwtText.TextOf(token.Header, "typ"),
            StringComparer.OrdinalIgnoreCase))
            return $"the 'typ' of its header is none of {string.Join(", ", Types)}";
        if (!token.Audiences().Intersect(issuer.Audiences, StringComparer.Ordinal).Any())
            return $"it is for another audience: ask the issuer for one with {string.Join(" or ", issuer.Audiences.Select(a => $"'{a}'"))}";
        return FindTimeFault(token);
    }

    /// <summary>Checks the signature, and with it once more what it covers; null: it is valid.</summary>
    public async Task<string?> FindFaultAsync(JwtText token, Issuer issuer, IReadOnlyList<SecurityKey> keys)
    {
        if (keys.Count == 0)
            return "it names a key that the issuer does not have";
        var result = await _handler.ValidateTokenAsync(token.Text, new TokenValidationParameters
        {
            ValidIssuer = issuer.Url,
            ValidAudiences = issuer.Audiences,
            IgnoreTrailingSlashWhenValidatingAudience = false,
            ValidAlgorithms = KeySet.Algorithms,
            IssuerSigningKeys = keys,
            TryAllIssuerSigningKeys = true,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            ValidateIssuer = true,
            ValidateAudience = true,
            ValidateLifetime = false, // Checked above, by the server's own clock.
        });
        if (result.IsValid)
            return null;
        return result.Exception is SecurityTokenInvalidSignatureException or SecurityTokenSignatureKeyNotFoundException
            ? "its signature is not the issuer's" : "the issuer cannot have signed it so";
    }

    private string? FindTimeFault(JwtText token)
    {
        if (!token.TryGetTime("exp", out var expires) || expires is null)
            return "it does not say when it expires ('exp')";
        if (!token.TryGetTime("nbf", out var from) || !token.TryGetTime("iat", out var issued))
            return "its 'nbf' or 'iat' is no time";
        var now = time.GetUtcNow();
        // The skew moves the clock and not what the token says, which may be the last second that there is.
        if (now - Skew >= expires)
            return $"it expired at {expires:yyyy-MM-dd'T'HH:mm:ss'Z'}, and it is {now:yyyy-MM-dd'T'HH:mm:ss'Z'} here: get a new one";
        return (from > issued || issued is null ? from : issued) is { } begins && now + Skew < begins
            ? $"it is valid from {begins:yyyy-MM-dd'T'HH:mm:ss'Z'} on, and it is {now:yyyy-MM-dd'T'HH:mm:ss'Z'} here: are the clocks right?" : null;
    }
}
