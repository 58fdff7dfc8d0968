using System.Diagnostics;
using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// What Nix runs after each build: it notes the outputs in the queue, wakes the daemon, and ends. Nix waits for it, and a hook that fails
/// fails the build, so it never does; all that takes time is the daemon's.
/// </summary>
internal static class Hook
{
    /// <summary>Under this name the program is a hook without an argument, as Nix passes none.</summary>
    private const string ProgramName = "orleans-cache-hook";

    // One hook in so many counts the spool, for when no daemon does.
    private const int CountsOnceIn = 64;

    /// <summary>Whether this process is a hook, and not asked for help. Everything else of the program need not be loaded then.</summary>
    public static bool IsMeant(string[] args) => (args is ["hook", .. var rest] && !rest.Any(word => word is "--help" or "-h" or "-?"))
        || (args.Length == 0 && Path.GetFileName(Invocation.CalledAs()) == ProgramName);

    /// <returns>The exit code, which is always 0.</returns>
    public static int Run(string[] args, Func<string, string?> environment)
    {
        var outputs = environment("OUT_PATHS") ?? "";
        try
        {
            var paths = new List<StorePath>();
            foreach (var word in outputs.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                if (StorePath.TryParse(word, out var path))
                    paths.Add(path);
            }

            // Nix 2.8.0 tells the derivation and no outputs (findings/nix-hook-without-outputs.sh): its database has them.
            if (paths.Count > 0 || environment("DRV_PATH") is { Length: > 0 })
                Add(QueueFolder.Find(Named(args), environment), paths);
        }
        catch (Exception e)
        {
            Tell(outputs, e.Message);
        }

        return 0;
    }

    // A wrong argument fails no build, either.
    private static string? Named(string[] args) => args switch
    {
        [] or ["hook"] => null,
        ["hook", "--queue", { Length: > 0 } folder] => folder,
        ["hook", ['-', '-', 'q', 'u', 'e', 'u', 'e', '=', .. { Length: > 0 } folder]] => folder,
        _ => throw new CliException(ExitCodes.Usage, "the only option of a hook is --queue DIR"),
    };

    private static void Add(QueueFolder folder, List<StorePath> paths)
    {
        try
        {
            if (!File.Exists(folder.Full) && Stopwatch.GetTimestamp() % CountsOnceIn == 0 && Directory.Exists(folder.Spool)
                && Spool.IsFull(folder))
                QueueFolder.Mark(folder.Full, true);
            if (File.Exists(folder.Full))
                throw new IOException($"{Spool.MaxFiles} builds wait in {folder.Path} already");
            Write(folder, paths);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Tell(string.Join(' ', paths), e.Message);
            MarkMissed(folder);
        }

        Wakeup.Send(folder.Socket);
    }

    private static void Write(QueueFolder folder, List<StorePath> paths)
    {
        try
        {
            Note();
        }
        catch (DirectoryNotFoundException)
        {
            folder.Create();
            Note();
        }

        void Note()
        {
            if (paths.Count > 0)
                Spool.Add(folder, paths);
            else
                QueueFolder.Mark(folder.Missed, true);
        }
    }

    private static void MarkMissed(QueueFolder folder)
    {
        try
        {
            QueueFolder.Mark(folder.Missed, true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The daemon looks at the database from time to time all the same.
        }
    }

    // One line: it stands among those of the build.
    private static void Tell(string outputs, string why)
    {
        try
        {
            Console.Error.WriteLine(
                $"orleans-cache hook: not queued: {outputs.ReplaceLineEndings(" ")}: {why.ReplaceLineEndings(" ")}; the queue's " +
                "daemon finds what was built here in Nix's database");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            // Nobody reads it.
        }
    }
}
