namespace OrleansCache.Testing;

/// <summary>
/// The published programs, as a user runs them: of this checkout, or of the folder that <c>ORLEANS_CACHE_TEST_PROGRAMS</c> names, such as
/// an older version's.
/// </summary>
public static class BuiltProgram
{
    private static readonly string? Named = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_PROGRAMS") is { Length: > 0 } folder
        ? folder : null;

    /// <summary>The CLI.</summary>
    public static string Cli => Find("orleans-cache");

    public static string Server => Find("orleans-cache-server");

    private static string Find(string name)
    {
        var path = Path.Combine(Named ?? Path.Combine(Repository.Root, "artifacts", "bin"), name);
        return File.Exists(path) ? path : throw new InvalidOperationException($"There is no {path}: run eng/build first (eng/test does).");
    }
}
