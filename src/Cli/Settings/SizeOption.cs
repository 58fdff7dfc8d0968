using System.CommandLine;
using System.Globalization;

namespace OrleansCache.Cli.Settings;

/// <summary>Options that take a number of bytes: <c>1000</c>, <c>500k</c>, <c>20M</c>, <c>2G</c>, in powers of 1000.</summary>
internal static class SizeOption
{
    public static Option<long?> Create(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = argument =>
        {
            if (Parse(argument.Tokens[^1].Value) is { } size)
                return size;
            argument.AddError($"{name} '{argument.Tokens[^1].Value}': a number of bytes is wanted, such as 500k, 20M or 2G.");
            return null;
        },
    };

    private static long? Parse(string text)
    {
        var unit = text is [.., var last] ? last switch
        {
            'k' => 1_000L,
            'M' => 1_000_000,
            'G' => 1_000_000_000,
            'T' => 1_000_000_000_000,
            _ => 1,
        }
        : 1;
        return long.TryParse(unit == 1 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number <= long.MaxValue / unit ? number * unit : null;
    }
}
