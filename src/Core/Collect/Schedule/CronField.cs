using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace OrleansCache.Core.Collect.Schedule;

/// <summary>One field of a cron expression: a bit for each value, and whether it begins with <c>*</c>.</summary>
internal readonly record struct CronField(ulong Bits, bool IsStar)
{
    /// <param name="name">What the field is, for errors.</param>
    /// <param name="text">A list of <c>*</c>, values and ranges, each with a step perhaps: <c>*/5</c>, <c>1-5</c>, <c>mon,fri</c>,
    /// <c>10-30/10</c>.</param>
    /// <param name="least">The least value.</param>
    /// <param name="most">The greatest value.</param>
    /// <param name="names">Names of the values from <paramref name="least"/> on.</param>
    /// <param name="field">The field.</param>
    /// <param name="error">What is wrong.</param>
    public static bool TryParse(string name, string text, int least, int most, string[] names, out CronField field,
        [NotNullWhen(false)] out string? error)
    {
        field = default;
        ulong bits = 0;
        foreach (var item in text.Split(','))
        {
            var (range, step) = item.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0 ? (item[..slash], item[(slash + 1)..])
                : (item, null);
            var dash = range.IndexOf('-', StringComparison.Ordinal);
            int? by = step is null ? 1 : Number(step) is > 0 and var given ? given : null;
            // A single value with a step is no range, as in cron; readers would disagree about its meaning.
            var (first, last) = range == "*" ? (least, most)
                : dash > 0 ? (Value(range[..dash]), Value(range[(dash + 1)..]))
                : step is null ? (Value(range), Value(range)) : (null, null);
            if (by is null || first is not { } from || last is not { } to || from < least || to > most || from > to)
            {
                error = $"has '{item}' as {name}: a number from {least} to " +
                    $"{most}{(names.Length == 0 ? "" : $" or a name such as {names[1]}")} is wanted, a range such as " +
                    $"{least + 1}-{least + 3}, or *, with a step such as */2 perhaps";
                return false;
            }

            for (var value = from; value <= to; value += by.Value)
                bits |= 1UL << value;
        }

        field = new CronField(bits, text[0] == '*');
        error = null;
        return true;

        int? Value(string part) => Array.FindIndex(names, n => n.Equals(part, StringComparison.OrdinalIgnoreCase)) is var index and >= 0
            ? least + index : Number(part);

        static int? Number(string part) => part.Length <= 3 && int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture,
            out var number) ? number : null;
    }
}
