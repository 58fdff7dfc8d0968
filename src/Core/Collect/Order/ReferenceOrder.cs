using System.Collections;

namespace OrleansCache.Core.Collect.Order;

/// <summary>Orders for taking a graph down: each node before all nodes that it refers to.</summary>
internal static class ReferenceOrder
{
    /// <summary>The answer of an edge function for an edge that leads out of the set.</summary>
    public const int Outside = -1;

    /// <summary>The answer of an edge function behind the last edge.</summary>
    public const int End = -2;

    /// <summary>
    /// First the nodes without referrers, then those that only these refer to, and so on; within each step, neighbours apart
    /// (<see cref="HeapPageSpread"/>).
    /// </summary>
    /// <param name="nodes">Those to be ordered; each is below <paramref name="size"/>.</param>
    /// <param name="size">One more than the greatest node.</param>
    /// <param name="edge">The target of a node's n-th edge, <see cref="Outside"/> or <see cref="End"/>. No cycles but of a node to itself,
    /// which must be left out.</param>
    public static List<int> ReferrersFirst(IReadOnlyCollection<int> nodes, int size, Func<int, int, int> edge)
    {
        var seen = new BitArray(size);
        var order = new List<int>();
        var stack = new Stack<(int Node, int Next)>();
        foreach (var start in nodes)
        {
            if (seen[start])
                continue;
            seen[start] = true;
            stack.Push((start, 0));
            while (stack.TryPop(out var at))
            {
                var (node, next) = at;
                int target;
                do
                    target = edge(node, next++);
                while (target == Outside || (target >= 0 && seen[target]));
                if (target == End)
                {
                    order.Add(node);
                    continue;
                }

                seen[target] = true;
                stack.Push((node, next));
                stack.Push((target, 0));
            }
        }

        order.Reverse();
        var depths = new int[size];
        var levels = new List<List<int>>();
        foreach (var node in order)
        {
            var depth = depths[node];
            while (levels.Count <= depth)
                levels.Add([]);
            int target;
            for (var next = 0; (target = edge(node, next)) != End; next++)
            {
                if (target != Outside)
                    depths[target] = Math.Max(depths[target], depth + 1);
            }
        }

        foreach (var node in nodes)
            levels[depths[node]].Add(node);
        return [.. levels.SelectMany(HeapPageSpread.NeighboursApart)];
    }

    /// <summary>The keys, each before those among its values.</summary>
    public static List<long> ReferrersFirst(IReadOnlyDictionary<long, long[]> references)
    {
        var ids = references.Keys.Order().ToArray();
        var index = new Dictionary<long, int>(ids.Length);
        for (var i = 0; i < ids.Length; i++)
            index.Add(ids[i], i);
        var order = ReferrersFirst(Enumerable.Range(0, ids.Length).ToArray(), ids.Length, (node, n) =>
        {
            var targets = references[ids[node]];
            return n >= targets.Length ? End : targets[n] == ids[node] ? Outside : index.GetValueOrDefault(targets[n], Outside);
        });
        return order.ConvertAll(i => ids[i]);
    }
}
