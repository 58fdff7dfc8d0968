namespace OrleansCache.Testing;

/// <summary>Where the sources are, as seen from a test's output folder.</summary>
public static class Repository
{
    /// <summary>The folder with <c>OrleansCache.sln</c>.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The full path of a script in <c>eng/</c>.</summary>
    public static string Script(string name) => Path.Combine(Root, "eng", name);

    private static string FindRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "OrleansCache.sln")))
                return folder;
        throw new InvalidOperationException($"No OrleansCache.sln above {AppContext.BaseDirectory}: run the tests from a checkout.");
    }
}
