namespace OrleansCache.Testing;

/// <summary>The published programs, as a user runs them.</summary>
public static class BuiltProgram
{
    /// <summary>The CLI.</summary>
    public static string Cli => Find("orleans-cache");

    public static string Server => Find("orleans-cache-server");

    public static string Silo => Find("orleans-cache-silo");

    private static string Find(string name)
    {
        var path = Path.Combine(Repository.Root, "artifacts", "bin", name);
        return File.Exists(path) ? path : throw new InvalidOperationException($"There is no artifacts/bin/{name}: run eng/build first (eng/test does).");
    }
}
