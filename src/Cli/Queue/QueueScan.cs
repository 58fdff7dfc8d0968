using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>Looks at Nix's database for what was built since the watermark and no hook has told.</summary>
/// <param name="database">Null: the store's database cannot be found.</param>
/// <param name="all">What was fetched or copied here, too, and not only what was built.</param>
/// <param name="sinceBeginning">A queue that never looked takes all that is there.</param>
internal sealed class QueueScan(string? database, bool all, bool sinceBeginning)
{
    /// <summary>What is beyond it waits in the database.</summary>
    private const int MaxPending = 50_000;

    private readonly BuiltPaths? _built = database is null ? null : new BuiltPaths(database);
    private volatile bool _isDue;
    private string? _trouble;

    public bool IsDue
    {
        get => _isDue;
        set => _isDue = value;
    }

    /// <summary>Hooks have told of builds since the last look.</summary>
    public bool IsBehind { get; set; }

    public DateTimeOffset LastTime { get; private set; }

    /// <summary>The id up to which the database was read; null: it never was.</summary>
    public long? Position { get; private set; }

    public void Run(QueueState state, PendingPaths pending, DateTimeOffset now, Action<string> log)
    {
        (IsDue, IsBehind, LastTime) = (false, false, now);
        if (_built is null)
            return;
        try
        {
            Read(_built, state, pending, now, log);
            _trouble = null;
        }
        catch (SqliteException e)
        {
            if (e.Message != _trouble)
                log($"{database} cannot be read: {e.Message}; what hooks do not tell is not found");
            _trouble = e.Message;
        }
    }

    /// <summary>Those of the paths that are in the store, as far as the database tells.</summary>
    public HashSet<StorePath> Valid(IReadOnlyCollection<StorePath> paths)
    {
        try
        {
            return _built?.Valid(paths) ?? [.. paths];
        }
        catch (SqliteException)
        {
            return [.. paths];
        }
    }

    private void Read(BuiltPaths built, QueueState state, PendingPaths pending, DateTimeOffset now, Action<string> log)
    {
        var newest = built.Newest();
        if (Position is null && state.Watermark is null)
            Position = sinceBeginning ? 0 : newest;
        var position = Position ?? state.Watermark!.Value;
        if (position > newest)
        {
            log($"{database} is another one than before: what is built from now on is found in it");
            position = newest;
        }

        while (pending.Count < MaxPending)
        {
            var (rows, more) = built.After(position, all);
            foreach (var (id, path) in rows)
                pending.AddFound(id, path, state.Held.ContainsKey(path.ToString()), now);
            // Rows of another kind need not be looked at again.
            position = more ?? Math.Max(newest, rows.Count > 0 ? rows[^1].Id : position);
            if (more is null)
                break;
        }

        Position = position;
    }
}
