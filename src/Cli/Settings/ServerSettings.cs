using System.Globalization;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Settings;

/// <summary>Which server, which cache, which token. A flag comes before the environment, the environment before the file.</summary>
internal sealed record ServerSettings
{
    public const string DefaultUrl = "http://127.0.0.1:5751";
    public const string DefaultCache = "default";

    /// <summary>Without a slash at its end; it may have a path.</summary>
    public required Uri Url { get; init; }

    /// <summary>Where <see cref="Url"/> comes from, for messages.</summary>
    public required string UrlSource { get; init; }

    public required string Cache { get; init; }

    /// <summary>The file of the token that was named.</summary>
    public string? TokenFile { get; init; }

    /// <summary>The command that was named to print the token; with <see cref="TokenFile"/> never.</summary>
    public string? TokenCommand { get; init; }

    /// <summary>The audience of a job's identity that was named; null: the server may name its own URL.</summary>
    public string? Audience { get; init; }

    /// <summary>Whom to trust, and what to show.</summary>
    public ClientTls Tls { get; init; } = new();

    /// <summary>Which server and token are used is told.</summary>
    public bool IsVerbose { get; init; }

    public int Level { get; init; } = 3;

    /// <summary>NARs read, hashed and compressed at the same time.</summary>
    public int Jobs { get; init; } = Environment.ProcessorCount;

    /// <param name="logins">Where a login names the server when nothing else does; null: nowhere.</param>
    public static ServerSettings Resolve(Flags flags, Func<string, string?> environment, ConfigFile? file, LoginStore? logins = null)
    {
        var (url, source) = First(
            (flags.Url, "--url"),
            (environment("ORLEANS_CACHE_URL"), "ORLEANS_CACHE_URL"),
            (file?["url"], file?.Path ?? ""));
        if (url.Length == 0)
            (url, source) = OfLogins(logins) is { } login ? (login, "the login there") : (DefaultUrl, "the default");
        var (cache, cacheSource) = First((flags.Cache, "--cache"), (environment("ORLEANS_CACHE_NAME"), "ORLEANS_CACHE_NAME"),
            (file?["cache"], file?.Path ?? ""), (DefaultCache, ""));
        RequireCacheName(cache, cacheSource);
        var (tokenFile, tokenCommand) = TokenOf(flags, environment, file);
        return new ServerSettings
        {
            Url = ParseUrl(url, source),
            UrlSource = source,
            Cache = cache,
            TokenFile = tokenFile is null ? null : Expand(tokenFile, environment),
            TokenCommand = tokenCommand,
            Audience = First((flags.Audience, ""), (environment("ORLEANS_CACHE_AUDIENCE"), ""), (file?["audience"], "")).Value
                is { Length: > 0 } audience ? audience : null,
            Tls = new ClientTls
            {
                AuthorityFile = FileOf(flags.Authority, "ORLEANS_CACHE_CA", "ca"),
                CertificateFile = FileOf(flags.ClientCertificate, "ORLEANS_CACHE_CLIENT_CERT", "client-cert"),
                KeyFile = FileOf(flags.ClientKey, "ORLEANS_CACHE_CLIENT_KEY", "client-key"),
            },
            Level = flags.Level ?? Number(file, "level", 1, 19) ?? 3,
            Jobs = flags.Jobs ?? Number(file, "jobs", 1, 256) ?? Environment.ProcessorCount,
        };

        string? FileOf(string? flag, string variable, string key) =>
            First((flag, ""), (environment(variable), ""), (file?[key], "")).Value is { Length: > 0 } path ? Expand(path, environment)
                : null;
    }

    // What is nearer hides what is further away, whichever of the two it is.
    private static (string? File, string? Command) TokenOf(Flags flags, Func<string, string?> environment, ConfigFile? file)
    {
        foreach (var (tokenFile, command, names) in (ReadOnlySpan<(string?, string?, string)>)[
            (flags.TokenFile, flags.TokenCommand, "--token-file and --token-command"),
            (environment("ORLEANS_CACHE_TOKEN_FILE"), environment("ORLEANS_CACHE_TOKEN_COMMAND"),
                "ORLEANS_CACHE_TOKEN_FILE and ORLEANS_CACHE_TOKEN_COMMAND"),
            (file?["token-file"], file?["token-command"], $"token-file and token-command of {file?.Path}")])
        {
            var (hasFile, hasCommand) = (!string.IsNullOrWhiteSpace(tokenFile), !string.IsNullOrWhiteSpace(command));
            if (hasFile && hasCommand)
                throw new CliException(ExitCodes.Usage, $"{names} exclude each other: name one of them.");
            if (hasFile || hasCommand)
                return (hasFile ? tokenFile!.Trim() : null, hasCommand ? command!.Trim() : null);
        }

        return (null, null);
    }

    private static string? OfLogins(LoginStore? logins) => logins?.Read() switch
    {
        null or [] => null,
        [var only] => only.Url,
        var several => throw new CliException(ExitCodes.Usage,
            $"There are logins at {string.Join(", ", several.Select(login => login.Url))}: say with --url which is meant."),
    };

    private static (string Value, string Source) First(params ReadOnlySpan<(string? Value, string Source)> candidates)
    {
        foreach (var (value, source) in candidates)
        {
            if (!string.IsNullOrWhiteSpace(value))
                return (value.Trim(), source);
        }

        return ("", "");
    }

    public static void RequireCacheName(string cache, string source)
    {
        if (!cache.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new CliException(ExitCodes.Usage,
                $"'{cache}' (from {source}) cannot be the name of a cache: letters, digits and - _ . are allowed.");
    }

    public static Uri ParseUrl(string text, string source)
    {
        if (!Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")
            || url.Host.Length == 0)
            throw new CliException(ExitCodes.Usage,
                $"'{text}' (from {source}) is not a URL of a server: http://host:port or https://host/path is wanted.");
        if (url.UserInfo.Length > 0)
            throw new CliException(ExitCodes.Usage,
                $"The URL from {source} contains a user name or password. Put the token into a file and name it with --token-file.");
        return url.Query.Length == 0 && url.Fragment.Length == 0
            ? url
            : throw new CliException(ExitCodes.Usage, $"'{text}' (from {source}) must have neither a query nor a fragment.");
    }

    private static string Expand(string path, Func<string, string?> environment) =>
        path.StartsWith("~/", StringComparison.Ordinal) && environment("HOME") is { } home ? Path.Combine(home, path[2..]) : path;

    private static int? Number(ConfigFile? file, string key, int least, int most)
    {
        if (file?[key] is not { } text)
            return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new CliException(ExitCodes.Usage, $"{file.Path}: {key} = {text}: a number from {least} to {most} is wanted.");
    }
}

/// <summary>The flags of the command line; null where a flag is absent.</summary>
internal sealed record Flags(string? Url = null, string? Cache = null, string? TokenFile = null, int? Level = null, int? Jobs = null)
{
    public string? TokenCommand { get; init; }

    public string? Audience { get; init; }

    public string? Authority { get; init; }

    public string? ClientCertificate { get; init; }

    public string? ClientKey { get; init; }
}
