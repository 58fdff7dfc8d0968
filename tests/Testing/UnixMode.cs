namespace OrleansCache.Testing;

/// <summary>The modes of files, which the programs have on Unix only, as the tests do.</summary>
public static class UnixMode
{
    /// <summary>What its owner alone may read and write.</summary>
    public const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

#pragma warning disable CA1416 // no Windows here
    public static UnixFileMode Of(string path) => File.GetUnixFileMode(path);

    public static void Set(string path, UnixFileMode mode) => File.SetUnixFileMode(path, mode);
#pragma warning restore CA1416
}
