using System.CommandLine;
using System.CommandLine.Parsing;

namespace OrleansCache.Cli.Settings;

/// <summary>
/// Refuses empty values of every option and argument: an empty value is a variable that a script forgot to set, not the default.
/// </summary>
internal static class TextValues
{
    public static void Require(Command command)
    {
        foreach (var option in command.Options)
            option.Validators.Add(result => Check(result, option.Name, option.ValueType, result.Tokens));
        foreach (var argument in command.Arguments)
            argument.Validators.Add(result => Check(result, argument.Name, argument.ValueType, result.Tokens));
        foreach (var inner in command.Subcommands)
            Require(inner);
    }

    private static void Check(SymbolResult result, string name, Type type, IReadOnlyList<Token> tokens)
    {
        foreach (var token in tokens)
        {
            if (Problem(token.Value, type) is { } problem)
            {
                result.AddError($"{name} {problem}.");
                return;
            }
        }
    }

    private static string? Problem(string value, Type type) => type switch
    {
        // All other types have parsers of their own.
        _ when type != typeof(string) && type != typeof(string[]) => null,
        _ when string.IsNullOrWhiteSpace(value) => "is empty: give it a value, or leave it out",
        _ => value.Any(char.IsControl) ? "has a control character, such as the end of a line" : null,
    };
}
