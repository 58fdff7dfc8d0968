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
        Description =
            "A file with the token. Else $ORLEANS_CACHE_TOKEN_FILE, the configuration file, the login there, the identity of the job.",
        HelpName = "FILE",
        Recursive = true,
    };

    public Option<string?> TokenCommand { get; } = new("--token-command")
    {
        Description = "A command that prints the token and holds no secret; it runs again before the token expires. Else " +
            "$ORLEANS_CACHE_TOKEN_COMMAND.",
        HelpName = "COMMAND",
        Recursive = true,
    };

    public Option<string?> Audience { get; } = new("--audience")
    {
        Description = "The audience of a job's identity, where it is not the server's URL. Else $ORLEANS_CACHE_AUDIENCE.",
        HelpName = "TEXT",
        Recursive = true,
    };

    public Option<string?> Authority { get; } = new("--ca")
    {
        Description = "Certificates of whoever signs the server's, PEM, beside those of the system. Else $ORLEANS_CACHE_CA.",
        HelpName = "FILE",
        Recursive = true,
    };

    public Option<string?> ClientCertificate { get; } = new("--client-cert")
    {
        Description = "A certificate to show to the server, PEM. Else $ORLEANS_CACHE_CLIENT_CERT.",
        HelpName = "FILE",
        Recursive = true,
    };

    public Option<string?> ClientKey { get; } = new("--client-key")
    {
        Description = "Its key, PEM. Else $ORLEANS_CACHE_CLIENT_KEY.",
        HelpName = "FILE",
        Recursive = true,
    };

    public Option<bool> Verbose { get; } = new("--verbose")
    {
        Description = "Say on standard error which server and which token are used.",
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
        foreach (var option in (Option[])[TokenFile, TokenCommand, Audience, Cache, Authority, ClientCertificate, ClientKey, Verbose])
            command.Options.Add(option);
    }

    /// <param name="url">The server, where an argument names it.</param>
    /// <exception cref="CliException">A setting is wrong.</exception>
    public ServerSettings Resolve(ParseResult result, int? level = null, int? jobs = null, string? url = null)
    {
        if (url is not null && result.GetValue(Url) is not null)
            throw new CliException(ExitCodes.Usage, "The server is named twice, as URL and by --url: name it once.");
        var flags = new Flags(url ?? result.GetValue(Url), result.GetValue(Cache), result.GetValue(TokenFile), level, jobs)
        {
            TokenCommand = result.GetValue(TokenCommand),
            Audience = result.GetValue(Audience),
            Authority = result.GetValue(Authority),
            ClientCertificate = result.GetValue(ClientCertificate),
            ClientKey = result.GetValue(ClientKey),
        };
        var path = ConfigFile.DefaultPath(Environment.GetEnvironmentVariable);
        return ServerSettings.Resolve(flags, Environment.GetEnvironmentVariable, path is null ? null : ConfigFile.Load(path),
            LoginStore.Default(Environment.GetEnvironmentVariable)) with
        { IsVerbose = result.GetValue(Verbose) };
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
