using System.Globalization;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// The files of a queue's spool. Each is written under another name first, so that whoever reads sees all of it; its name sorts by time.
/// Nothing is synced: what a crash of the machine takes is found again in Nix's database.
/// </summary>
internal static class Spool
{
    /// <summary>So many hooks' files at most; what comes then is found again in Nix's database.</summary>
    public const int MaxFiles = 10_000;

    // A hook that is killed leaves its file.
    private static readonly TimeSpan UnfinishedFor = TimeSpan.FromMinutes(10);

    /// <exception cref="IOException">The disk is full, or the folder is not there.</exception>
    public static void Add(QueueFolder folder, IEnumerable<StorePath> paths)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow.Ticks:D19}-{Environment.ProcessId}-{Guid.NewGuid():N}");
        var unfinished = Path.Combine(folder.Unfinished, name);
        var text = new StringBuilder();
        foreach (var path in paths)
            text.Append(path).Append('\n');
        try
        {
            File.WriteAllBytes(unfinished, Encoding.ASCII.GetBytes(text.ToString()));
            File.Move(unfinished, Path.Combine(folder.Spool, name), overwrite: true);
        }
        catch
        {
            TryDelete(unfinished);
            throw;
        }
    }

    /// <summary>The names of all files, oldest first.</summary>
    public static List<string> Names(QueueFolder folder)
    {
        try
        {
            var names = Directory.EnumerateFiles(folder.Spool).Select(file => Path.GetFileName(file)).ToList();
            names.Sort(StringComparer.Ordinal);
            return names;
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <summary>The paths of one file. A damaged line is none: the disk may have lost it in a crash.</summary>
    public static IReadOnlyList<StorePath> Read(QueueFolder folder, string name)
    {
        var paths = new List<StorePath>();
        try
        {
            foreach (var line in File.ReadLines(Path.Combine(folder.Spool, name)))
            {
                if (StorePath.TryParse(line, out var path))
                    paths.Add(path);
            }
        }
        catch (FileNotFoundException)
        {
            // The daemon took it meanwhile.
        }

        return paths;
    }

    public static void Remove(QueueFolder folder, string name) => File.Delete(Path.Combine(folder.Spool, name));

    /// <summary>Looks at no more files than it needs to.</summary>
    public static bool IsFull(QueueFolder folder) => Directory.EnumerateFiles(folder.Spool).Take(MaxFiles).Count() == MaxFiles;

    /// <summary>Deletes what hooks that were killed have left.</summary>
    public static void SweepUnfinished(QueueFolder folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder.Unfinished))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > UnfinishedFor)
                File.Delete(file);
        }
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is swept later.
        }
    }
}
