using System.Collections.Concurrent;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>One promotion: brings the NARs that the target lacks.</summary>
internal sealed class Promoting
{
    private const int AtOnce = 8;
    // A source whose object is replaced again and again is given up.
    private const int MaxUnfit = 3;
    private const int WaitSeconds = 5;

    private readonly CacheRegistry _caches;
    private readonly Caller _caller;
    private readonly Action<PromotionProgress> _tell;
    private readonly Dictionary<StorePathHash, TakenPath> _paths;
    private readonly Dictionary<StorePathHash, string> _endings;
    private readonly ConcurrentDictionary<StorePathHash, int> _unfit = new();
    private readonly Lock _lock = new();
    private PromotionProgress _progress = new() { Copied = 0, Of = 0, Bytes = 0 }; // Under the lock.

    public Promoting(CacheRegistry caches, CacheName source, CacheName target, Caller caller, List<TakenPath> closure,
        Action<PromotionProgress> tell)
    {
        (_caches, Source, Target, _caller, Closure, _tell) = (caches, source, target, caller, closure, tell);
        _paths = closure.ToDictionary(p => p.Hash);
        _endings = closure.ToDictionary(p => p.Hash, p => MintedKeys.EndingOf(p.NarKey));
    }

    public CacheName Source { get; }

    public CacheName Target { get; }

    public List<TakenPath> Closure { get; }

    public PromotionProgress Progress
    {
        get
        {
            lock (_lock)
                return _progress;
        }
    }

    /// <summary>A call of the target, by whatever services it has now.</summary>
    public async Task<T> OnTargetAsync<T>(Func<DirectPushes, Task<T>> call, CancellationToken cancellationToken)
    {
        using var use = await _caches.UseAsync(Target, cancellationToken);
        return await call(use.Services.Pushes.Copying(_caller, _endings));
    }

    public async Task OnTargetAsync(Func<DirectPushes, Task> call, CancellationToken cancellationToken)
    {
        using var use = await _caches.UseAsync(Target, cancellationToken);
        await call(use.Services.Pushes.Copying(_caller, _endings));
    }

    public void Tell(string? waitsFor) => Change(p => p with { WaitsFor = waitsFor });

    /// <remarks>
    /// 1. Copy what this push was granted; the others go on when one fails. 2. Ask about what others bring, and what ended, until nothing
    /// is open. The push is kept open meanwhile. Claims that it does not fill are given up.
    /// </remarks>
    public async Task BringAsync(PushId push, PushOpened opened, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var keeping = KeepAsync(push, opened.RenewAfterSeconds, ending.Token);
        IReadOnlyList<PathStatus> statuses = opened.Missing;
        HashSet<string> granted = [];
        try
        {
            while (true)
            {
                // 1.
                var uploads = statuses.Where(s => s.State == PathState.Upload).DistinctBy(s => s.Upload).ToList();
                granted.UnionWith(uploads.Select(u => u.Upload!));
                Change(p => p with { Of = p.Of + uploads.Count, WaitsFor = null });
                await CopyAsync(push, uploads, granted, cancellationToken);

                // 2. A wait asks anew about all that is not brought.
                List<StorePathHash> open = [.. statuses.Where(s => s.State == PathState.Wait
                    || (s.State == PathState.Upload && granted.Contains(s.Upload!))).Select(s => s.Path)];
                if (open.Count == 0)
                    return;
                if (statuses.All(s => s.State != PathState.Upload))
                    Tell($"{open.Count} NARs are brought by other pushes, or are to be read by a server.");
                var wait = new WaitRequest { Paths = open, TimeoutSeconds = WaitSeconds };
                var answer = await OnTargetAsync(pushes => pushes.WaitAsync(Target, push, wait, cancellationToken), cancellationToken);
                statuses = answer.Paths;
            }
        }
        finally
        {
            await ending.CancelAsync();
            await keeping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (granted.Count > 0)
                await GiveUpAsync(push, [.. granted]);
        }
    }

    /// <summary>Copies; what is done with is no longer among the <paramref name="granted"/>.</summary>
    private async Task CopyAsync(PushId push, List<PathStatus> uploads, HashSet<string> granted, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        await Parallel.ForEachAsync(uploads, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (upload, stop) =>
            {
                try
                {
                    var path = _paths[upload.Path];
                    switch (await CopyAsync(push, upload, path, stop))
                    {
                        case GrantedCopy.Stored:
                            lock (granted)
                                granted.Remove(upload.Upload!);
                            Change(p => p with { Copied = p.Copied + 1, Bytes = p.Bytes + path.FileSize });
                            break;
                        case GrantedCopy.Absent:
                            throw Gone(path.Declaration.Path);
                        case GrantedCopy.Unfit when _unfit.AddOrUpdate(upload.Path, 1, static (_, n) => n + 1) >= MaxUnfit:
                            throw Gone(path.Declaration.Path);
                        default:
                            // The next wait tells.
                            Change(p => p with { Of = p.Of - 1 });
                            break;
                    }
                }
                catch (Exception e) when (!stop.IsCancellationRequested)
                {
                    Interlocked.CompareExchange(ref failure, e, null);
                }
            });
        if (failure is CacheProblemException or ObjectStoreException)
            throw failure;
        if (failure is not null)
            throw new CacheProblemException(ProblemKind.Unavailable,
                "A NAR could not be copied; the server's log tells more. Send the same request again.", inner: failure);
    }

    private async Task<GrantedCopy> CopyAsync(PushId push, PathStatus upload, TakenPath path, CancellationToken cancellationToken)
    {
        using var use = await _caches.UseAsync(Source, cancellationToken);
        var source = path.In(use.Services.Options.Store);
        return await OnTargetAsync(pushes => pushes.CopyAsync(Target, push, upload.Upload!, source, cancellationToken), cancellationToken);
    }

    private async Task KeepAsync(PushId push, int seconds, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(Math.Max(1, seconds)));
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            try
            {
                await OnTargetAsync(pushes => pushes.RenewAsync(Target, push, cancellationToken), cancellationToken);
            }
            catch (CacheProblemException)
            {
                // The next step of the push tells what is wrong with it.
            }
        }
    }

    // Best effort: a claim that stays is overtaken.
    private async Task GiveUpAsync(PushId push, List<string> uploads)
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await ((Task)OnTargetAsync(pushes => pushes.GiveUpAsync(Target, push, uploads, soon.Token), soon.Token))
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Change(Func<PromotionProgress, PromotionProgress> change)
    {
        PromotionProgress changed;
        lock (_lock)
            changed = _progress = change(_progress);
        _tell(changed);
    }

    private CacheProblemException Gone(StorePath path) => new(ProblemKind.PathNotInCache,
        $"{path} has left cache '{Source}', or has another content there by now: send the request again.", [path.Hash]);
}
