using System.CommandLine;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary>The options that leave roots out.</summary>
internal sealed class FilterOptions
{
    private readonly Option<string[]> _filter = new("--filter")
    {
        Description = "Push only roots with such a name, * and ? as in a shell. May be given several times.",
        HelpName = "GLOB",
    };

    private readonly Option<string[]> _exclude = new("--exclude")
    {
        Description = "Leave out every root that is or needs a path with such a name. May be given several times.",
        HelpName = "GLOB",
    };

    private readonly Option<long?> _maxNarSize =
        SizeOption.Create("--max-nar-size", "Leave out every root that is or needs a path with a larger NAR: 500k, 20M, 2G.");

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_filter, _exclude, _maxNarSize])
            command.Options.Add(option);
    }

    public ClosureFilter Of(ParseResult result) => new()
    {
        Wanted = result.GetValue(_filter) ?? [],
        Excluded = result.GetValue(_exclude) ?? [],
        MaxNarSize = result.GetValue(_maxNarSize),
    };
}
