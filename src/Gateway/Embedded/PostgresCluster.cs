using System.Diagnostics;
using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Embedded;

/// <summary>
/// A PostgreSQL cluster on disk: <c>{folder}/data</c> and the server's socket in <c>{folder}</c>, which only its user can enter.
/// </summary>
/// <remarks>
/// The programs get the data folder as an open descriptor (<c>/proc/self/fd/9</c>), so PostgreSQL's user need not be able to walk
/// the folders above, such as root's home, and no path is too long.
/// </remarks>
internal sealed class PostgresCluster(string folder)
{
    private const string InheritedFolder = "/proc/self/fd/9";

    public string Folder { get; } = folder;

    public string DataFolder { get; } = DataFolderOf(folder);

    public static string DataFolderOf(string folder) => Path.Combine(folder, "data");

    public PostgresProgram Program { get; } = PostgresProgram.For(DataFolderOf(folder));

    private PostgresUser? User { get; } = PostgresUser.For(DataFolderOf(folder));

    /// <summary>Makes the cluster on first use. A crash in between leaves a folder that the next start throws away.</summary>
    public void EnsureCreated(string superuser)
    {
        if (Directory.Exists(DataFolder))
            return;
        var unfinished = Path.Combine(Folder, "data.new");
        if (Directory.Exists(unfinished))
            Directory.Delete(unfinished, recursive: true);
        MakePrivate(Folder);
        MakePrivate(unfinished);

        // One sync at the end instead of one after each file.
        Check(Command.Run(Describe(unfinished, Program.InitDb, "-D", InheritedFolder, "-U", superuser, "-A", "trust", "-E", "UTF8",
            "--no-locale", "--data-checksums", "--no-sync")));
        Check(Command.Run(Describe(unfinished, Program.InitDb, "-D", InheritedFolder, "--sync-only")));
        Directory.Move(unfinished, DataFolder);
        Check(Command.Run("sync", Folder));
    }

    /// <summary>
    /// The command that runs the server in the foreground. It has a session of its own, as Ctrl-C is for us, and stops when the thread that
    /// starts it ends.
    /// </summary>
    public ProcessStartInfo DescribeServer(params string[] settings) =>
        Describe(DataFolder, Program.Server,
            ["-D", InheritedFolder, "-c", "unix_socket_directories=..", .. settings.SelectMany(s => new[] { "-c", s })]);

    /// <summary>
    /// Stops, cleanly if possible, what a killed server of ours has left running on this data, and removes its lock files, whose process
    /// numbers may belong to other processes by now. The caller holds the lock on the data directory.
    /// </summary>
    public void StopLeftovers(ILogger logger)
    {
        if (!Directory.Exists(DataFolder))
            return;
        (int Signal, TimeSpan Patience)[] steps = [(Posix.SigInt, TimeSpan.FromSeconds(15)), (Posix.SigQuit, TimeSpan.FromSeconds(5)),
            (Posix.SigKill, TimeSpan.FromSeconds(10))];
        foreach (var (signal, patience) in steps)
        {
            var running = Processes();
            if (running.Count == 0)
                break;
            logger.LogWarning("PostgreSQL still runs on {Folder} for a server that is gone (processes {Pids}): stopping it",
                DataFolder, running);
            // SIGINT to a backend only cancels its statement; orphans of a dead postmaster leave by themselves.
            var postmaster = Postmaster();
            foreach (var pid in signal == Posix.SigKill || !running.Contains(postmaster) ? running : [postmaster])
                Posix.Signal(pid, signal);
            var waited = Stopwatch.StartNew();
            while (waited.Elapsed < patience && Processes().Count > 0)
                Thread.Sleep(20);
        }

        if (Processes() is { Count: > 0 } left)
            throw new StartupException(
                $"PostgreSQL of an earlier server still runs on {DataFolder} and cannot be stopped (process {left[0]}): stop it, then start again.");
        File.Delete(Path.Combine(DataFolder, "postmaster.pid"));
        File.Delete(Path.Combine(Folder, ".s.PGSQL.5432"));
        File.Delete(Path.Combine(Folder, ".s.PGSQL.5432.lock"));
    }

    private int Postmaster() =>
        File.Exists(Path.Combine(DataFolder, "postmaster.pid"))
        && int.TryParse(File.ReadLines(Path.Combine(DataFolder, "postmaster.pid")).FirstOrDefault(), CultureInfo.InvariantCulture,
            out var pid) ? pid : 0;

    // Every PostgreSQL process works in its data folder.
    private List<int> Processes()
    {
        var found = new List<int>();
        var real = Command.Run("readlink", "-f", DataFolder).Output.TrimEnd('\n');
        foreach (var entry in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out var pid))
                continue;
            try
            {
                if (File.ReadAllText(Path.Combine(entry, "comm")).Trim() == "postgres"
                    && new FileInfo(Path.Combine(entry, "cwd")).LinkTarget == real)
                    found.Add(pid);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The process has ended, or belongs to another user and so is not ours.
            }
        }

        return found;
    }

    private ProcessStartInfo Describe(string dataFolder, string program, params string[] arguments)
    {
        string[] identity = User is null ? [] : ["--reuid", Text(User.Uid), "--regid", Text(User.Gid), "--clear-groups"];
        return Command.Describe("/bin/sh", ["-c", "exec 9<\"$0\" && exec \"$@\"", dataFolder, "setsid", "setpriv", .. identity,
            "--pdeathsig", "INT", program, .. arguments]);

        static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);
    }

    private void MakePrivate(string path)
    {
        Directory.CreateDirectory(path);
        if (User is not null)
            Posix.ChangeOwner(path, User.Uid, User.Gid);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private void Check((int Code, string Output, string Error) result)
    {
        if (result.Code != 0)
            throw new StartupException($"PostgreSQL's data directory could not be made in {Folder}: {Sentence(result.Error)}");
    }

    private static string Sentence(string error) =>
        string.Join(' ', error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(2));
}
