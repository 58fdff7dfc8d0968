using OrleansCache.Core.Collect.Order;

namespace OrleansCache.Core.Collect.Sweep;

/// <summary>
/// The rows that may be deleted now: condemned past the grace, with all condemned referrers too. Paths come referrers first, then objects.
/// </summary>
internal sealed record SweepList(List<long> Paths, List<long> Objects)
{
    public static SweepList Of(IReadOnlyList<CondemnedNode> condemned)
    {
        var paths = condemned.Where(c => c.IsPath).ToDictionary(c => c.Id);
        var kept = new HashSet<long>();
        var keptObjects = new HashSet<long>();
        var due = new List<long>();
        foreach (var id in ReferenceOrder.ReferrersFirst(paths.Values.ToDictionary(p => p.Id, p => p.References)))
        {
            var path = paths[id];
            if (path.Due && !kept.Contains(id))
            {
                due.Add(id);
                continue;
            }

            kept.UnionWith(path.References);
            keptObjects.UnionWith(path.Objects);
        }

        return new SweepList(due, [.. HeapPageSpread.NeighboursApart(condemned.Where(c => !c.IsPath && c.Due && !keptObjects.Contains(c.Id))
            .Select(c => c.Id).Order().ToList())]);
    }
}

internal sealed record CondemnedNode(bool IsPath, long Id, bool Due, long[] References, long[] Objects);
