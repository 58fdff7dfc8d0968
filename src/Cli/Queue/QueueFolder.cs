using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// The folder of a queue, its owner's alone: hooks add to the spool, one daemon takes from it, commands leave marks.
/// </summary>
internal sealed class QueueFolder
{
    public const string Variable = "ORLEANS_CACHE_QUEUE";

    private const string ForRoot = "/var/lib/orleans-cache-queue";
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public QueueFolder(string path) => Path = System.IO.Path.GetFullPath(path);

    public string Path { get; }

    /// <summary>What hooks have finished writing, a file a call.</summary>
    public string Spool => In("new");

    /// <summary>What hooks are writing.</summary>
    public string Unfinished => In("tmp");

    public string State => In("state.json");

    /// <summary>Locked by the daemon while it runs.</summary>
    public string Lock => In("daemon.lock");

    /// <summary>Whoever connects wakes the daemon.</summary>
    public string Socket => In("queue.sock");

    /// <summary>A mark: hooks must not add, as the spool is full.</summary>
    public string Full => In("full");

    /// <summary>A mark: a hook could not add, so the database has to be looked at.</summary>
    public string Missed => In("missed");

    /// <summary>A mark: nothing is pushed for now.</summary>
    public string Paused => In("paused");

    /// <summary>A mark, with a word of whoever set it: everything is to be tried at once.</summary>
    public string Flush => In("flush");

    /// <summary>Finds the folder: a flag comes before the environment, that before the configuration file.</summary>
    /// <exception cref="CliException">None is named, and this user has no folder for state.</exception>
    public static QueueFolder Find(string? named, Func<string, string?> environment)
    {
        if (named is not null || environment(Variable) is { Length: > 0 })
            return new QueueFolder(named ?? environment(Variable)!);
        var config = ConfigFile.DefaultPath(environment);
        if (config is not null && ConfigFile.Load(config)["queue"] is { Length: > 0 } configured)
            return new QueueFolder(configured);
        if (Environment.IsPrivilegedProcess)
            return new QueueFolder(ForRoot);
        // The specification says to ignore relative paths.
        if (environment("XDG_STATE_HOME") is ['/', ..] state)
            return new QueueFolder(System.IO.Path.Combine(state, "orleans-cache", "queue"));
        return environment("HOME") is ['/', ..] home
            ? new QueueFolder(System.IO.Path.Combine(home, ".local", "state", "orleans-cache", "queue"))
            : throw new CliException(ExitCodes.Usage,
                $"There is no folder for the queue, as HOME is not set: name one with --queue or {Variable}.");
    }

    /// <summary>Makes what is not there.</summary>
    public void Create()
    {
        foreach (var folder in (string[])[Path, Spool, Unfinished])
        {
            if (Directory.Exists(folder))
                continue;
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(folder);
            else
                Directory.CreateDirectory(folder, Own);
        }
    }

    /// <summary>Sets or takes away a mark.</summary>
    public static void Mark(string mark, bool isSet)
    {
        if (!isSet)
            File.Delete(mark);
        else if (!File.Exists(mark))
            File.WriteAllBytes(mark, []);
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
