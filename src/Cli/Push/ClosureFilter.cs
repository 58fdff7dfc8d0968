using System.Globalization;
using System.IO.Enumeration;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>A root that is not pushed, and the path that is the cause: itself, or one that it needs.</summary>
/// <param name="Why">A clause about the cause: <c>matches --exclude '*-dbg'</c>.</param>
internal sealed record LeftOutRoot(StorePath Root, StorePath Cause, string Why)
{
    public override string ToString() =>
        Cause == Root ? $"{Root} is left out: it {Why}" : $"{Root} is left out: it needs {Cause}, which {Why}";
}

/// <summary>
/// Which roots are pushed. No part of a closure may be missing in a cache, so a root is pushed with all that it needs or left out as a
/// whole.
/// </summary>
internal sealed record ClosureFilter
{
    /// <summary>Patterns of names, <c>*</c> and <c>?</c>; a root must have one of them. Empty: any.</summary>
    public IReadOnlyList<string> Wanted { get; init; } = [];

    /// <summary>Patterns of names that nothing in a closure may have.</summary>
    public IReadOnlyList<string> Excluded { get; init; } = [];

    /// <summary>The most bytes of any NAR in a closure.</summary>
    public long? MaxNarSize { get; init; }

    private bool IsEmpty => Wanted.Count == 0 && Excluded.Count == 0 && MaxNarSize is null;

    /// <summary>Divides the roots into those to push, in their order, and those that are left out.</summary>
    /// <param name="paths">The closures of all of them.</param>
    public (IReadOnlyList<StorePath> Roots, IReadOnlyList<LeftOutRoot> LeftOut) Apply(IReadOnlyList<StorePath> roots,
        IReadOnlyDictionary<StorePathHash, PathInfo> paths)
    {
        if (IsEmpty)
            return (roots, []);
        var kept = new List<StorePath>();
        var leftOut = new List<LeftOutRoot>();
        var causes = new Dictionary<StorePathHash, (StorePath Path, string Why)?>();
        foreach (var root in roots)
        {
            if (Wanted.Count > 0 && !Wanted.Any(pattern => Matches(pattern, root)))
                leftOut.Add(new LeftOutRoot(root, root, $"matches no --filter ({string.Join(", ", Wanted)})"));
            else if (CauseOf(root.Hash, paths, causes) is { } cause)
                leftOut.Add(new LeftOutRoot(root, cause.Path, cause.Why));
            else
                kept.Add(root);
        }

        return (kept, leftOut);
    }

    /// <summary>All that the roots need, themselves included.</summary>
    public static Dictionary<StorePathHash, PathInfo> Reachable(IReadOnlyList<StorePath> roots,
        IReadOnlyDictionary<StorePathHash, PathInfo> paths)
    {
        var reached = new Dictionary<StorePathHash, PathInfo>();
        var left = new Stack<StorePathHash>(roots.Select(root => root.Hash));
        while (left.TryPop(out var hash))
        {
            if (!reached.TryAdd(hash, paths[hash]))
                continue;
            foreach (var reference in paths[hash].References)
                left.Push(reference);
        }

        return reached;
    }

    // Each path is looked at once for all roots, its references before itself.
    private (StorePath Path, string Why)? CauseOf(StorePathHash root, IReadOnlyDictionary<StorePathHash, PathInfo> paths,
        Dictionary<StorePathHash, (StorePath Path, string Why)?> causes)
    {
        var left = new Stack<(StorePathHash Path, bool IsDone)>([(root, false)]);
        while (left.TryPop(out var next))
        {
            var info = paths[next.Path];
            if (next.IsDone)
            {
                causes[next.Path] ??= info.References.Select(reference => causes.GetValueOrDefault(reference))
                    .FirstOrDefault(cause => cause is not null);
            }
            else if (causes.TryAdd(next.Path, Own(info)))
            {
                left.Push((next.Path, true));
                foreach (var reference in info.References.Where(reference => !causes.ContainsKey(reference)))
                    left.Push((reference, false));
            }
        }

        return causes[root];
    }

    private (StorePath Path, string Why)? Own(PathInfo info)
    {
        if (Excluded.FirstOrDefault(pattern => Matches(pattern, info.Path)) is { } excluded)
            return (info.Path, $"matches --exclude {excluded}");
        return info.NarSize > MaxNarSize ? (info.Path, string.Create(CultureInfo.InvariantCulture,
            $"has a NAR of {info.NarSize} bytes, more than --max-nar-size {MaxNarSize}")) : null;
    }

    private static bool Matches(string pattern, StorePath path) =>
        FileSystemName.MatchesSimpleExpression(pattern, path.Name, ignoreCase: false);
}
