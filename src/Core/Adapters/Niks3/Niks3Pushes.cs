using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Niks3;

/// <summary>
/// Pushes of niks3's clients, in process. The catalog, or the ids that a request brings, hold all that later requests need, so any process
/// may take them.
/// </summary>
internal sealed partial class Niks3Pushes(
    CacheDirectory caches, Niks3Catalog catalog, PushCatalog reports, ICacheContents contents, IObjectStore store, UploadGrants grants,
    UploadCheck check, PathSigner signer, Publisher publisher, PushOptions options, IUploadNews? news) : INiks3Pushes
{
    private const string OperationPrefix = "deferred:";
    private const int SecretBytes = 16;
    private const int EndedAtOnce = 100;
    private const int PresentAtOnce = 500;
    private const int ClaimAttempts = 10;
    private const int MaxKnown = 10_000;
    private const int KnownSeconds = 60;
    private static readonly TimeSpan ClaimPause = TimeSpan.FromMilliseconds(20);
    // Secrets found valid lately, each with the time until which this is believed. Only steps that keep nothing rely on it, and the check
    // before a body is read; a step that keeps something asks the catalog.
    private readonly ConcurrentDictionary<(int Cache, PushId Push, string Secret), long> _known = new();

    private Caller _caller = Caller.Anonymous;

    public INiks3Pushes As(Caller caller)
    {
        var pushes = (Niks3Pushes)MemberwiseClone();
        pushes._caller = caller;
        return pushes;
    }

    public async Task<IReadOnlySet<StorePathHash>> PresentAsync(CacheName cache, IReadOnlyCollection<StorePathHash> roots,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var present = new HashSet<StorePathHash>();
        foreach (var some in roots.Distinct().Chunk(PresentAtOnce))
            present.UnionWith(await catalog.PresentAsync(id, _caller, some, options.HoldLife, cancellationToken));
        return present;
    }

    public async Task<Niks3Opened> OpenAsync(CacheName cache, Niks3Push request, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var index = Check(request);

        // 1. The push, and what it is promised.
        var secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes));
        var opened = await catalog.OpenAsync(id, Own(PushId.New()), OperationPrefix + secret, options.Niks3Life,
            [.. request.Paths.Select(p => p.Path)], [.. request.Roots.Distinct().Select(r => index[r] + 1)], options.Quotas,
            cancellationToken);
        Quotas.Check(opened.QuotaText, _caller);
        var ids = new long[request.Paths.Count];
        foreach (var path in opened.Paths)
            ids[path.Index] = path.Id;

        // 2. What it has to upload.
        var push = Own(opened.Id);
        var superseded = await FindSupersededAsync(id, push, request, opened, ids, index, cancellationToken);
        var missing = opened.Paths.Where(p => !p.Promised || superseded.Contains(p.Id)).ToList();
        var claims = missing.Count == 0 ? [] : await ClaimAsync(id, push, [.. missing.Select(m => m.Id)],
            [.. missing.Select(m => Declare(request.Paths[m.Index], ids, index, m.Promised))], cancellationToken);
        if (claims.Exists(c => c.Status == ClaimStatus.Withdrawn))
        {
            await catalog.EndAsync(id, push, cancellationToken);
            throw DirectPushes.Withdrawn([.. missing.Where(m => claims.Exists(c => c.Path == m.Id && c.Status == ClaimStatus.Withdrawn))
                .Select(m => request.Paths[m.Index].Path)]);
        }

        var uploads = await grants.GrantForNiks3Async(id, push, claims, request.SinglePuts, cancellationToken);
        if (uploads.Count < claims.Where(c => c.Status == ClaimStatus.Upload).DistinctBy(c => c.Object).Count())
            throw Ended(opened.Id);
        if (uploads.Count > 0)
            news?.Opened(cache, opened.Id, opened.Expires);

        // 3. What was promised and the store has lost.
        var lost = request.Verify ? await RestoreAsync(id, push, [.. opened.Paths.Where(p => p.Promised && !superseded.Contains(p.Id))],
            request, cancellationToken) : [];

        // 4. Logs and realisations.
        var objects = request.Objects.Select(o => (o.Key, o.IsLog, ids[index[o.Path]])).ToList();
        var missingObjects = objects.Count == 0 ? [] : await catalog.ExpectAsync(id, push, objects, cancellationToken)
            ?? throw Ended(opened.Id);
        if (!_caller.ReadsOthers)
            missingObjects = [.. objects.Select(o => o.Key)];
        return new Niks3Opened(
            opened.Id, secret, missing.Select(m => request.Paths[m.Index].Path).ToHashSet(),
            [.. uploads.Values.Concat(lost.Select(l => (GrantId: l, Parts: (IReadOnlyList<Uri>)[]))).DistinctBy(u => u.GrantId.NarHash)
                .Select(u => new Niks3Upload(u.GrantId.NarHash, $"{opened.Id}~{u.GrantId.ToText(opened.Id, caches.SecretOf(id))}",
                    u.Parts))], missingObjects);
    }

    public async Task<IReadOnlyDictionary<StorePathHash, IReadOnlyList<string>>> DeclareAsync(CacheName cache, PushId push,
        IReadOnlyList<Niks3Declaration> paths, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        if (paths.Count == 0)
            return new Dictionary<StorePathHash, IReadOnlyList<string>>();
        ReferenceLimit.Check(paths.Select(p => (p.Path.Path, p.References.Count)), options);
        if (paths.Where(p => !DeclaredAddress.IsTrue(p.Path, p.References)).Select(p => p.Path).ToList() is [_, ..] untrue)
            throw DeclaredAddress.Refusal(untrue);
        var signatures = await signer.SignAsync([.. paths.Select(p => (p.Path, p.References))], cancellationToken);
        var declared = await catalog.DeclareAsync(id, Own(push), paths, signatures, cancellationToken);
        var refusals = declared.Zip(paths).Select(d => Refusal(push, d.First.Outcome, d.Second.Path.Path)).OfType<CacheProblemException>()
            .ToList();
        if ((refusals.Find(r => r.Kind == ProblemKind.NotOfThisPush) ?? refusals.FirstOrDefault()) is { } refusal)
            throw refusal;

        // A NAR that never arrived, or has to be read first, gets no signature here; its narinfo is signed when it is published.
        return paths.Select((d, i) => (d.Path.Path.Hash, Signatures: declared[i] switch
        {
            (DeclareOutcome.Present, var stored, _) => stored,
            (_, _, Arrived: true) => signatures[i].Split(' ', StringSplitOptions.RemoveEmptyEntries),
            _ => [],
        })).ToDictionary(x => x.Hash, x => (IReadOnlyList<string>)x.Signatures);
    }

    public Task<bool> KeepListingAsync(CacheName cache, PushId push, string secret, StorePathHash path, byte[] content,
        CancellationToken cancellationToken) =>
        catalog.KeepListingAsync(caches.IdOf(cache), push, OperationPrefix + secret, path, content, cancellationToken);

    public Task<bool> KeepObjectAsync(CacheName cache, PushId push, string secret, ObjectKey key, byte[] content,
        CancellationToken cancellationToken) =>
        catalog.KeepObjectAsync(caches.IdOf(cache), push, OperationPrefix + secret, key, content, cancellationToken);

    public async Task<bool> IsOpenAsync(CacheName cache, PushId push, string secret, CancellationToken cancellationToken)
    {
        var key = (caches.IdOf(cache), push, secret);
        if (_known.TryGetValue(key, out var until) && Stopwatch.GetTimestamp() < until)
            return true;
        return await catalog.IsOpenAsync(key.Item1, push, OperationPrefix + secret, cancellationToken) && Know(key);
    }

    public async Task<int> EndSilentAsync(CacheName cache, TimeSpan silence, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var ended = 0;
        while (true)
        {
            var some = await catalog.EndLapsedAsync(id, options.LapsedBefore(silence), EndedAtOnce, cancellationToken);
            ended += some;
            if (some < EndedAtOnce)
                return ended;
        }
    }

    private bool Know((int, PushId, string) key)
    {
        if (_known.Count >= MaxKnown)
            _known.Clear();
        _known[key] = Stopwatch.GetTimestamp() + (KnownSeconds * Stopwatch.Frequency);
        return true;
    }

    private Dictionary<StorePathHash, int> Check(Niks3Push request)
    {
        if (request.Paths.Count > options.MaxPaths)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"The closure has {request.Paths.Count} paths; this server takes {options.MaxPaths} in one push. Push parts of it first.");
        ReferenceLimit.Check(request.Paths.Select(p => (p.Path, p.References.Count)), options);
        var index = new Dictionary<StorePathHash, int>(request.Paths.Count);
        var sizes = new Dictionary<Sha256Hash, long>(request.Paths.Count);
        for (var i = 0; i < request.Paths.Count; i++)
        {
            var (path, narHash, narSize) = (request.Paths[i].Path, request.Paths[i].NarHash, request.Paths[i].NarSize);
            if (narSize is <= 0 or > NarInfo.MaxNarSize)
                throw new CacheProblemException(ProblemKind.BadRequest,
                    $"{path}: the size of its NAR is {narSize}; 1 to {NarInfo.MaxNarSize} is wanted.");
            if (sizes.TryGetValue(narHash, out var other) && other != narSize)
                throw new CacheProblemException(ProblemKind.BadRequest,
                    $"{path}: its NAR has {narSize} bytes, and another path's NAR of the same hash {other}: one of them is wrong.");
            sizes[narHash] = narSize;
            if (!index.TryAdd(request.Paths[i].Path, i))
                throw new CacheProblemException(ProblemKind.BadRequest, $"{request.Paths[i].Path} is declared twice.");
        }

        var absent = request.Paths.SelectMany(p => p.References).Concat(request.Roots).Concat(request.Objects.Select(o => o.Path))
            .Where(h => !index.ContainsKey(h)).Distinct().ToList();
        if (absent.Count > 0)
            throw new CacheProblemException(ProblemKind.ClosureIncomplete,
                $"{absent.Count} paths are referred to but not declared, {absent[0]} for one. Send the whole closure.", absent);
        return Closure.FindCycle([.. request.Paths.Select(p => p.References)], index) is { } cyclic
            ? throw new CacheProblemException(ProblemKind.BadRequest, $"The references form a cycle through {request.Paths[cyclic].Path}.")
            : index;
    }

    private static CacheProblemException? Refusal(PushId push, DeclareOutcome outcome, StorePath path) => outcome switch
    {
        DeclareOutcome.Declared or DeclareOutcome.Present => null,
        DeclareOutcome.PushEnded => Ended(push),
        DeclareOutcome.Unnamed => new(ProblemKind.NotOfThisPush, $"{path} is none of the paths that push {push} was opened with."),
        DeclareOutcome.Differs => new(ProblemKind.BadRequest,
            $"{path} has another NAR hash, NAR size or other references than push {push} was opened with."),
        DeclareOutcome.OtherName => new(ProblemKind.BadRequest,
            $"The cache knows the hash of {path}, or of a path that it refers to, with another name."),
    };

    private static Declaration Declare(Niks3Path path, long[] ids, Dictionary<StorePathHash, int> index, bool supersedes) =>
        new("", path.NarHash, path.NarSize, [.. path.References.Distinct().Select(r => ids[index[r]]).Order()], null, null, "",
            null, supersedes);

    /// <summary>
    /// Ids of live paths whose content this push supersedes. Other paths that differ stay as they are: niks3's protocol has no answer for
    /// them.
    /// </summary>
    private async Task<HashSet<long>> FindSupersededAsync(
        int cache, OwnPush push, Niks3Push request, OpenedPush opened, long[] ids, Dictionary<StorePathHash, int> index,
        CancellationToken cancellationToken)
    {
        var promised = opened.Paths.Where(p => p.Promised).ToList();
        if (promised.Count == 0)
            return [];
        var found = await catalog.CompareAsync(
            cache, push, [.. promised.Select(p => p.Id)],
                [.. promised.Select(p => Declare(request.Paths[p.Index], ids, index, supersedes: false))], isWhole: false,
                    cancellationToken);
        return found.Where(f => f.Verdict == PathVerdict.Supersede).Select(f => f.Path).ToHashSet();
    }

    private OwnPush Own(PushId push) => new(push, _caller);

    // A NAR that arrived between two steps of the claim is answered 'wait': the next look holds it.
    private async Task<List<Claim>> ClaimAsync(int cache, OwnPush push, IReadOnlyList<long> paths, IReadOnlyList<Declaration> declarations,
        CancellationToken cancellationToken)
    {
        var claims = await catalog.ClaimAllAsync(cache, push, paths, declarations, options, cancellationToken);
        for (var attempt = 0; ; attempt++)
        {
            if (claims.Find(c => c.Status == ClaimStatus.Quota) is { } exceeded)
            {
                await catalog.EndAsync(cache, push, cancellationToken);
                Quotas.Check(exceeded.QuotaText, _caller);
            }

            if (claims.Exists(c => c.Status == ClaimStatus.Ended))
                throw Ended(push.Id);
            var waiting = claims.Where(c => c.Status == ClaimStatus.Wait).Select(c => c.Path).ToList();
            if (waiting.Count == 0)
                return claims;
            if (attempt == ClaimAttempts)
                throw new CacheProblemException(ProblemKind.Unavailable,
                    "Others change what this push needs just now. Send the same request again.");
            await Task.Delay(ClaimPause, cancellationToken);
            claims.RemoveAll(c => c.Status == ClaimStatus.Wait);
            claims.AddRange(await catalog.ClaimAllAsync(cache, push, waiting, null, options, cancellationToken));
        }
    }

    private static CacheProblemException Ended(PushId push) =>
        new(ProblemKind.PushEnded, string.Create(CultureInfo.InvariantCulture, $"Push {push} is not open, or never was. Push again."));
}
