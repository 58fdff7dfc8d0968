using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary>Tokens of the form of a JWT. Nothing here verifies them.</summary>
internal static class Jwt
{
    private static int _count;

    public static string Ending(DateTimeOffset end) => string.Create(CultureInfo.InvariantCulture,
        $"{Part("""{"alg":"none"}""")}.{Part($$"""{"exp":{{end.ToUnixTimeSeconds()}},"jti":{{Interlocked.Increment(ref _count)}}}""")}.c2ln");

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
