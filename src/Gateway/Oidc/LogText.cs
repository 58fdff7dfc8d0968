using System.Globalization;
using System.Text;

namespace OrleansCache.Gateway.Oidc;

/// <summary>Makes what somebody else wrote fit to be read in a log.</summary>
internal static class LogText
{
    /// <summary>At most so many characters, none of which moves, hides or breaks a line: such are replaced by <c>?</c>.</summary>
    public static string Plain(string text, int maxLength)
    {
        var plain = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (plain.Length + rune.Utf16SequenceLength >= maxLength)
                return plain.Append('…').ToString();
            plain.Append(IsPlain(rune) ? rune.ToString() : "?");
        }

        return plain.ToString();
    }

    private static bool IsPlain(Rune rune) => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned);
}
