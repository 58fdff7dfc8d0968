using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <param name="Roots">The paths of the group that no other of it refers to.</param>
/// <param name="Closure">All that is declared: the group, and what it refers to and was pushed before.</param>
internal sealed record PushGroup(IReadOnlyList<StorePathHash> Roots, IReadOnlySet<StorePathHash> Closure);

/// <summary>
/// Divides paths into pushes, references before what refers to them: so a push is bounded although the closure of a root is not, and one
/// that is interrupted loses no more than itself. Paths of one root stay together, as each push declares the whole closure of its own.
/// </summary>
/// <param name="graph">Whose refused paths are passed over; more may be refused between two groups.</param>
/// <param name="wanted">What the server lacks.</param>
internal sealed class PushGroups(SourceGraph graph, IReadOnlyCollection<StorePathHash> wanted)
{
    private readonly HashSet<StorePathHash> _wanted = [.. wanted];

    /// <summary>Paths that a push brings.</summary>
    public int MaxPaths { get; init; } = 4_000;

    /// <summary>Bytes that a push brings, in the source's compression.</summary>
    public long MaxBytes { get; init; } = 4L << 30;

    /// <summary>Paths that a push declares, unless one path alone needs more.</summary>
    public int MaxDeclared { get; init; } = 20_000;

    /// <summary>What the server takes in one push.</summary>
    public int MaxClosure { get; init; } = 100_000;

    /// <summary>The groups, one after the other; each is to be pushed before the next one is asked for.</summary>
    public IEnumerable<PushGroup> All()
    {
        var group = new HashSet<StorePathHash>();
        var closure = new HashSet<StorePathHash>();
        var bytes = 0L;
        foreach (var hash in ReferencesFirst())
        {
            if (!graph.Takes(hash))
                continue;
            var added = ClosureOf([hash], closure);
            if (group.Count > 0 && (group.Count == MaxPaths || bytes + graph.Paths[hash].Bytes > MaxBytes
                || IsTooMuch(closure.Count + added.Count, added.Count)))
            {
                yield return Of(group);
                (group, closure, bytes) = ([], [], 0);
                if (!graph.Takes(hash))
                    continue;
                added = ClosureOf([hash], closure);
            }

            if (added.Count > MaxClosure)
            {
                graph.Refuse(hash, graph.Paths[hash].Info.Path.ToString(),
                    $"needs {added.Count:N0} paths, and one push takes at most {MaxClosure:N0}");
                continue;
            }

            group.Add(hash);
            closure.UnionWith(added);
            bytes += graph.Paths[hash].Bytes;
        }

        if (group.Count > 0)
            yield return Of(group);
    }

    // Where one path has a large closure, others that have it in common go along.
    private bool IsTooMuch(int declared, int added) => declared > MaxClosure || (declared > MaxDeclared && added > MaxDeclared / 20);

    /// <summary>What is left of a group once more was refused; null: nothing.</summary>
    public PushGroup? Without(PushGroup group)
    {
        var left = group.Closure.Where(hash => _wanted.Contains(hash) && graph.Takes(hash)).ToHashSet();
        return left.Count == 0 ? null : Of(left);
    }

    private PushGroup Of(HashSet<StorePathHash> group)
    {
        var left = group.Where(graph.Takes).ToList();
        var referred = left.SelectMany(hash => graph.Paths[hash].Info.References.Where(reference => reference != hash)).ToHashSet();
        return new PushGroup([.. left.Where(hash => !referred.Contains(hash))], ClosureOf(left, []));
    }

    /// <summary>What some paths reach, themselves included, without what is known already.</summary>
    private HashSet<StorePathHash> ClosureOf(IEnumerable<StorePathHash> roots, HashSet<StorePathHash> known)
    {
        var reached = new HashSet<StorePathHash>(roots.Where(root => !known.Contains(root)));
        var left = new Stack<StorePathHash>(reached);
        while (left.TryPop(out var hash))
        {
            foreach (var reference in graph.Paths[hash].Info.References)
            {
                if (!known.Contains(reference) && reached.Add(reference))
                    left.Push(reference);
            }
        }

        return reached;
    }

    private IEnumerable<StorePathHash> ReferencesFirst()
    {
        var taken = _wanted.Where(graph.Takes).ToList();
        var referred = taken.SelectMany(hash => graph.Paths[hash].Info.References.Where(reference => reference != hash)).ToHashSet();
        // By name: versions of one thing have most of their closures in common.
        var tops = taken.Where(hash => !referred.Contains(hash)).OrderBy(hash => graph.Paths[hash].Info.Path.Name, StringComparer.Ordinal)
            .ThenBy(hash => hash);
        var seen = new HashSet<StorePathHash>();
        var left = new Stack<(StorePathHash Hash, bool IsDone)>();
        foreach (var top in tops)
        {
            left.Push((top, false));
            while (left.TryPop(out var next))
            {
                if (next.IsDone)
                {
                    yield return next.Hash;
                    continue;
                }

                if (!_wanted.Contains(next.Hash) || !seen.Add(next.Hash))
                    continue;
                left.Push((next.Hash, true));
                if (!graph.Paths.TryGetValue(next.Hash, out var path))
                    continue;
                foreach (var reference in path.Info.References)
                {
                    if (!seen.Contains(reference))
                        left.Push((reference, false));
                }
            }
        }
    }
}
