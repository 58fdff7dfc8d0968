using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// Tells, without a start of Nix, whether Nix uses the store of this machine as it is: by its variables, and by the files of its
/// configuration, of which all are looked at that any version reads.
/// </summary>
internal static class NixSettings
{
    private const int MaxFiles = 100;

    // What moves the store, or changes how it is read.
    private static readonly string[] Moving = ["store", "use-case-hack", "use-sqlite-wal"];

    /// <param name="environment">Nix's variables.</param>
    /// <returns>What says that Nix may use another store, so that it has to be asked; null: nothing does.</returns>
    public static string? FindOther(Func<string, string?> environment)
    {
        if (Platform.IsMac)
            return "file names on macOS may have another case"; // use-case-hack is on there
        if (environment("NIX_REMOTE") is { } remote and not ("" or "auto" or "daemon" or "local"))
            return $"NIX_REMOTE is {remote}";
        foreach (var name in (string[])["NIX_STORE", "NIX_STORE_DIR", "NIX_DAEMON_SOCKET_PATH"])
        {
            if (environment(name) is { Length: > 0 } value)
                return $"{name} is {value}";
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        return FindIn(environment("NIX_CONFIG") ?? "", "NIX_CONFIG", "/", seen)
            ?? Files(environment).Select(file => FindInFile(file, isWanted: false, seen)).FirstOrDefault(found => found is not null);
    }

    private static IEnumerable<string> Files(Func<string, string?> environment)
    {
        yield return Path.Combine(Value("NIX_CONF_DIR") ?? "/etc/nix", "nix.conf");
        foreach (var file in List("NIX_USER_CONF_FILES", ""))
            yield return file;
        if (Value("NIX_CONFIG_HOME") is { } configuration)
            yield return Path.Combine(configuration, "nix.conf");
        var home = Value("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        foreach (var folder in List("XDG_CONFIG_HOME", Path.Combine(home, ".config")).Concat(List("XDG_CONFIG_DIRS", "/etc/xdg")))
            yield return Path.Combine(folder, "nix", "nix.conf");

        string? Value(string name) => environment(name) is { Length: > 0 } value ? value : null;

        string[] List(string name, string otherwise) => (Value(name) ?? otherwise).Split(':', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string? FindInFile(string file, bool isWanted, HashSet<string> seen)
    {
        try
        {
            if (!seen.Add(file) || (!isWanted && !File.Exists(file)))
                return null;
            return seen.Count > MaxFiles ? $"{file} is one of more than {MaxFiles} files"
                : FindIn(File.ReadAllText(file), file, Path.GetDirectoryName(file) ?? "/", seen);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return $"{file} cannot be read";
        }
    }

    // As Nix reads it: words up to a '#'; the first is a name, "include" or "!include".
    private static string? FindIn(string text, string source, string folder, HashSet<string> seen)
    {
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split('#')[0].Split([' ', '\t', '\r'], 3, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
                continue;
            if (words is ["include" or "!include", var file, ..])
            {
                if (FindInFile(Path.GetFullPath(file, Path.GetFullPath(folder)), isWanted: words[0] == "include", seen) is { } found)
                    return found;
            }
            else if (Moving.Contains(words[0]))
                return $"{source} sets {words[0]}";
        }

        return null;
    }
}
