using OrleansCache.Nix;

namespace OrleansCache.Bench;

/// <summary>One of the closure sets that <c>eng/closures</c> builds.</summary>
/// <param name="Root">The store path whose closure it is.</param>
/// <param name="Paths">All store paths of it.</param>
internal sealed record ClosureSet(string Name, string Root, IReadOnlyList<string> Paths)
{
    /// <summary>Reads what <c>eng/closures</c> printed.</summary>
    public static IReadOnlyList<ClosureSet> Read(string file) =>
        [.. File.ReadLines(file).Select(line => line.Split('\t')).GroupBy(f => f[0]).Select(set => new ClosureSet(
            set.Key, set.First(f => f[1] == "root")[2], [.. set.Where(f => f[1] == "path").Select(f => f[2])]))];

    /// <summary>Writes the NAR of each path into a folder, for <see cref="MachineLimit"/>.</summary>
    public IReadOnlyList<string> DumpNars(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var path in Paths)
        {
            using var file = File.Create(Path.Combine(folder, Path.GetFileName(path)), 1 << 18);
            NarWriter.Write(path, file);
        }

        return [.. Paths.Select(path => Path.Combine(folder, Path.GetFileName(path)))];
    }
}
