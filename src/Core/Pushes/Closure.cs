using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pins;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>A checked begin request: closed, free of cycles, within the limits.</summary>
internal sealed class Closure
{
    private const int MaxCommitters = 16;

    private Closure(BeginPush request, Dictionary<StorePathHash, int> index, byte[][] pathDigests) =>
        (Request, Index, PathDigests, Digest) = (request, index, pathDigests, DigestOf(request, pathDigests));

    public BeginPush Request { get; }

    /// <summary>Position of each path in the request.</summary>
    public Dictionary<StorePathHash, int> Index { get; }

    /// <summary>The declaration of each path: see <see cref="PathDigest"/>.</summary>
    public byte[][] PathDigests { get; }

    /// <summary>Tells one request from another under the same idempotency key.</summary>
    public byte[] Digest { get; }

    /// <exception cref="CacheProblemException">The closure is incomplete or malformed.</exception>
    public static Closure Check(BeginPush request, PushOptions options)
    {
        var paths = request.Paths;
        if (paths.Count == 0 || request.Roots.Count == 0)
            throw Bad("A push names at least one path and one root.");
        if (paths.Count > options.MaxPaths)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"The closure has {paths.Count} paths; this server takes {options.MaxPaths} in one push. Push parts of it first.");
        if (Math.Max(request.Roots.Count, Math.Max(request.Logs.Count, request.Realisations.Count)) > options.MaxPaths)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"There are {request.Roots.Count} roots, {request.Logs.Count} logs and {request.Realisations.Count} realisations; this " +
                $"server takes {options.MaxPaths} of each in one push.");

        ReferenceLimit.Check(paths.Select(p => (p.Path, p.References.Count)), options);
        if (request.Committers is { } committers && (committers.Count > MaxCommitters
            || committers.Any(c => c is not { Length: > 0 and <= 256 } || c.AsSpan().ContainsAnyExceptInRange('!', '~'))))
            throw Bad($"committers names at most {MaxCommitters} publishers, such as 'token:7'.");
        if (request.Pin is { } pin)
        {
            if (request.Roots.Distinct().Count() != 1)
                throw Bad("A pin names one path: a push that sets one has exactly one root.");
            PinLimits.Check(pin.ExpiresSeconds, pin.KeepRevisions);
        }

        var index = new Dictionary<StorePathHash, int>(paths.Count);
        var sizes = new Dictionary<Sha256Hash, long>(paths.Count);
        for (var i = 0; i < paths.Count; i++)
        {
            if (paths[i].NarSize is <= 0 or > NarInfo.MaxNarSize)
                throw Bad($"{paths[i].Path}: narSize is {paths[i].NarSize}; 1 to {NarInfo.MaxNarSize} is wanted.");
            if (sizes.TryGetValue(paths[i].NarHash, out var other) && other != paths[i].NarSize)
                throw Bad(
                    $"{paths[i].Path}: its NAR has {paths[i].NarSize} bytes, and another path's NAR of the same hash {other}: one of them is wrong.");
            sizes[paths[i].NarHash] = paths[i].NarSize;
            if (!index.TryAdd(paths[i].Path.Hash, i))
                throw Bad($"{paths[i].Path} is declared twice.");
        }

        if (request.Logs.FirstOrDefault(l => !l.Drv.IsDerivation) is { } strange)
            throw Bad($"{strange.Drv} has no build log: only a derivation, whose name ends with .drv, has one.");

        var absent = paths.SelectMany(p => p.References)
            .Concat(request.Roots).Concat(request.Logs.Select(l => l.Path)).Concat(request.Realisations.Select(r => r.Path))
            .Where(h => !index.ContainsKey(h)).Distinct().ToList();
        if (absent.Count > 0)
        {
            throw new CacheProblemException(
                ProblemKind.ClosureIncomplete,
                $"{absent.Count} paths are referred to (by a path, as a root, or by a log or realisation) but not declared, {absent[0]} " +
                    "for one. Send the whole closure.", absent);
        }

        if (FindCycle([.. paths.Select(p => p.References)], index) is { } cyclic)
            throw Bad($"The references form a cycle through {paths[cyclic].Path}.");
        var digests = new byte[paths.Count][];
        var isUntrue = new bool[paths.Count];
        // Not PLINQ, which blocks its caller until other threads of the pool have come: a hundred at once are then all of the pool.
        Parallel.For(0, paths.Count, i =>
        {
            digests[i] = PathDigest.Of(paths[i]);
            isUntrue[i] = paths[i].Ca is not null && !DeclaredAddress.IsTrue(paths[i], References(paths[i], paths, index));
        });
        var untrue = paths.Where((_, i) => isUntrue[i]).ToList();
        return untrue.Count == 0 ? new Closure(request, index, digests) : throw DeclaredAddress.Refusal(untrue);
    }

    /// <summary>The declared references of a path as store paths, sorted, each once.</summary>
    public List<StorePath> References(PathDeclaration path) => References(path, Request.Paths, Index);

    private static List<StorePath> References(
        PathDeclaration path, IReadOnlyList<PathDeclaration> paths, Dictionary<StorePathHash, int> index) =>
        [.. path.References.Distinct().Select(r => paths[index[r]].Path).Order()];

    // References of real store paths have no cycle but a path's reference to itself. Another cycle could never be published references
    // first.
    /// <summary>One of a cycle; null when there is none.</summary>
    public static int? FindCycle(IReadOnlyList<IReadOnlyList<StorePathHash>> references, Dictionary<StorePathHash, int> index)
    {
        var open = new int[references.Count];
        var referrers = new List<int>?[references.Count];
        for (var i = 0; i < references.Count; i++)
        {
            foreach (var reference in references[i])
            {
                var target = index[reference];
                if (target == i)
                    continue;
                open[i]++;
                (referrers[target] ??= []).Add(i);
            }
        }

        var ready = new Stack<int>(Enumerable.Range(0, references.Count).Where(i => open[i] == 0));
        var seen = 0;
        while (ready.TryPop(out var at))
        {
            seen++;
            foreach (var referrer in referrers[at] ?? [])
            {
                if (--open[referrer] == 0)
                    ready.Push(referrer);
            }
        }

        return seen < references.Count ? Array.FindIndex(open, o => o > 0) : null;
    }

    private static byte[] DigestOf(BeginPush request, byte[][] pathDigests)
    {
        // One call for all, as a call of the hash costs more than hashing a path.
        var bytes = new byte[(request.Paths.Count * (StorePathHash.ByteLength + PathDigest.Length))
            + (request.Roots.Count * StorePathHash.ByteLength)];
        var rest = bytes.AsSpan();
        for (var i = 0; i < request.Paths.Count; i++)
        {
            request.Paths[i].Path.Hash.CopyTo(rest);
            pathDigests[i].CopyTo(rest[StorePathHash.ByteLength..]);
            rest = rest[(StorePathHash.ByteLength + PathDigest.Length)..];
        }

        foreach (var root in request.Roots)
        {
            root.CopyTo(rest);
            rest = rest[StorePathHash.ByteLength..];
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(bytes);
        foreach (var committer in request.Committers ?? [])
            hash.AppendData(Encoding.UTF8.GetBytes($"{committer} "));
        if (request.Pin is { } pin)
            hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(pin, ProtocolJson.Default.PushPin));
        return hash.GetHashAndReset();
    }

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);
}
