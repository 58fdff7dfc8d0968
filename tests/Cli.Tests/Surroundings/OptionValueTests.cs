using System.CommandLine;
using OrleansCache.Cli.Commands;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests.Surroundings;

/// <summary>Every option and argument of every command, given what it cannot mean: generated from the command line itself.</summary>
public sealed class OptionValueTests
{
    private static readonly string[] NoText = ["", " ", "\t", "\n", "   \n", "a\nb", "a\rb", "a\tb", "\u0007", "a\u001b[31m"];
    private static readonly string[] NoNumber = ["", " ", "high", "-1", "1.5", "1e3", "0x10", "NaN", "٣", "99999999999999999999"];
    private static readonly string[] NoDuration = ["", " ", "soon", "-1h", "1.5h", "15", "d", "1w", "1 h 2 m", "99999999999999999999d"];
    private static readonly string[] NoUrl = ["", " ", "/", "cache.example.org", "ftp://cache", "http://", "http://user:word@cache",
        "http://cache?a=b", "http://cache#a", "http://[::1"];
    private static readonly string[] NoName = ["", " ", "a b", "a/b", "ä", "a:b", "a?b", "a*b", "a\nb", "a,b"];
    private static readonly string[] NoHash = ["", " ", "sha256", "sha256:", "sha256-", "sha512:abc", "sha256:0", "md5:0",
        "sha256-AAAA", "1234"];
    private static readonly string[] NoWords = ["", " ", ",", "a b", "push, ,pin", "PUSH!", "push;pin", "push pin", "pü", "a\nb"];
    private static readonly string[] NoShell = ["", " ", "sh", "ksh", "BASH", "bash ", "bash,zsh", "tcsh", "powershell", "1"];

    public static TheoryData<string> Commands() => [.. All(RootCommands.Create(), "").Select(found => found.Words)];

    [Theory]
    [MemberData(nameof(Commands))]
    public void A_value_that_an_option_cannot_have_is_told_and_nothing_is_done(string words)
    {
        var command = All(RootCommands.Create(), "").Single(found => found.Words == words).Command;
        string[] call = words.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        foreach (var option in command.Options.Concat(Recursive())
            .Where(option => option.ValueType != typeof(bool) && option.ValueType != typeof(void)))
        {
            foreach (var value in BadValues(option.Name, option.ValueType))
                AssertRefused([.. call, $"{option.Name}={value}"], value);
            AssertRefused([.. call, option.Name], "nothing");
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void A_value_that_an_argument_cannot_have_is_told_and_nothing_is_done(string words)
    {
        var command = All(RootCommands.Create(), "").Single(found => found.Words == words).Command;
        string[] call = words.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        foreach (var (i, argument) in command.Arguments.Index())
        {
            foreach (var value in BadValues(argument.Name, argument.ValueType))
                AssertRefused([.. call, .. Enumerable.Repeat("x", i), value], value);
        }
    }

    [Theory]
    [InlineData("push", "--jobs", "")]
    [InlineData("push", "--level", "high")]
    [InlineData("gc", "--force", "--grace", "x")]
    [InlineData("pins", "rollback", "app", "newest")]
    [InlineData("info", "--url", "")]
    [InlineData("audit", "--limit", "")]
    public async Task A_process_ends_with_the_code_of_wrong_usage(params string[] arguments) =>
        Client.AssertTold(await Client.RunAsync(arguments), ExitCodes.Usage);

    private static void AssertRefused(string[] arguments, string value)
    {
        var shown = string.Join(' ', arguments).Replace("\n", "\\n", StringComparison.Ordinal);
        var result = RootCommands.Parse(arguments);
        Assert.True(result.Errors.Count > 0, $"'{shown}' is taken, although it has '{value}'");
        foreach (var error in result.Errors)
        {
            Assert.DoesNotContain("System.", error.Message, StringComparison.Ordinal);
            Assert.NotEmpty(error.Message.Trim());
        }
    }

    private static string[] BadValues(string name, Type type) => (name, type) switch
    {
        ("--url", _) => NoUrl,
        ("--cache", _) => NoName,
        ("SHELL", _) => NoShell,
        // The words of another command may be anything.
        ("COMMAND", _) => [],
        (_, var t) when t == typeof(int?) || t == typeof(long?) => NoNumber,
        (_, var t) when t == typeof(TimeSpan?) || t == typeof(DateTimeOffset?) => NoDuration,
        (_, var t) when t == typeof(PinName) || t == typeof(PinName?) => NoName,
        (_, var t) when t == typeof(Sha256Hash?) => NoHash,
        ("--scope" or "--pins", _) => NoWords,
        (_, var t) when t == typeof(string) || t == typeof(string[]) => NoText,
        _ => throw new InvalidOperationException($"{name} is a {type}: say which ten values it cannot have"),
    };

    private static IEnumerable<Option> Recursive() =>
        RootCommands.Create().Options.Where(option => option.Recursive && option is not System.CommandLine.Help.HelpOption);

    private static IEnumerable<(string Words, Command Command)> All(Command command, string words) =>
        command.Subcommands.SelectMany(inner => All(inner, $"{words} {inner.Name}".Trim())).Prepend((words, command));
}
