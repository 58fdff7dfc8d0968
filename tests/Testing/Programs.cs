namespace OrleansCache.Testing;

/// <summary>Finds installed programs.</summary>
public static class Programs
{
    // sbin is not on every user's PATH, and pgbouncer lives there.
    private static readonly string[] Folders =
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/sbin", "/sbin"];

    /// <summary>The full path of a program, or null when it is not installed.</summary>
    public static string? Find(string name) => Folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Null when all are installed, else a sentence that names those that are not.</summary>
    public static string? Missing(params string[] names)
    {
        var missing = names.Where(name => Find(name) is null).ToList();
        return missing.Count == 0 ? null : $"not installed: {string.Join(", ", missing)} (eng/test as root installs what the tests need)";
    }
}
