namespace OrleansCache.Testing;

/// <summary>A new folder that is deleted on dispose, and also when the test process is killed.</summary>
public sealed class TempFolder : IDisposable
{
    private readonly IDisposable _atExit;

    /// <param name="prefix">Starts the folder's name. Short: a Unix socket's path has at most 107 bytes.</param>
    public TempFolder(string prefix = "oc-")
    {
        Path = Directory.CreateTempSubdirectory(prefix).FullName;
        _atExit = Reaper.AtExit(RemoveCommand(Path));
    }

    public string Path { get; }

    /// <summary>A path inside the folder.</summary>
    public string this[string relative] => System.IO.Path.Combine(Path, relative);

    public void Dispose()
    {
        // rm, not Directory.Delete: Nix stores have read-only folders and names that are not UTF-8.
        ProcessRunner.RunAsync("bash", ["-c", RemoveCommand(Path)]).GetAwaiter().GetResult();
        _atExit.Dispose();
    }

    public override string ToString() => Path;

    private static string RemoveCommand(string path) =>
        $"chmod -R u+w {Reaper.Quote(path)} 2>/dev/null; rm -rf {Reaper.Quote(path)}";
}
