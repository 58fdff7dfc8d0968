using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// What waits to be pushed, each path once, in the order in which it came: from the spool, whose files end when all of their paths have, or
/// from Nix's database, whose watermark cannot pass what waits. Not for several threads.
/// </summary>
internal sealed class PendingPaths
{
    // A hook may come after the database has told of its build and the push is done.
    private static readonly TimeSpan HookLate = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(10);

    private readonly Dictionary<StorePath, Pending> _paths = [];
    private readonly SortedDictionary<long, StorePath> _fresh = [];
    private readonly Dictionary<string, int> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<StorePath, DateTimeOffset> _done = [];
    private long _next;

    public int Count => _paths.Count;

    public int Fresh => _fresh.Count;

    /// <summary>When the oldest that was not tried came.</summary>
    public DateTimeOffset? FreshSince => _fresh.Count == 0 ? null : _paths[_fresh.First().Value].Since;

    /// <summary>Those without a file.</summary>
    public int Found => _paths.Values.Count(pending => pending.Files.Count == 0);

    public IEnumerable<StorePath> All => _paths.Keys;

    public bool Knows(string file) => _files.ContainsKey(file);

    /// <summary>The first so many that were not tried, in order.</summary>
    public IReadOnlyList<StorePath> First(int most) => [.. _fresh.Values.Take(most)];

    /// <summary>Adds a file of the spool.</summary>
    /// <returns>False: none of it waits, so the file can go.</returns>
    public bool AddFile(string file, IReadOnlyCollection<StorePath> paths, IReadOnlyDictionary<string, HeldPath> held, DateTimeOffset now)
    {
        var left = 0;
        foreach (var path in paths.Distinct())
        {
            if (_done.TryGetValue(path, out var done) && now - done < HookLate && !_paths.ContainsKey(path))
                continue;
            Add(path, held.ContainsKey(path.ToString()), now).Files.Add(file);
            left++;
        }

        if (left > 0)
            _files[file] = left;
        return left > 0;
    }

    /// <summary>Adds what Nix's database tells, unless it waits or was pushed just now.</summary>
    public void AddFound(long id, StorePath path, bool isHeld, DateTimeOffset now)
    {
        if (_done.ContainsKey(path) && !_paths.ContainsKey(path))
            return;
        var pending = Add(path, isHeld, now);
        pending.Id = Math.Min(pending.Id ?? id, id);
    }

    /// <summary>Adds what could not be pushed before the daemon was started.</summary>
    public void AddHeld(StorePath path, DateTimeOffset since) => Add(path, isHeld: true, since);

    /// <summary>It is tried alone from now on.</summary>
    public void Hold(StorePath path)
    {
        if (_paths.TryGetValue(path, out var pending))
            _fresh.Remove(pending.Order);
    }

    /// <summary>Nothing more is to be done for it.</summary>
    /// <returns>Files of the spool that have ended with it.</returns>
    public IReadOnlyList<string> Finish(StorePath path, DateTimeOffset now)
    {
        if (!_paths.Remove(path, out var pending))
            return [];
        _fresh.Remove(pending.Order);
        _done[path] = now;
        var ended = new List<string>();
        foreach (var file in pending.Files)
        {
            if (--_files[file] > 0)
                continue;
            _files.Remove(file);
            ended.Add(file);
        }

        return ended;
    }

    /// <summary>The id that the watermark may have: all below is done or held.</summary>
    public long WatermarkBelow(long scanned)
    {
        foreach (var path in _fresh.Values)
        {
            if (_paths[path].Id is { } id && id <= scanned)
                scanned = id - 1;
        }

        return scanned;
    }

    /// <summary>Forgets what was done so long ago that the database has told of it.</summary>
    public void ForgetDone(DateTimeOffset now)
    {
        foreach (var (path, _) in _done.Where(done => now - done.Value > Remembered).ToList())
            _done.Remove(path);
    }

    private Pending Add(StorePath path, bool isHeld, DateTimeOffset now)
    {
        if (_paths.TryGetValue(path, out var pending))
            return pending;
        pending = new Pending(_next++, now);
        _paths.Add(path, pending);
        if (!isHeld)
            _fresh.Add(pending.Order, path);
        return pending;
    }

    private sealed class Pending(long order, DateTimeOffset since)
    {
        public long Order => order;

        public DateTimeOffset Since => since;

        public List<string> Files { get; } = [];

        /// <summary>In Nix's database, when that has told of it.</summary>
        public long? Id { get; set; }
    }
}
