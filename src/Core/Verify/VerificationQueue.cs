namespace OrleansCache.Core.Verify;

/// <summary>
/// What this process has taken and not recorded yet. A publisher never has all readers, however slowly his objects are read.
/// </summary>
/// <param name="maxOfOne">The most objects of one publisher that are read at once.</param>
internal sealed class VerificationQueue(int maxOfOne) : IDisposable
{
    private readonly Lock _gate = new();
    // Guarded by _gate, as are the other two.
    private readonly List<(int Cache, VerificationTask Task)> _waiting = [];
    private readonly HashSet<(int Cache, VerificationTask Task)> _held = [];
    private readonly Dictionary<(int Cache, int Turn), int> _reading = [];
    // Something was added, or a reader of a publisher became free.
    private readonly SemaphoreSlim _news = new(0);

    public int Count
    {
        get
        {
            lock (_gate)
                return _held.Count;
        }
    }

    public void Add(int cache, List<VerificationTask> tasks)
    {
        if (tasks.Count == 0)
            return;
        lock (_gate)
        {
            _waiting.AddRange(tasks.Select(t => (cache, t)));
            _held.UnionWith(tasks.Select(t => (cache, t)));
        }

        _news.Release(tasks.Count);
    }

    /// <summary>The first that may be read now.</summary>
    public async Task<(int Cache, VerificationTask Task)> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _news.WaitAsync(cancellationToken);
            lock (_gate)
            {
                var at = _waiting.FindIndex(w => _reading.GetValueOrDefault((w.Cache, w.Task.Turn)) < maxOfOne);
                if (at < 0)
                    continue;
                var next = _waiting[at];
                _waiting.RemoveAt(at);
                _reading[(next.Cache, next.Task.Turn)] = _reading.GetValueOrDefault((next.Cache, next.Task.Turn)) + 1;
                return next;
            }
        }
    }

    /// <summary>Its reader is free.</summary>
    public void Read(int cache, VerificationTask task)
    {
        lock (_gate)
        {
            if (--_reading[(cache, task.Turn)] == 0)
                _reading.Remove((cache, task.Turn));
        }

        _news.Release();
    }

    /// <summary>It is recorded, or given up. Returns how many of its publisher are left.</summary>
    public int Remove(int cache, VerificationTask task)
    {
        lock (_gate)
        {
            _held.Remove((cache, task));
            return _held.Count(h => h.Cache == cache && h.Task.Turn == task.Turn);
        }
    }

    /// <summary>Publishers with so many objects here.</summary>
    public int[] Busy(int cache, int most)
    {
        lock (_gate)
            return [.. _held.Where(h => h.Cache == cache).GroupBy(h => h.Task.Turn).Where(g => g.Count() >= most).Select(g => g.Key)];
    }

    public List<(int Cache, long Object)> Held()
    {
        lock (_gate)
            return [.. _held.Select(h => (h.Cache, h.Task.Object))];
    }

    public void Dispose() => _news.Dispose();
}
