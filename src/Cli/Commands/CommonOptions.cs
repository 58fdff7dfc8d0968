using System.CommandLine;
using System.CommandLine.Parsing;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary>The options of every command, and the settings that they lead to.</summary>
internal sealed class CommonOptions
{
    /// <summary>Patience for a server's first answer: enough for a server that is just starting, short for a mistyped URL.</summary>
    private static readonly TimeSpan FirstPatience = TimeSpan.FromSeconds(5);

    public Option<string?> Url { get; } = new("--url")
    {
        Description =
            $"The server, such as https://cache.example.org. Else $ORLEANS_CACHE_URL, the configuration file, {ServerSettings.DefaultUrl}.",
        HelpName = "URL",
        Recursive = true,
    };

    public Option<string?> TokenFile { get; } = new("--token-file")
    {
        Description = "A file with the token. Else $ORLEANS_CACHE_TOKEN_FILE, the configuration file.",
        HelpName = "FILE",
        Recursive = true,
    };

    public Option<string?> Cache { get; } = new("--cache")
    {
        Description = "The name of the cache on that server. Else $ORLEANS_CACHE_NAME, the configuration file, 'default'.",
        HelpName = "NAME",
        Recursive = true,
    };

    public void AddTo(Command command)
    {
        Url.Validators.Add(static result => Check(result, text => ServerSettings.ParseUrl(text, "--url")));
        Cache.Validators.Add(static result => Check(result, text => ServerSettings.RequireCacheName(text, "--cache")));
        command.Options.Add(Url);
        command.Options.Add(TokenFile);
        command.Options.Add(Cache);
    }

    public ServerSettings Resolve(ParseResult result, int? level = null, int? jobs = null)
    {
        var flags = new Flags(result.GetValue(Url), result.GetValue(Cache), result.GetValue(TokenFile), level, jobs);
        var path = ConfigFile.DefaultPath(Environment.GetEnvironmentVariable);
        return ServerSettings.Resolve(flags, Environment.GetEnvironmentVariable, path is null ? null : ConfigFile.Load(path));
    }

    private static void Check(OptionResult result, Action<string> parse)
    {
        try
        {
            if (result.Tokens is [var only] && !string.IsNullOrWhiteSpace(only.Value))
                parse(only.Value.Trim());
        }
        catch (CliException e)
        {
            result.AddError(e.Message);
        }
    }

    public static RetryPolicy First(RetryPolicy policy) => policy with { Patience = FirstPatience, MaxDelay = TimeSpan.FromSeconds(1) };

    /// <summary>The error for an unreachable server: which URL, where it comes from, what to do.</summary>
    public static CliException Unreachable(ServerSettings settings, CliException e) => e.IsComplete ? e : new CliException(e.ExitCode,
        $"{e.Message}\nThe server is {settings.Url} (from {settings.UrlSource}). Does it run there? 'orleans-cache doctor' looks closer.",
        e);
}
