using System.Text;

namespace OrleansCache.Nix.Tests;

/// <summary>
/// The store paths of the <c>edge</c> set: names, modes, links and sizes that break NAR code. Where ORLEANS_CACHE_TEST_CLOSURES names a
/// folder, <c>edge.tsv</c> in it lists them; else the set is built here.
/// </summary>
public sealed class EdgeClosure : IDisposable
{
    private readonly TempFolder _folder = new();

    public EdgeClosure()
    {
        if (RealNix.IsInstalled)
            Paths = [.. List().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t')[2])];
    }

    public IReadOnlyList<string> Paths { get; } = [];

    public void Dispose() => _folder.Dispose();

    private string List()
    {
        if (Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_CLOSURES") is { Length: > 0 } made
            && Path.Combine(made, "edge.tsv") is var list && File.Exists(list))
            return File.ReadAllText(list);
        return Encoding.UTF8.GetString(RealNix.Run(Path.Combine(RepositoryRoot(), "eng", "make-closures.sh"), "-w", _folder.Path, "edge"));
    }

    private static string RepositoryRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "OrleansCache.sln")))
                return folder;
        }

        throw new InvalidOperationException("The tests do not run inside the repository, so eng/make-closures.sh is not found.");
    }
}

/// <summary>A new folder, removed with all that is in it.</summary>
public sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("orleans-cache-nix-").FullName;

    // Directory.Delete cannot remove names that are not UTF-8.
    public void Dispose() => System.Diagnostics.Process.Start("rm", ["-rf", Path]).WaitForExit();

    public string Child(string name) => System.IO.Path.Combine(Path, name);
}
