using System.Globalization;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Settings;

/// <summary>Which server, which cache, which token. A flag comes before the environment, the environment before the file.</summary>
internal sealed record ServerSettings
{
    public const string DefaultUrl = "http://127.0.0.1:5751";

    // Longer than any token; the rest of the file is not read.
    private const int MaxTokenFile = 16 << 10;

    /// <summary>Without a slash at its end; it may have a path.</summary>
    public required Uri Url { get; init; }

    /// <summary>Where <see cref="Url"/> comes from, for messages.</summary>
    public required string UrlSource { get; init; }

    public required string Cache { get; init; }

    public string? TokenFile { get; init; }

    public int Level { get; init; } = 3;

    /// <summary>NARs read, hashed and compressed at the same time.</summary>
    public int Jobs { get; init; } = Environment.ProcessorCount;

    public static ServerSettings Resolve(Flags flags, Func<string, string?> environment, ConfigFile? file)
    {
        var (url, source) = First(
            (flags.Url, "--url"),
            (environment("ORLEANS_CACHE_URL"), "ORLEANS_CACHE_URL"),
            (file?["url"], file?.Path ?? ""),
            (DefaultUrl, "the default"));
        var (cache, cacheSource) = First((flags.Cache, "--cache"), (environment("ORLEANS_CACHE_NAME"), "ORLEANS_CACHE_NAME"),
            (file?["cache"], file?.Path ?? ""), ("default", ""));
        RequireCacheName(cache, cacheSource);
        var (token, _) = First((flags.TokenFile, ""), (environment("ORLEANS_CACHE_TOKEN_FILE"), ""), (file?["token-file"], ""), ("", ""));
        return new ServerSettings
        {
            Url = ParseUrl(url, source),
            UrlSource = source,
            Cache = cache,
            TokenFile = token.Length == 0 ? null : Expand(token, environment),
            Level = flags.Level ?? Number(file, "level", 1, 19) ?? 3,
            Jobs = flags.Jobs ?? Number(file, "jobs", 1, 256) ?? Environment.ProcessorCount,
        };
    }

    /// <summary>The text of the token file, trimmed; null when none is configured.</summary>
    public string? ReadToken()
    {
        if (TokenFile is null)
            return null;
        try
        {
            using var file = new StreamReader(TokenFile);
            // A device file has no end.
            var text = new char[MaxTokenFile];
            var token = new string(text, 0, file.ReadBlock(text)).Trim();
            if (token.Length == 0)
                throw new CliException(ExitCodes.Usage, $"The token file {TokenFile} is empty.");
            // A token travels in a header. Text that cannot stand there is no token, and must not be printed either.
            return token.All(c => c is > ' ' and < '\x7f')
                ? token
                : throw new CliException(ExitCodes.Usage,
                    $"The token file {TokenFile} has more than one line or characters that no token has.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"The token file {TokenFile} cannot be read: {e.Message}");
        }
    }

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
internal sealed record Flags(string? Url = null, string? Cache = null, string? TokenFile = null, int? Level = null, int? Jobs = null);
