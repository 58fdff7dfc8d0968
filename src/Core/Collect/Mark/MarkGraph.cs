using System.Diagnostics;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect.Order;

namespace OrleansCache.Core.Collect.Mark;

/// <summary>
/// The graph of one snapshot: paths that are live, publishing or condemned, with their references and objects, as ids in flat lists. Its
/// paths are added in any order, sealed, then walked; its objects may be added meanwhile.
/// </summary>
/// <remarks>Memory: 8 bytes an edge, 16 a path, and the id sets. No allocation per node.</remarks>
internal sealed class MarkGraph
{
    private readonly IdSet _paths = new();
    private readonly IdSet _objects = new();
    // Paths that are publishing or condemned.
    private readonly IdSet _unsettledPaths = new();
    private readonly IdSet _unsettledObjects = new();
    // Rows as they arrived; when all are known, _rows leads from a path's rank to its row.
    private readonly ChunkedList<long> _rowIds = new();
    private readonly ChunkedList<int> _rowEnds = new();
    // A reference is the id of a path; an object stands as the complement of its id.
    private readonly ChunkedList<long> _edges = new();
    private int[] _rows = [];

    public int Paths => _paths.Count;

    public int Objects => _objects.Count;

    public int Edges => _edges.Count;

    /// <param name="ids">Of paths, in any order.</param>
    /// <param name="notLive">Those among them that are publishing or condemned.</param>
    /// <param name="references">For each path, in the order of <paramref name="ids"/>.</param>
    /// <param name="objects">Likewise.</param>
    public void AddPaths(PostgresArray ids, PostgresArray notLive, PostgresArrays references, PostgresArrays objects)
    {
        foreach (var id in ids)
        {
            _paths.Add(id);
            _rowIds.Add(id);
            foreach (var reference in references.Next())
            {
                if (reference != id)
                    _edges.Add(reference);
            }

            foreach (var o in objects.Next())
                _edges.Add(~o);
            _rowEnds.Add(_edges.Count);
        }

        foreach (var id in notLive)
            _unsettledPaths.Add(id);
    }

    public void AddObjects(PostgresArray ids, PostgresArray notLive)
    {
        foreach (var id in ids)
            _objects.Add(id);
        foreach (var id in notLive)
            _unsettledObjects.Add(id);
    }

    /// <summary>All paths are there.</summary>
    public void SealPaths()
    {
        _paths.Seal();
        _rows = new int[_paths.Count];
        for (var row = 0; row < _rowIds.Count; row++)
            _rows[_paths.Rank(_rowIds[row])] = row;
    }

    public int RankOf(long path) => _paths.Rank(path);

    public long IdOf(int rank) => _rowIds[_rows[rank]];

    /// <summary>
    /// The set that the roots reach. A root that is not in the graph protects nothing: an earlier run with a shorter retention took that
    /// closure. A reference to a missing path stops the run, because a damaged graph must condemn nothing. <see cref="CheckObjects"/>
    /// checks the objects.
    /// </summary>
    /// <exception cref="GraphDamagedException">A path mentions a path that is not there.</exception>
    public async Task<ReachableSet> MarkAsync(IEnumerable<GcRoot> roots, bool trace, GcPace pace, CancellationToken cancellationToken)
    {
        var marks = new ReachableSet(_paths.Count, trace);
        // First in, first out, so that each trace is among the shortest.
        var open = new Queue<int>();
        foreach (var root in roots)
        {
            foreach (var id in root.Paths)
            {
                if (_paths.Rank(id) is >= 0 and var rank && marks.Path(rank, -1, root))
                    open.Enqueue(rank);
            }

            foreach (var id in root.Objects)
                marks.Promised.Add(id);
        }

        var step = Stopwatch.GetTimestamp();
        for (var visited = 0; open.TryDequeue(out var rank); visited++)
        {
            if ((visited & 0xfff) == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                step = await pace.RestAsync(step, cancellationToken);
            }

            var (from, to) = EdgesOf(rank);
            for (var i = from; i < to; i++)
            {
                var edge = _edges[i];
                if (edge < 0)
                {
                    marks.Objects.Add(~edge);
                    continue;
                }

                var target = _paths.Rank(edge);
                if (target < 0)
                    throw Damaged(IdOf(rank), $"path {edge}");
                if (marks.Path(target, rank, null))
                    open.Enqueue(target);
            }
        }

        return marks;
    }

    /// <summary>Checks, once all objects are known, that the objects of marked paths are there.</summary>
    /// <exception cref="GraphDamagedException">An object is missing.</exception>
    public void CheckObjects(ReachableSet marks)
    {
        foreach (var missing in marks.Objects.Except(_objects))
        {
            var rank = Enumerable.Range(0, _rows.Length).First(r => marks.HasPath(r) && EdgesOf(r) is var (from, to)
                && Enumerable.Range(from, to - from).Any(i => _edges[i] == ~missing));
            throw Damaged(IdOf(rank), $"object {missing}");
        }
    }

    /// <summary>Live paths that nothing reached, each before everything it refers to.</summary>
    public List<long> GarbagePaths(ReachableSet marks)
    {
        var garbage = new List<int>();
        var next = 0;
        foreach (var id in _paths.InOrder())
        {
            var rank = next++;
            if (!marks.HasPath(rank) && !_unsettledPaths.Contains(id))
                garbage.Add(rank);
        }

        var order = ReferenceOrder.ReferrersFirst(garbage, _paths.Count, (rank, n) =>
        {
            var (from, to) = EdgesOf(rank);
            if (from + n >= to || _edges[from + n] < 0)
                return ReferenceOrder.End;
            var target = _paths.Rank(_edges[from + n]);
            return marks.HasPath(target) || _unsettledPaths.Contains(_edges[from + n]) ? ReferenceOrder.Outside : target;
        });
        return order.ConvertAll(IdOf);
    }

    /// <summary>Live objects that nothing reached, neighbours apart.</summary>
    public List<long> GarbageObjects(ReachableSet marks)
    {
        var garbage = _objects.Except(marks.Objects).Where(id => !marks.Promised.Contains(id) && !_unsettledObjects.Contains(id)).ToList();
        return [.. HeapPageSpread.NeighboursApart(garbage)];
    }

    private (int From, int To) EdgesOf(int rank)
    {
        var row = _rows[rank];
        return (row == 0 ? 0 : _rowEnds[row - 1], _rowEnds[row]);
    }

    private static GraphDamagedException Damaged(long path, string mentions) =>
        new($"path {path} mentions {mentions}, which is not there; nothing was condemned. 'fsck' tells more.");
}
