using OrleansCache.Cli.Common;
namespace OrleansCache.Cli.Settings;

/// <summary>
/// The configuration file: lines <c>key = value</c> as in nix.conf, <c>#</c> begins a comment.
/// <c>$XDG_CONFIG_HOME/orleans-cache/config</c>, else <c>~/.config/orleans-cache/config</c>.
/// </summary>
internal sealed class ConfigFile
{
    public static readonly string[] Keys = ["url", "cache", "token-file", "token-command", "audience", "ca", "client-cert", "client-key",
        "level", "jobs", "queue"];

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    private ConfigFile(string path) => Path = path;

    public string Path { get; }

    public string? this[string key] => _values.GetValueOrDefault(key);

    /// <summary>The path of the file; null when neither XDG_CONFIG_HOME nor HOME is set.</summary>
    public static string? DefaultPath(Func<string, string?> environment)
    {
        // The specification says to ignore relative paths.
        if (environment("XDG_CONFIG_HOME") is { Length: > 0 } xdg && xdg[0] == '/')
            return System.IO.Path.Combine(xdg, "orleans-cache", "config");
        return environment("HOME") is { Length: > 0 } home ? System.IO.Path.Combine(home, ".config", "orleans-cache", "config") : null;
    }

    /// <summary>Empty when the file does not exist.</summary>
    public static ConfigFile Load(string path)
    {
        try
        {
            return File.Exists(path) ? Parse(path, File.ReadAllText(path)) : new ConfigFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"{path} cannot be read: {e.Message}");
        }
    }

    public static ConfigFile Parse(string path, string text)
    {
        var file = new ConfigFile(path);
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Split('#')[0].Trim();
            if (line.Length == 0)
                continue;
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                throw new CliException(ExitCodes.Usage, $"{path}:{number}: '{line}' is not 'key = value'.");
            var key = line[..equals].Trim();
            if (!Keys.Contains(key))
                throw new CliException(ExitCodes.Usage,
                    $"{path}:{number}: there is no setting '{key}'; the settings are {string.Join(", ", Keys)}.");
            file._values[key] = line[(equals + 1)..].Trim();
        }

        return file;
    }
}
