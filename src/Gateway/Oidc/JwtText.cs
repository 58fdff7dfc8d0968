using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace OrleansCache.Gateway.Oidc;

/// <summary>A signed token as it was sent: header and claims are read, and nothing is proven.</summary>
internal sealed class JwtText
{
    public const int MaxLength = 16 << 10;
    private const int MaxDepth = 16;

    private static readonly SearchValues<char> Base64UrlDigits =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    private JwtText(string text, JsonElement header, JsonElement claims) => (Text, Header, Claims) = (text, header, claims);

    public string Text { get; }

    public JsonElement Header { get; }

    public JsonElement Claims { get; }

    /// <summary>The form of such a token: three parts of base64url, and the first is JSON with <c>alg</c>.</summary>
    public static bool HasForm(string text) => TrySplit(text, out var header, out _) && TryRead(text[header], out var read)
        && read.TryGetProperty("alg", out _);

    /// <summary>False with the reason when the text is no token that anybody could have signed.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out JwtText? token, [NotNullWhen(false)] out string? fault)
    {
        (token, fault) = (null, null);
        if (text.Length > MaxLength)
            fault = $"it has {text.Length} characters, and at most {MaxLength} are taken";
        else if (!TrySplit(text, out var header, out var claims) || !TryRead(text[header], out var readHeader)
            || !TryRead(text[claims], out var readClaims))
            fault = "it is not three parts of base64url with JSON objects in the first two, without a name that is there twice";
        else
            token = new JwtText(text, readHeader, readClaims);
        return token is not null;
    }

    /// <summary>A member that is a text; null: there is none, or something else.</summary>
    public static string? TextOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString() : null;

    /// <summary>The texts of <c>aud</c>, which is one or a list.</summary>
    public IEnumerable<string> Audiences() => !Claims.TryGetProperty("aud", out var aud) ? []
        : aud.ValueKind == JsonValueKind.String ? [aud.GetString()!]
        : aud.ValueKind == JsonValueKind.Array
            ? [.. aud.EnumerateArray().Where(a => a.ValueKind == JsonValueKind.String).Select(a => a.GetString()!)]
        : [];

    /// <summary>A claim that is a time, in seconds since 1970.</summary>
    /// <returns>False: it is there, and no time.</returns>
    public bool TryGetTime(string name, out DateTimeOffset? time)
    {
        time = null;
        if (!Claims.TryGetProperty(name, out var member))
            return true;
        if (member.ValueKind != JsonValueKind.Number || !member.TryGetDouble(out var seconds)
            || !(seconds >= 0 && seconds < DateTimeOffset.MaxValue.ToUnixTimeSeconds()))
            return false;
        time = DateTimeOffset.UnixEpoch.AddSeconds(seconds);
        return true;
    }

    private static bool TrySplit(string text, out Range header, out Range claims)
    {
        (header, claims) = (default, default);
        var first = text.IndexOf('.', StringComparison.Ordinal);
        var second = text.IndexOf('.', first + 1);
        if (first <= 0 || second <= first + 1 || second == text.Length - 1
            || text.AsSpan(0, first).ContainsAnyExcept(Base64UrlDigits)
            || text.AsSpan(first + 1, second - first - 1).ContainsAnyExcept(Base64UrlDigits)
            || text.AsSpan(second + 1).ContainsAnyExcept(Base64UrlDigits))
            return false;
        (header, claims) = (..first, (first + 1)..second);
        return true;
    }

    private static bool TryRead(string part, out JsonElement read)
    {
        read = default;
        var bytes = new byte[part.Length];
        if (Base64Url.DecodeFromChars(part, bytes, out _, out var length) != OperationStatus.Done)
            return false;
        try
        {
            read = JsonElement.Parse(bytes.AsSpan(0, length), Strict);
            return read.ValueKind == JsonValueKind.Object && IsText(read);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    // Names and texts may hold bytes or escapes that are no character, which is found out only when they are asked for.
    /// <exception cref="InvalidOperationException">One of them does.</exception>
    private static bool IsText(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().All(member => IsWhole(member.Name) && IsText(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().All(IsText),
        JsonValueKind.String => IsWhole(element.GetString()!),
        _ => true,
    };

    private static bool IsWhole(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune == Rune.ReplacementChar)
                return false;
        }

        return true;
    }
}
