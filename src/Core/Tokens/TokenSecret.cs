using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Core.Tokens;

/// <summary>
/// The secret of a token as clients send it: <c>oct_</c>, which secret scanners recognise, and 256 random bits in 52 characters of Nix's
/// base 32.
/// </summary>
public static class TokenSecret
{
    public const string Prefix = "oct_";
    private const int RandomBytes = 32;

    public static string New() => Prefix + Nix32.Encode(RandomNumberGenerator.GetBytes(RandomBytes));

    /// <summary>The SHA-256 of the secret's text; false for a text that cannot be a token's secret, which saves a query.</summary>
    public static bool TryDigest(string text, [NotNullWhen(true)] out byte[]? digest)
    {
        Span<byte> random = stackalloc byte[RandomBytes];
        digest = text.StartsWith(Prefix, StringComparison.Ordinal) && Nix32.TryDecode(text.AsSpan(Prefix.Length), random)
            ? SHA256.HashData(Encoding.ASCII.GetBytes(text)) : null;
        return digest is not null;
    }
}
