using System.CommandLine;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Settings;

/// <summary>Options that take a duration: <c>90s</c>, <c>15m</c>, <c>6h</c>, <c>30d</c>.</summary>
internal static class Duration
{
    public static Option<TimeSpan?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = argument =>
        {
            if (DurationText.TryParse(argument.Tokens[^1].Value, out var duration, out var error))
                return duration;
            argument.AddError($"{name} {error}.");
            return null;
        },
    };
}
