using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>
/// Takes closures over from another cache: an ordinary push of the target whose client is this process, and whose NARs the store copies. It
/// has no state beside that push, so any server can go on with it.
/// </summary>
/// <param name="caches">Both are among them. They are asked for again with each step, as their settings may change meanwhile.</param>
/// <param name="agreements">What the stages of a cache say.</param>
/// <param name="maxPaths">Of a closure.</param>
internal sealed class Promoter(CacheRegistry caches, PromotionCatalog catalog, AgreementCatalog agreements, int maxPaths) : IPromotions,
    IDisposable
{
    private const int MaxRoots = 1_000;
    private const int MaxAtOnce = 16;
    // An operation whose push has ended begins another: so often a promotion may be sent again after it was done.
    private const int MaxAttempts = 20;
    private static readonly TimeSpan CommitPatience = TimeSpan.FromSeconds(5);
    // A report compares whole stages: many at once would push everything else out of the database's memory.
    private readonly SemaphoreSlim _oneReport = new(1);
    private int _running;

    public Task<Promotion> PromoteAsync(CacheName target, PromoteRequest request, Caller caller, OperationId operation,
        Action<PromotionProgress> tell, CancellationToken cancellationToken) =>
        PromoteAsync(target, request, caller, operation, tell, static _ => Task.CompletedTask, cancellationToken);

    /// <param name="target">The cache that takes the closure over.</param>
    /// <param name="request">What, and where from.</param>
    /// <param name="caller">Who pushes to the target.</param>
    /// <param name="operation">The caller's own.</param>
    /// <param name="tell">Called with how far it is.</param>
    /// <param name="demand">Is shown the closure as it is promoted, and throws when that may not be.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <remarks>
    /// 1. Read the closure in the source. 2. Begin a push of it in the target. 3. Bring what the target lacks. 4. Commit. A dry run only
    /// compares.
    /// </remarks>
    public async Task<Promotion> PromoteAsync(CacheName target, PromoteRequest request, Caller caller, OperationId operation,
        Action<PromotionProgress> tell, Func<IReadOnlyList<TakenPath>, Task> demand, CancellationToken cancellationToken)
    {
        if (!CacheName.TryParse(request.From, out var source) || source == target)
            throw Bad(source == target ? "A closure is promoted from another cache." : $"'{request.From}' is not the name of a cache.");
        using var place = Enter();

        // 1.
        var roots = await RootsAsync(source, request, cancellationToken);
        var closure = await ReadAsync(source, roots, cancellationToken);
        await demand(closure);
        if (request.DryRun)
            return await CompareAsync(target, roots, closure, cancellationToken);

        // 2.
        var work = new Promoting(caches, source, target, caller, closure, tell);
        var begun = BeginOf(roots, closure);
        var opened = await BeginAsync(work, begun, operation, cancellationToken);
        var push = PushId.TryParse(opened.Id, out var id) ? id : throw new FormatException(opened.Id);
        await catalog.NoteAsync(target, new OwnPush(push, caller), source, cancellationToken);
        try
        {
            // 3.
            await work.BringAsync(push, opened, cancellationToken);
            await new CarriedFiles(caches, work).SendAsync(push, begun, opened, cancellationToken);

            // 4.
            return Answer(roots, closure, work.Progress) with
            {
                Present = opened.Present,
                Published = await CommitAsync(work, push, cancellationToken),
                Conflicts = opened.Conflicts,
                Keys = await KeysAsync(target, cancellationToken),
            };
        }
        catch (CacheProblemException e) when (!e.IsOutage && e.Kind is not (ProblemKind.PushEnded or ProblemKind.UnknownPush))
        {
            // What another try cannot mend gives its space back.
            await work.OnTargetAsync(pushes => pushes.AbortAsync(target, push, cancellationToken), cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    public async Task<ConflictList> ConflictsAsync(CacheName cache, StorePathHash? after, bool all, int limit,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await _oneReport.WaitAsync(cancellationToken);
        try
        {
            var conflicts = await agreements.ConflictsAsync(caches.Find(cache)!.Row.Id, after, all, limit, cancellationToken);
            return new ConflictList { Conflicts = conflicts, After = conflicts.Count == limit ? conflicts[^1].Path.Hash : null };
        }
        finally
        {
            _oneReport.Release();
        }
    }

    public void Dispose() => _oneReport.Dispose();

    private async Task<IReadOnlyList<StorePathHash>> RootsAsync(CacheName source, PromoteRequest request,
        CancellationToken cancellationToken)
    {
        if (request.Pin is null == (request.Paths.Count == 0))
            throw Bad("A promotion names paths, or a pin.");
        if (request.Paths.Count > MaxRoots)
            throw new CacheProblemException(ProblemKind.TooLarge, $"{request.Paths.Count} paths are named; {MaxRoots} are taken at once.");
        if (request.Pin is not { } pin)
            return [.. request.Paths.Distinct()];
        using var use = await caches.UseAsync(source, cancellationToken);
        return [(await use.Services.Pins.ShowAsync(source, pin, cancellationToken)).Path.Hash];
    }

    /// <summary>All that the roots need. Signatures by the source's own keys stay there.</summary>
    private async Task<List<TakenPath>> ReadAsync(CacheName source, IReadOnlyList<StorePathHash> roots, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(source, cancellationToken);
        var closure = await catalog.ReadAsync(source, roots, follow: true, maxPaths, cancellationToken);
        if (closure.Count > maxPaths)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"The closure has more than the {maxPaths} paths that this server takes in one push. Promote parts of it first.");
        var there = closure.Select(p => p.Hash).ToHashSet();
        StorePathHash[] missing = [.. roots.Concat(closure.SelectMany(p => p.Declaration.References)).Distinct()
            .Where(h => !there.Contains(h))];
        if (missing.Length > 0)
            throw new CacheProblemException(ProblemKind.PathNotInCache,
                $"{missing[0]}{(missing.Length > 1 ? $", and {missing.Length - 1} more," : "")} is not in cache '{source}', or is just " +
                    "leaving it: push it there first.", missing);
        var own = use.Services.KeyNames;
        foreach (var path in closure)
            path.Declaration.Signatures = [.. path.Declaration.Signatures.Where(s => !own.Contains(s.Split(':')[0]))];
        return closure;
    }

    private static BeginPush BeginOf(IReadOnlyList<StorePathHash> roots, List<TakenPath> closure)
    {
        var (logs, realisations) = CarriedFiles.Of(closure);
        return new BeginPush { Roots = roots, Paths = [.. closure.Select(p => p.Declaration)], Logs = logs, Realisations = realisations };
    }

    private static async Task<PushOpened> BeginAsync(Promoting work, BeginPush begin, OperationId operation,
        CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var own = OperationOf(operation, work.Source, attempt);
                return await work.OnTargetAsync(pushes => pushes.BeginAsync(work.Target, begin, own, cancellationToken), cancellationToken);
            }
            catch (CacheProblemException e) when (e.Kind == ProblemKind.PushEnded && attempt < MaxAttempts)
            {
                // It was done, or given up: what is there already is not copied again.
            }
        }
    }

    private static async Task<int> CommitAsync(Promoting work, PushId push, CancellationToken cancellationToken)
    {
        while (true)
        {
            var answer = await work.OnTargetAsync(pushes => pushes.CommitAsync(work.Target, push, CommitPatience, cancellationToken),
                cancellationToken);
            if (answer.State == PushState.Committed)
                return answer.Published;
            work.Tell(answer.WaitsFor);
        }
    }

    private async Task<Promotion> CompareAsync(CacheName target, IReadOnlyList<StorePathHash> roots, List<TakenPath> closure,
        CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(target, cancellationToken);
        var there = (await catalog.ReadAsync(target, [.. closure.Select(p => p.Hash)], follow: false, maxPaths, cancellationToken))
            .ToDictionary(p => p.Hash);
        var missing = closure.FindAll(p => !there.ContainsKey(p.Hash));
        var nars = missing.DistinctBy(p => p.Declaration.NarHash).ToList();
        var copies = new PromotionProgress { Copied = nars.Count, Of = nars.Count, Bytes = nars.Sum(p => p.FileSize) };
        return Answer(roots, closure, copies) with
        {
            DryRun = true,
            Present = closure.Count - missing.Count,
            Published = missing.Count,
            Conflicts = [.. closure.Where(p => there.TryGetValue(p.Hash, out var other) && !p.IsDeclaredAs(other.Declaration))
                .Select(p => p.Hash)],
            Keys = KeysOf(use.Services),
        };
    }

    private async Task<IReadOnlyList<string>> KeysAsync(CacheName target, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(target, cancellationToken);
        return KeysOf(use.Services);
    }

    private static IReadOnlyList<string> KeysOf(CacheServices services) =>
        [.. services.Options.Keys.Active.Select(k => k.Name), .. services.Options.Keys.ActiveCommands.Select(c => c.PublicKey.Name)];

    private static Promotion Answer(IReadOnlyList<StorePathHash> roots, List<TakenPath> closure, PromotionProgress progress) => new()
    {
        Roots = [.. closure.Where(p => roots.Contains(p.Hash)).Select(p => p.Declaration.Path)],
        Paths = closure.Count,
        Present = 0,
        Copied = progress.Copied,
        Bytes = progress.Bytes,
        Published = 0,
    };

    // Its own, so that a client may use its key for nothing else that is sent to the target.
    private static OperationId OperationOf(OperationId operation, CacheName source, int attempt)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{source} {attempt} {operation}"));
        return OperationId.TryParse($"promote-{Convert.ToHexStringLower(digest)}", out var own) ? own : throw new FormatException();
    }

    private Place Enter()
    {
        if (Interlocked.Increment(ref _running) <= MaxAtOnce)
            return new Place(this);
        Interlocked.Decrement(ref _running);
        throw new CacheProblemException(ProblemKind.Unavailable,
            $"This server has {MaxAtOnce} promotions under way, which is as many as it does at once. Send the same request again.");
    }

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);

    private sealed class Place(Promoter promoter) : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref promoter._running);
    }
}
