using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace OrleansCache.Gateway.Oidc;

/// <summary>
/// The name of an identity's publisher: <c>oidc:&lt;its rules&gt;/&lt;values of their claims&gt;</c>. With the rules in it, who may do
/// something else is another publisher. No run, attempt or time is in it, so the jobs of one repository go on with each other's pushes.
/// </summary>
internal static class PublisherName
{
    public const string Prefix = "oidc:";

    private const int MaxLength = 255;
    private const int MaxValues = 200;

    // It leaves room for the prefix, the slash and a hash.
    private const int MaxRules = MaxLength - 80;
    private const string Plain = "._~:@-";

    // A plus is in no value and in no rule's name, so none of them passes for a hash; and a pattern may have it.
    private const string HashPrefix = "sha256+";

    /// <param name="rules">Those that match, at least one.</param>
    /// <param name="claims">Of the token, or of the certificate.</param>
    /// <param name="prefix">The kind of the proof.</param>
    public static string Of(IReadOnlyList<Rule> rules, JsonElement claims, string prefix = Prefix)
    {
        var values = string.Join('/', rules.SelectMany(r => r.PublisherOf(claims)).Distinct()
            .Select(path => string.Join(',', path.FindIn(claims)!.Select(Encode))));
        var names = Shorten(string.Join('+', rules.Select(r => r.Name)), MaxRules);
        return $"{prefix}{names}/{Shorten(values, Math.Min(MaxValues, MaxLength - prefix.Length - names.Length - 1))}";
    }

    private static string Shorten(string text, int max) => text.Length <= max ? text
        : HashPrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Encode(string value)
    {
        var text = new StringBuilder(value.Length);
        foreach (var b in Encoding.UTF8.GetBytes(value))
        {
            var c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || Plain.Contains(c, StringComparison.Ordinal))
                text.Append(c);
            else
                text.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }

        return text.ToString();
    }
}
