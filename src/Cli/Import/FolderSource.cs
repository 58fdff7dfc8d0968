using System.Runtime.CompilerServices;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Import;

/// <summary>A cache in a folder, as <c>nix copy --to file://</c> writes it.</summary>
internal sealed class FolderSource : ISource
{
    private readonly string _folder;

    /// <exception cref="CliException">There is no such folder.</exception>
    public FolderSource(string folder)
    {
        _folder = folder;
        if (!Directory.Exists(folder))
            throw new CliException(ExitCodes.Usage, $"There is no folder {folder}, or it may not be looked at.");
    }

    public string Name => _folder;

    public bool Lists => true;

    public async IAsyncEnumerable<string> ListAsync(string folder, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Yield(); // a folder of many files is read for long, and the progress is to be seen meanwhile
        var root = Path.Combine(_folder, folder);
        if (!Directory.Exists(root))
            yield break;
        var options = new EnumerationOptions { RecurseSubdirectories = folder.Length > 0, IgnoreInaccessible = false };
        foreach (var file in Directory.EnumerateFiles(root, "*", options))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return Path.GetRelativePath(_folder, file);
        }
    }

    public async Task<SourceObject?> ReadAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            return new SourceObject(await File.ReadAllBytesAsync(PathOf(key), cancellationToken), null);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Failed, $"{PathOf(key)} cannot be read: {e.Message}", e);
        }
    }

    public Stream? Open(string url, CancellationToken cancellationToken)
    {
        try
        {
            return new FileStream(PathOf(url), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    public void Dispose()
    {
    }

    // A narinfo may say any URL, and leads nowhere but into this folder.
    private string PathOf(string key) => Path.IsPathRooted(key) || key.Split('/').Contains("..") || key.Contains('\0')
        ? throw new IOException($"'{key}' leads out of the cache") : Path.Combine(_folder, key);
}
