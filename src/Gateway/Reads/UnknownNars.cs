namespace OrleansCache.Gateway.Reads;

/// <summary>
/// Remembers keys of NARs that had no other key when last asked. It does so for ten seconds, as long as a 404 may be cached, so repeated
/// requests cost no statement.
/// </summary>
internal sealed class UnknownNars(TimeProvider time)
{
    private const int Most = 10_000;
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private long _since = time.GetTimestamp();

    public bool Contains(string key)
    {
        lock (_lock)
        {
            Expire();
            return _keys.Contains(key);
        }
    }

    public void Add(string key)
    {
        lock (_lock)
        {
            Expire();
            _keys.Add(key);
        }
    }

    // All are dropped at once: none stays longer than that, and nothing needs sorting.
    private void Expire()
    {
        if (_keys.Count < Most && time.GetElapsedTime(_since) < Life)
            return;
        _keys.Clear();
        _since = time.GetTimestamp();
    }
}
