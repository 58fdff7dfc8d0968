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

    /// <summary>Of a name.</summary>
    public const int MaxLength = 255;

    /// <summary>Of the rules' part: it leaves room for the prefix, the slash and a hash.</summary>
    public const int MaxRules = MaxLength - 80;

    private const int MaxValues = 200;
    private const string Plain = "._~:@-";

    // A plus is in no value, see Plain, so no value passes for a hash; and a pattern may have it.
    private const string HashPrefix = "sha256+";

    /// <param name="rules">Those that match, at least one.</param>
    /// <param name="claims">Of the token.</param>
    public static string Of(IReadOnlyList<Rule> rules, JsonElement claims)
    {
        var values = string.Join('/', rules.SelectMany(r => r.PublisherOf(claims)).Distinct()
            .Select(path => string.Join(',', path.FindIn(claims)!.Select(Encode))));
        var before = $"{Prefix}{string.Join('+', rules.Select(r => r.Name))}/";
        if (values.Length > Math.Min(MaxValues, MaxLength - before.Length))
            values = HashPrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(values)));
        return before + values;
    }

    /// <summary>Of the rules' part of a name when all of these match.</summary>
    public static int LengthOf(IReadOnlyCollection<Rule> rules) => rules.Sum(r => r.Name.Length + 1) - 1;

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
