namespace OrleansCache.Testing;

/// <summary>Real store closures in the machine's Nix store, built once and kept: the sets of <c>eng/make-closures.sh</c>.</summary>
public static class Closures
{
    /// <summary>Where the sets are described. Set <c>ORLEANS_CACHE_TEST_CLOSURES</c> to share them.</summary>
    private static readonly string Folder =
        Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_CLOSURES") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Path.GetTempPath(), $"orleans-cache-closures-{Environment.UserName}");

    /// <summary>
    /// A set, built when it is not there: <c>small</c> (50 paths, 20 MB), <c>edge</c>, <c>ca</c>, <c>python-like</c> (420 MB), <c>many</c>
    /// (2,000 paths), <c>huge</c> (1.5 GB).
    /// </summary>
    /// <param name="set">Or a set of your own, <c>NAME:PATHS:MB:REFS:MAXFILE:EXP</c>.</param>
    public static async Task<ClosureSet> GetAsync(string set)
    {
        var rows = (await ProcessRunner.RunAsync(Repository.Script("closures"), [Folder, set])).OrThrow().Lines
            .Select(line => line.Split('\t'))
            .ToLookup(columns => columns[1], columns => columns[2]);
        return new ClosureSet(rows["root"].Single(), rows["half"].SingleOrDefault(), [.. rows["path"]]);
    }
}

/// <summary>A set of store paths in /nix/store.</summary>
/// <param name="Root">Reaches all the others.</param>
/// <param name="Half">Reaches about half of them; null where the set has no such path.</param>
/// <param name="Paths">The whole closure, references first, the root last.</param>
public sealed record ClosureSet(string Root, string? Half, IReadOnlyList<string> Paths);
