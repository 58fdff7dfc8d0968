using System.Buffers.Text;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace OrleansCache.Gateway.Oidc;

/// <summary>The keys of an issuer at one time. Keys that verify none of <see cref="Algorithms"/> are left out.</summary>
internal sealed class KeySet
{
    private const int MinRsaBytes = 2048 / 8;
    private const int MaxRsaBytes = 8192 / 8;

    // Of a token that names no key so many are tried.
    private const int MaxTried = 8;

    private readonly IReadOnlyList<(JsonWebKey Key, string? Algorithm)> _keys;

    private KeySet(IReadOnlyList<(JsonWebKey, string?)> keys) => _keys = keys;

    /// <summary>Those that a token may be signed with: the verifying key can sign nothing, so it is no secret.</summary>
    public static IReadOnlyList<string> Algorithms { get; } =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    public int Count => _keys.Count;

    /// <exception cref="KeySourceException">The text is no JWKS, or none of its keys is of use.</exception>
    public static KeySet Parse(string json)
    {
        IList<JsonWebKey> all;
        try
        {
            all = JsonWebKeySet.Create(json).Keys;
        }
        catch (Exception e) when (e is ArgumentException or JsonException or FormatException or InvalidOperationException)
        {
            throw new KeySourceException("it is no JWKS, a JSON object with 'keys'", e);
        }

        var keys = all.Where(k => k.Use is null or "" or "sig" && IsOfUse(k)).Select(k => (PublicHalf(k), k.Alg is { Length: > 0 } alg
            ? alg : null)).ToList();
        return keys.Count > 0 ? new KeySet(keys)
            : throw new KeySourceException($"it has no key for one of {string.Join(", ", Algorithms)}; RSA needs 2048 bits");
    }

    /// <summary>The keys that may have signed a token; empty: none known.</summary>
    /// <param name="id">The key that the token names; null: it names none.</param>
    /// <param name="algorithm">Of the token's header.</param>
    public IReadOnlyList<SecurityKey> Find(string? id, string algorithm) =>
        [.. _keys.Where(k => (id is null || k.Key.Kid == id) && (k.Algorithm is null || k.Algorithm == algorithm) && Fits(k.Key, algorithm))
            .Select(k => k.Key).Take(MaxTried)];

    // The curve belongs to the algorithm: ES256 is P-256 and nothing else.
    private static bool Fits(JsonWebKey key, string algorithm) => algorithm switch
    {
        "ES256" => key.Crv == "P-256",
        "ES384" => key.Crv == "P-384",
        "ES512" => key.Crv == "P-521",
        _ => key.Kty == "RSA" && Algorithms.Contains(algorithm),
    };

    private static bool IsOfUse(JsonWebKey key) => key.Kty switch
    {
        "RSA" => IsBase64Url(key.E) && IsBase64Url(key.N)
            && Base64Url.DecodeFromChars(key.N).AsSpan().TrimStart((byte)0).Length is >= MinRsaBytes and <= MaxRsaBytes,
        "EC" => key.Crv is "P-256" or "P-384" or "P-521" && IsBase64Url(key.X) && IsBase64Url(key.Y),
        _ => false,
    };

    private static bool IsBase64Url(string? text) => text is { Length: > 0 } && Base64Url.IsValid(text);

    // No certificate and no private half goes along: only what the algorithms need.
    private static JsonWebKey PublicHalf(JsonWebKey key) => key.Kty == "RSA"
        ? new JsonWebKey { Kty = key.Kty, Kid = key.Kid, N = key.N, E = key.E }
        : new JsonWebKey { Kty = key.Kty, Kid = key.Kid, Crv = key.Crv, X = key.X, Y = key.Y };
}
