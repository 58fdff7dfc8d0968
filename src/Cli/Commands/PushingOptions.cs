using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Store;

namespace OrleansCache.Cli.Commands;

/// <summary>The options of every command that pushes: how, and what not.</summary>
internal sealed class PushingOptions
{
    private readonly Option<int?> _level = NumberOption.Create("--level", 1, 19, "zstd level, 1 (fast) to 19 (small). [default: 3]");

    private readonly Option<int?> _jobs =
        NumberOption.Create("--jobs", 1, 256, "NARs read and compressed at once. [default: the number of processors]", "-j");

    private readonly Option<bool> _noLogs = new("--no-logs") { Description = "Do not send build logs." };

    private readonly Option<bool> _noRealisations =
        new("--no-realisations") { Description = "Do not send the realisations of content-addressed derivations." };

    private readonly Option<bool> _noUpstream =
        new("--no-upstream") { Description = "Send also what an upstream of the cache has." };

    private readonly FilterOptions _filter = new();

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_level, _jobs, _noLogs, _noRealisations, _noUpstream])
            command.Options.Add(option);
        _filter.AddTo(command);
    }

    /// <exception cref="CliException">A setting is wrong.</exception>
    public PushCall Of(CommonOptions common, ParseResult result, Action<string> note)
    {
        var settings = common.Resolve(result, result.GetValue(_level), result.GetValue(_jobs));
        return new PushCall(settings,
            new PushOptions
            {
                Level = settings.Level,
                Jobs = settings.Jobs,
                Logs = !result.GetValue(_noLogs),
                Upstream = !result.GetValue(_noUpstream),
            },
            new ClosureLookup(new LocalStore { Trace = settings.IsVerbose ? note : _ => { } })
            {
                Filter = _filter.Of(result),
                Logs = !result.GetValue(_noLogs),
                Realisations = !result.GetValue(_noRealisations),
                Note = note,
            });
    }
}

/// <summary>What the command line says of pushes.</summary>
internal sealed record PushCall(ServerSettings Settings, PushOptions Options, ClosureLookup Lookup)
{
    /// <param name="patience">How long a request is tried again; null: minutes, as a person or a job waits for it.</param>
    public PushServer OpenServer(Action<string> note, TimeSpan? patience = null)
    {
        var retry = new RetryPolicy { OnRetry = (what, delay) => note($"{what}; trying again in {Text.Duration(delay)}") };
        return new PushServer(Settings, Options, patience is { } limit ? retry with { Patience = limit } : retry);
    }
}
