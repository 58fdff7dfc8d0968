using OrleansCache.Core.Collect.Order;

namespace OrleansCache.Core.Collect.Sweep;

/// <summary>
/// Selects the deleting paths that may go now: their deleting referrers are gone. Neighbours come apart (<see cref="HeapPageSpread"/>).
/// </summary>
internal sealed class DeletionWaves
{
    private readonly Dictionary<long, DeletingPath> _paths;
    private readonly Dictionary<long, int> _referrers = [];
    private readonly Queue<DeletingPath> _ready;

    public DeletionWaves(IReadOnlyList<DeletingPath> paths)
    {
        _paths = paths.ToDictionary(p => p.Id);
        foreach (var path in paths)
        {
            foreach (var reference in References(path))
                _referrers[reference] = _referrers.GetValueOrDefault(reference) + 1;
        }

        // A held path stays, and so do all paths that it refers to.
        _ready = new Queue<DeletingPath>(Scattered(paths.Where(p => !_referrers.ContainsKey(p.Id) && !p.Held)));
    }

    /// <summary>Takes up to so many paths; none when all that are left wait for others.</summary>
    public List<DeletingPath> TakeReady(int limit)
    {
        var batch = new List<DeletingPath>();
        while (batch.Count < limit && _ready.TryDequeue(out var path))
            batch.Add(path);
        return batch;
    }

    public void Gone(IReadOnlyList<long> ids)
    {
        var ready = new List<DeletingPath>();
        foreach (var id in ids)
        {
            foreach (var reference in References(_paths[id]))
            {
                if (--_referrers[reference] == 0 && !_paths[reference].Held)
                    ready.Add(_paths[reference]);
            }
        }

        foreach (var path in Scattered(ready))
            _ready.Enqueue(path);
    }

    private static IEnumerable<DeletingPath> Scattered(IEnumerable<DeletingPath> paths) =>
        HeapPageSpread.NeighboursApart(paths.OrderBy(p => p.Id).ToList());

    private IEnumerable<long> References(DeletingPath path) => path.References.Where(r => r != path.Id && _paths.ContainsKey(r));
}
