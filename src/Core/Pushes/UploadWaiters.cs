using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// All waiters of this process share one query of the catalog, every 250 ms while there are any. It wakes a waiter when one of its paths
/// need not wait any longer; the waiter then asks the catalog itself. News of the pushes that it waits for wakes it too; while such news
/// comes, the query includes it every five seconds only.
/// </summary>
internal sealed class UploadWaiters(PushCatalog catalog, PushOptions options, TimeProvider time, IUploadNews? news = null)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan IntervalWithNews = TimeSpan.FromSeconds(5);
    // Uploads that arrive close together are asked about together.
    private static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(20);
    private readonly Lock _gate = new();
    // Guarded by _gate, as are _running, _followed and what stands in them.
    private readonly HashSet<Waiter> _waiters = [];
    private readonly Dictionary<PushId, Follower> _followed = [];
    private bool _running;

    /// <summary>Returns when one of the paths has changed, or the time is over.</summary>
    public async Task WaitAsync(CacheName cache, int cacheId, PushId push, IReadOnlyList<Claim> claims, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        var waiter = new Waiter(cacheId, push, claims, time.GetTimestamp());
        lock (_gate)
        {
            _waiters.Add(waiter);
            if (news is not null)
            {
                foreach (var uploader in waiter.Uploaders)
                {
                    // Uploads that arrived before this waiter count as news for it.
                    if (waiter.WaitsForAny(uploader, Follow(cache, uploader, news).Arrived))
                        waiter.Woken.TrySetResult();
                }
            }

            if (!_running)
            {
                _running = true;
                _ = Task.Run(PollAsync, CancellationToken.None);
            }
        }

        try
        {
            await waiter.Woken.Task.WaitAsync(timeout, time, cancellationToken);
            if (waiter.Uploaders.Count > 0)
                await Task.Delay(timeout < Linger ? timeout : Linger, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Nothing new: the caller says so.
        }
        finally
        {
            lock (_gate)
            {
                _waiters.Remove(waiter);
                foreach (var uploader in waiter.Uploaders)
                {
                    if (_followed.TryGetValue(uploader, out var follower) && --follower.Waiters == 0)
                    {
                        _followed.Remove(uploader);
                        follower.Stop.Cancel();
                    }
                }
            }
        }
    }

    private Follower Follow(CacheName cache, PushId uploader, IUploadNews from)
    {
        if (!_followed.TryGetValue(uploader, out var follower))
        {
            _followed[uploader] = follower = new Follower();
            _ = Task.Run(() => FollowAsync(cache, uploader, follower, from), CancellationToken.None);
        }

        follower.Waiters++;
        return follower;
    }

    // Runs until no waiter is left for that push.
    private async Task FollowAsync(CacheName cache, PushId uploader, Follower follower, IUploadNews from)
    {
        while (!follower.Stop.IsCancellationRequested)
        {
            try
            {
                await foreach (var arrived in from.FollowAsync(cache, uploader, follower.Stop.Token))
                    Tell(uploader, follower, arrived);
            }
            catch (Exception) when (!follower.Stop.IsCancellationRequested)
            {
                // Without news its waiters rely on the catalog until news comes again.
            }
            catch (Exception)
            {
                return;
            }

            lock (_gate)
                follower.Works = false;
            await Task.Delay(IntervalWithNews, time, follower.Stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Tell(PushId uploader, Follower follower, IReadOnlyList<Sha256Hash>? arrived)
    {
        lock (_gate)
        {
            // A push that has ended brings no more news.
            follower.Works = arrived is not null;
            follower.Arrived.UnionWith(arrived ?? []);
            foreach (var waiter in _waiters.Where(w => arrived is null ? w.Uploaders.Contains(uploader) : w.WaitsForAny(uploader, arrived)))
                waiter.Woken.TrySetResult();
        }
    }

    private async Task PollAsync()
    {
        while (true)
        {
            await Task.Delay(Interval, time);
            List<Waiter> due;
            lock (_gate)
            {
                if (_waiters.Count == 0)
                {
                    _running = false;
                    return;
                }

                due = [.. _waiters.Where(w => time.GetElapsedTime(w.Looked) >= (HasNews(w) ? IntervalWithNews : Interval / 2))];
            }

            if (due.Count == 0)
                continue;
            try
            {
                var pushes = new HashSet<(PushId, long)>();
                foreach (var cache in due.GroupBy(w => w.Cache))
                    pushes.UnionWith(await catalog.ArrivedAsync(cache.Key,
                        [.. cache.SelectMany(w => w.Paths.Select(p => (w.Push, p))).Distinct()], options, CancellationToken.None));
                foreach (var waiter in due)
                {
                    waiter.Looked = time.GetTimestamp();
                    if (waiter.Paths.Any(p => pushes.Contains((waiter.Push, p))))
                        waiter.Woken.TrySetResult();
                }
            }
            catch (Exception e)
            {
                // Each waiter asks the catalog itself, and answers its client with the error.
                foreach (var waiter in due)
                    waiter.Woken.TrySetException(e);
            }
        }
    }

    // True while news comes of all its uploads. A path that is being published or deleted has no news.
    private bool HasNews(Waiter waiter) => waiter.OnlyForUploads && waiter.Uploaders.All(u => _followed.TryGetValue(u, out var follower)
        && follower.Works);

    private sealed class Follower
    {
        public int Waiters { get; set; }

        /// <summary>News of this push comes; an empty list counts too.</summary>
        public bool Works { get; set; }

        public HashSet<Sha256Hash> Arrived { get; } = [];

        public CancellationTokenSource Stop { get; } = new();
    }

    private sealed class Waiter(int cache, PushId push, IReadOnlyList<Claim> claims, long looked)
    {
        private readonly HashSet<(PushId, Sha256Hash)> _nars = [.. claims.Where(c => c.Uploader is not null)
            .Select(c => (c.Uploader!.Value, c.NarHash))];

        public int Cache { get; } = cache;

        public PushId Push { get; } = push;

        public IReadOnlyList<long> Paths { get; } = [.. claims.Select(c => c.Path)];

        public HashSet<PushId> Uploaders { get; } = [.. claims.Where(c => c.Uploader is not null).Select(c => c.Uploader!.Value)];

        public bool OnlyForUploads { get; } = claims.All(c => c.Uploader is not null);

        /// <summary>When the catalog was last asked for this waiter.</summary>
        public long Looked { get; set; } = looked;

        public TaskCompletionSource Woken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool WaitsForAny(PushId uploader, IReadOnlyCollection<Sha256Hash> nars) => nars.Any(nar => _nars.Contains((uploader, nar)));
    }
}
