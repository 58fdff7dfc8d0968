using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Core.Tokens;

/// <summary>
/// What a client sends of a token: <c>oct_</c>, by which scanners for secrets find it, and 256 random bits in 52 characters of Nix's base
/// 32.
/// </summary>
public static class TokenSecret
{
    public const string Prefix = "oct_";
    private const int RandomBytes = 32;

    public static string New() => Prefix + Nix32.Encode(RandomNumberGenerator.GetBytes(RandomBytes));

    /// <summary>
    /// The SHA-256 of the secret's text; false for what cannot be the secret of a token, which nobody has to be asked about.
    /// </summary>
    public static bool TryDigest(string text, [NotNullWhen(true)] out byte[]? digest)
    {
        Span<byte> random = stackalloc byte[RandomBytes];
        digest = text.StartsWith(Prefix, StringComparison.Ordinal) && Nix32.TryDecode(text.AsSpan(Prefix.Length), random)
            ? SHA256.HashData(Encoding.ASCII.GetBytes(text)) : null;
        return digest is not null;
    }
}
