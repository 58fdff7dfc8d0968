using System.Diagnostics;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Gc;

/// <summary>
/// The graph of one snapshot: paths that are live, publishing or condemned, with their references and objects, as ids in flat lists.
/// Filled row by row in any order, sealed, then walked.
/// </summary>
/// <remarks>Memory: 8 bytes an edge, 16 a path, 8 a live object, and the id sets. No allocation per node.</remarks>
internal sealed class MarkGraph
{
    private readonly IdSet _paths = new();
    private readonly IdSet _objects = new();
    private readonly IdSet _livePaths = new();
    private readonly IdSet _liveObjects = new();
    // Rows as they arrived; when all are known, _rows leads from a path's rank to its row.
    private readonly ChunkedList<long> _rowIds = new();
    private readonly ChunkedList<int> _rowEnds = new();
    // A reference is the id of a path; an object stands as the complement of its id.
    private readonly ChunkedList<long> _edges = new();
    private int[] _rows = [];

    public int Paths => _paths.Count;

    public int Objects => _objects.Count;

    public int Edges => _edges.Count;

    public void AddPath(long id, bool live, PostgresArray references, PostgresArray objects)
    {
        _paths.Add(id);
        if (live)
            _livePaths.Add(id);
        _rowIds.Add(id);
        foreach (var reference in references)
        {
            if (reference != id)
                _edges.Add(reference);
        }

        foreach (var o in objects)
            _edges.Add(~o);
        _rowEnds.Add(_edges.Count);
    }

    public void AddObject(long id, bool live)
    {
        _objects.Add(id);
        if (live)
            _liveObjects.Add(id);
    }

    public void Seal()
    {
        _paths.Seal();
        _objects.Seal();
        _rows = new int[_paths.Count];
        for (var row = 0; row < _rowIds.Count; row++)
            _rows[_paths.Rank(_rowIds[row])] = row;
    }

    public int RankOf(long path) => _paths.Rank(path);

    public long IdOf(int rank) => _rowIds[_rows[rank]];

    /// <summary>
    /// What the roots reach. A root that is not in the graph protects nothing: a closure that an earlier run with a shorter retention has taken.
    /// A path that mentions what is not there stops the run: by a damaged graph nothing may be condemned.
    /// </summary>
    /// <exception cref="GraphDamagedException">A path mentions what is not there.</exception>
    public async Task<Marks> MarkAsync(IEnumerable<GcRoot> roots, bool trace, GcPace pace, CancellationToken cancel)
    {
        var marks = new Marks(_paths.Count, _objects.Count, trace);
        // First come, first served: a trace is then one of the shortest.
        var open = new Queue<int>();
        foreach (var root in roots)
        {
            foreach (var id in root.Paths)
            {
                if (_paths.Rank(id) is >= 0 and var rank && marks.Path(rank, -1, root))
                    open.Enqueue(rank);
            }

            foreach (var id in root.Objects)
            {
                if (_objects.Rank(id) is >= 0 and var rank)
                    marks.Object(rank);
            }
        }

        var step = Stopwatch.GetTimestamp();
        for (var visited = 0; open.TryDequeue(out var rank); visited++)
        {
            if ((visited & 0xfff) == 0)
            {
                cancel.ThrowIfCancellationRequested();
                step = await pace.RestAsync(step, cancel);
            }

            var (from, to) = EdgesOf(rank);
            for (var i = from; i < to; i++)
            {
                var edge = _edges[i];
                var target = edge >= 0 ? _paths.Rank(edge) : _objects.Rank(~edge);
                if (target < 0)
                    throw new GraphDamagedException($"path {IdOf(rank)} mentions {(edge >= 0 ? $"path {edge}" : $"object {~edge}")}, which is not there; nothing was condemned. 'fsck' tells more.");
                if (edge < 0)
                    marks.Object(target);
                else if (marks.Path(target, rank, null))
                    open.Enqueue(target);
            }
        }

        return marks;
    }

    /// <summary>Live paths that nothing reached, each before everything it refers to.</summary>
    public List<long> GarbagePaths(Marks marks)
    {
        var garbage = new List<int>();
        foreach (var id in _livePaths.InOrder())
        {
            if (_paths.Rank(id) is var rank && !marks.HasPath(rank))
                garbage.Add(rank);
        }

        var order = Topology.ReferrersFirst(garbage, _paths.Count, (rank, n) =>
        {
            var (from, to) = EdgesOf(rank);
            if (from + n >= to || _edges[from + n] < 0)
                return Topology.End;
            var target = _paths.Rank(_edges[from + n]);
            return marks.HasPath(target) || !_livePaths.Contains(_edges[from + n]) ? Topology.Outside : target;
        });
        return order.ConvertAll(IdOf);
    }

    /// <summary>Live objects that nothing reached, neighbours apart.</summary>
    public List<long> GarbageObjects(Marks marks)
    {
        var garbage = new List<long>();
        foreach (var id in _liveObjects.InOrder())
        {
            if (!marks.HasObject(_objects.Rank(id)))
                garbage.Add(id);
        }

        return [.. Scatter.NeighboursApart(garbage)];
    }

    private (int From, int To) EdgesOf(int rank)
    {
        var row = _rows[rank];
        return (row == 0 ? 0 : _rowEnds[row - 1], _rowEnds[row]);
    }
}
