using Microsoft.Win32.SafeHandles;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// Temporary files of a directory store that become durable together. For a thousand small files one sync of the whole file system takes a
/// tenth of the time of a thousand fsyncs, even 16 at once. That sync also writes other programs' dirty data, so it is used only while
/// there is little of it, and only on file systems where it is known to do what fsync does.
/// </summary>
internal sealed class NewFiles : IAsyncDisposable
{
    // The least number of files for a sync of the whole file system.
    private const int WholeFrom = 32;
    // A disk writes this in well under a second.
    private const long MaxDirtyBytes = 64 << 20;
    // Open files that wait for their own fsync. All syncs of a process share one queue, so no request may take much of it.
    private const int AtOnce = 16;

    private readonly DirectoryTree _tree;
    // Opened before the first write, so that no error is missed; null: each file is synced by itself.
    private readonly SafeFileHandle? _fileSystem;
    private readonly List<string?> _paths;
    private readonly List<Task> _syncing = [];
    private int _awaited;

    /// <param name="tree">Where they lie.</param>
    /// <param name="count">About how many there will be.</param>
    public NewFiles(DirectoryTree tree, int count)
    {
        _tree = tree;
        _paths = new List<string?>(count);
        if (count >= WholeFrom && tree.SyncsWhole && DirtyBytes() <= MaxDirtyBytes)
            _fileSystem = tree.OpenFileSystem();
    }

    /// <summary>Whether a sync of the file system that holds this path can stand for the fsync of its files.</summary>
    public static bool IsSound(string path) =>
        // Older kernels report no errors, and no sync reaches a FUSE server.
        Environment.OSVersion.Version >= new Version(5, 8) && Posix.FileSystemOf(path) is Posix.Ext or Posix.Xfs or Posix.Btrfs;

    /// <summary>Writes one more; it has the next index, from 0. The body is not used any more when this has ended.</summary>
    public async ValueTask AddAsync(ReadOnlyMemory<byte> body)
    {
        if (_syncing.Count - _awaited >= AtOnce)
            await _syncing[_awaited++];
        var path = _tree.NewTemp();
        var file = Posix.Open(path, Posix.WriteOnly | Posix.Create | Posix.Exclusive);
        _paths.Add(path);
        try
        {
            Posix.Write(file, body.Span, 0, path);
            if (_fileSystem is null)
            {
                var written = file;
                file = null;
                _syncing.Add(BlockingCalls.RunAsync(() =>
                {
                    using (written)
                        Posix.Flush(written, path);
                }));
            }
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>Returns when all are durable.</summary>
    /// <exception cref="ObjectStoreException">Some file may not be durable: one of these, or another file of the file system.</exception>
    public Task SyncAsync() => _fileSystem is { } any ? BlockingCalls.RunAsync(() => Posix.SyncFileSystem(any, _tree.Root))
        : Task.WhenAll(_syncing);

    /// <summary>Gives a file to a function that renames it; a file is no longer deleted once that function has returned true.</summary>
    public bool Move(int index, Func<string, bool> rename)
    {
        var moved = rename(_paths[index]!);
        if (moved)
            _paths[index] = null;
        return moved;
    }

    /// <summary>Deletes the files that were not moved.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_syncing).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        _fileSystem?.Dispose();
        foreach (var path in _paths)
        {
            if (path is not null)
                Posix.TryDelete(path);
        }
    }

    /// <summary>
    /// The bytes that all file systems of this machine have still to write; the largest number when the machine does not tell.
    /// </summary>
    private static long DirtyBytes()
    {
        try
        {
            var (kibibytes, found) = (0L, 0);
            foreach (var line in File.ReadLines("/proc/meminfo"))
            {
                if (!line.StartsWith("Dirty:", StringComparison.Ordinal) && !line.StartsWith("Writeback:", StringComparison.Ordinal))
                    continue;
                kibibytes += long.Parse(line.AsSpan(line.IndexOf(':', StringComparison.Ordinal) + 1).TrimEnd("kB ").Trim(),
                    System.Globalization.CultureInfo.InvariantCulture);
                if (++found == 2)
                    return kibibytes << 10;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            // The number is unknown then.
        }

        return long.MaxValue;
    }
}
