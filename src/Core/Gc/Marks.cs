namespace OrleansCache.Core.Gc;

/// <summary>Why something is kept: what <c>gc_roots</c> answers.</summary>
/// <param name="Kind"><c>pin</c>, <c>closure</c>, <c>push</c> or <c>publishing</c>.</param>
internal sealed record GcRoot(string Kind, string? Name, DateTime? Until, long[] Paths, long[] Objects);

/// <summary>What the roots reach, by rank; with a trace, the first way that led to each path.</summary>
internal sealed class Marks(int paths, int objects, bool trace)
{
    private readonly ulong[] _paths = new ulong[(paths >> 6) + 1];
    private readonly ulong[] _objects = new ulong[(objects >> 6) + 1];
    // The rank of the referrer that led here, or -1 with an entry in _roots.
    private readonly int[]? _from = trace ? new int[paths] : null;
    private readonly Dictionary<int, GcRoot> _roots = [];

    /// <summary>Marks a path; false when it was marked before.</summary>
    public bool Path(int rank, int from, GcRoot? root)
    {
        if (!Set(_paths, rank))
            return false;
        if (_from is not null)
        {
            _from[rank] = from;
            if (root is not null)
                _roots[rank] = root;
        }

        return true;
    }

    public void Object(int rank) => Set(_objects, rank);

    public bool HasPath(int rank) => (_paths[rank >> 6] & (1UL << (rank & 63))) != 0;

    public bool HasObject(int rank) => (_objects[rank >> 6] & (1UL << (rank & 63))) != 0;

    /// <summary>The root that keeps a marked path, and the ranks from the root's path down to it. Needs a trace.</summary>
    public (GcRoot Root, List<int> Chain) Trace(int rank)
    {
        var chain = new List<int> { rank };
        while (_from![chain[^1]] is >= 0 and var from)
            chain.Add(from);
        var root = _roots[chain[^1]];
        chain.Reverse();
        return (root, chain);
    }

    private static bool Set(ulong[] bits, int rank)
    {
        ref var word = ref bits[rank >> 6];
        var bit = 1UL << (rank & 63);
        if ((word & bit) != 0)
            return false;
        word |= bit;
        return true;
    }
}

/// <summary>The catalog mentions something that it does not have. Nothing may be collected before that is understood; fsck tells more.</summary>
public sealed class GraphDamagedException(string message) : Exception(message);
