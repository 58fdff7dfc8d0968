using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace OrleansCache.Cli.Settings;

/// <summary>Options and arguments that take a whole number; an error names the range.</summary>
internal static class NumberOption
{
    public static Option<T?> Create<T>(string name, T least, T most, string description, params string[] aliases)
        where T : struct, IBinaryInteger<T>, IMinMaxValue<T> => new(name, aliases)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result => Parse(result, name, least, most),
        };

    public static T? Parse<T>(System.CommandLine.Parsing.ArgumentResult result, string name, T least, T most)
        where T : struct, IBinaryInteger<T>, IMinMaxValue<T>
    {
        if (result.Tokens.Count == 0)
            return null;
        var text = result.Tokens[^1].Value;
        if (T.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
            return number;
        var limit = most == T.MaxValue ? "" : string.Create(CultureInfo.InvariantCulture, $" to {most}");
        result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} '{text}': a number from {least}{limit} is wanted."));
        return null;
    }
}
