using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>Paths that were pushed a moment ago: what a pin can be moved to without a push.</summary>
internal sealed class Committed
{
    private const int Remembered = 100;
    private readonly StorePath[] _paths = new StorePath[Remembered];
    private long _count;

    public void Add(StorePath path)
    {
        lock (_paths)
            _paths[_count++ % Remembered] = path;
    }

    public StorePath? Any(Random random)
    {
        lock (_paths)
            return _count == 0 ? null : _paths[random.NextInt64(Math.Min(_count, Remembered))];
    }
}
