using System.Buffers.Text;
using System.Text.Json;

namespace OrleansCache.Cli.Tokens;

/// <summary>When a token expires, if it says so itself. Nothing is verified: the server does that.</summary>
internal static class JwtExpiry
{
    /// <summary>The claim <c>exp</c> of a JWT; null of any other token.</summary>
    public static DateTimeOffset? Of(string token)
    {
        if (token.Split('.') is not [_, var payload, _])
            return null;
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            return claims.RootElement.ValueKind == JsonValueKind.Object && claims.RootElement.TryGetProperty("exp", out var end)
                && end.TryGetDouble(out var seconds) && seconds is > 0 and < 253_402_300_800
                ? DateTimeOffset.FromUnixTimeSeconds((long)seconds) : null;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }
}
