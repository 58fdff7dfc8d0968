namespace OrleansCache.Cli.Store;

/// <summary>Tells when Nix's database may have changed: what inotify says of its files, and from time to time.</summary>
internal sealed class DatabaseWatch : IDisposable
{
    // A build writes many times; one look a moment later sees all of it.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private readonly FileSystemWatcher? _watcher;
    private readonly ITimer _poll, _soon;
    private int _isComing; // a look that inotify asks for

    /// <param name="changed">Called on any thread, at least once in <paramref name="poll"/>.</param>
    public DatabaseWatch(string database, TimeSpan poll, TimeProvider time, Action changed)
    {
        _poll = time.CreateTimer(_ => changed(), null, poll, poll);
        _soon = time.CreateTimer(_ =>
        {
            Volatile.Write(ref _isComing, 0);
            changed();
        }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        try
        {
            _watcher = new FileSystemWatcher(Path.GetDirectoryName(database)!, $"{Path.GetFileName(database)}*")
            {
                NotifyFilter = NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.FileName,
            };
            _watcher.Changed += (_, _) => LookSoon();
            _watcher.Created += (_, _) => LookSoon();
            _watcher.Error += (_, _) => LookSoon();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // There are no more watches, or the folder cannot be read: the poll is left.
        }
    }

    public void Dispose()
    {
        _watcher?.Dispose();
        _soon.Dispose();
        _poll.Dispose();
    }

    private void LookSoon()
    {
        if (Interlocked.Exchange(ref _isComing, 1) == 0)
            _soon.Change(Moment, Timeout.InfiniteTimeSpan);
    }
}
