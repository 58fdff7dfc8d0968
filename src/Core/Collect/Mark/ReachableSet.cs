using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Collect.Mark;

/// <summary>Why something is kept: what <c>gc_roots</c> answers.</summary>
/// <param name="Kind"><c>pin</c>, <c>closure</c>, <c>push</c> or <c>publishing</c>.</param>
internal sealed record GcRoot(string Kind, string? Name, DateTime? Until, long[] Paths, long[] Objects);

/// <summary>The set that the roots reach: paths by rank, objects by id; with a trace, the first chain that led to each path.</summary>
internal sealed class ReachableSet(int paths, bool trace)
{
    private readonly ulong[] _paths = new ulong[(paths >> 6) + 1];
    // The rank of the referrer that led here, or -1 with an entry in _roots.
    private readonly int[]? _from = trace ? new int[paths] : null;
    private readonly Dictionary<int, GcRoot> _roots = [];

    /// <summary>The objects of marked paths.</summary>
    public IdSet Objects { get; } = new();

    /// <summary>Objects that open pushes hold, whether or not they are still there.</summary>
    public IdSet Promised { get; } = new();

    /// <summary>Marks a path; false when it was marked before.</summary>
    public bool Path(int rank, int from, GcRoot? root)
    {
        ref var word = ref _paths[rank >> 6];
        var bit = 1UL << (rank & 63);
        if ((word & bit) != 0)
            return false;
        word |= bit;
        if (_from is not null)
        {
            _from[rank] = from;
            if (root is not null)
                _roots[rank] = root;
        }

        return true;
    }

    public bool HasPath(int rank) => (_paths[rank >> 6] & (1UL << (rank & 63))) != 0;

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
}

/// <summary>
/// The catalog refers to a row that it does not have. No run may collect until a person has understood why; fsck tells more.
/// </summary>
public sealed class GraphDamagedException(string message) : Exception(message);
