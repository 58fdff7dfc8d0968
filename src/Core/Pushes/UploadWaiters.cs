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
    // After an arrival the rest follows mostly, and then the end of the uploading push: what is published by then is promised at once, and
    // what has only arrived has to be held row by row.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private readonly Lock _gate = new();
    // Guarded by _gate, as are _running, _followed and what stands in them.
    private readonly HashSet<Waiter> _waiters = [];
    private readonly Dictionary<PushId, Follower> _followed = [];
    private bool _running;

    /// <summary>Returns when some of the paths have changed, or the time is over.</summary>
    /// <param name="claims">With path 0: of a path whose row nobody has asked for yet.</param>
    /// <returns>Places of those that may have changed; without any the time is over.</returns>
    public async Task<IReadOnlyList<int>> WaitAsync(CacheName cache, int cacheId, PushId push, IReadOnlyList<Claim> claims,
        TimeSpan timeout, CancellationToken cancellationToken)
    {
        // A copy: a query that is under way looks at it although its caller has gone on.
        var waiter = new Waiter(cacheId, push, [.. claims], time.GetTimestamp());
        var started = time.GetTimestamp();
        lock (_gate)
        {
            _waiters.Add(waiter);
            if (news is not null)
            {
                foreach (var uploader in waiter.Uploaders)
                {
                    // Uploads that arrived before this waiter count as news for it.
                    var follower = Follow(cache, uploader, news);
                    waiter.Note(uploader, follower.Arrived, follower.IsComplete, time.GetTimestamp());
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
            await Task.WhenAny(waiter.Arrived.Task, waiter.Woken.Task).WaitAsync(timeout, time, cancellationToken);
            while (!waiter.Woken.Task.IsCompleted)
            {
                var left = timeout - time.GetElapsedTime(started);
                var patience = Patience - time.GetElapsedTime(waiter.LastArrival);
                if (left <= TimeSpan.Zero || patience <= TimeSpan.Zero)
                    break;
                await Task.WhenAny(waiter.Woken.Task, Task.Delay(left < patience ? left : patience, time, cancellationToken));
                cancellationToken.ThrowIfCancellationRequested();
            }

            if (waiter.Woken.Task.IsCompleted)
                await waiter.Woken.Task;
            if (waiter.Uploaders.Count > 0)
                await Task.Delay(timeout < Linger ? timeout : Linger, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // What has arrived is asked about. Nothing: the caller says so.
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

        lock (_gate)
            return waiter.Changed();
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

    private void Tell(PushId uploader, Follower follower, Arrival? arrival)
    {
        lock (_gate)
        {
            // A push that has ended brings no more news.
            follower.Works = arrival is not null;
            follower.IsComplete = arrival is { IsComplete: true };
            follower.Arrived.UnionWith(arrival?.Nars ?? []);
            foreach (var waiter in _waiters.Where(w => w.Uploaders.Contains(uploader)))
            {
                if (arrival is null)
                    waiter.NoteEnd(uploader);
                else
                    waiter.Note(uploader, arrival.Nars, arrival.IsComplete, time.GetTimestamp());
            }
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
                foreach (var cache in due.Where(w => w.HasRows).GroupBy(w => w.Cache))
                    pushes.UnionWith(await catalog.ArrivedAsync(cache.Key,
                        [.. cache.SelectMany(w => w.Paths.Select(p => (w.Push, p))).Distinct()], options, CancellationToken.None));
                lock (_gate)
                {
                    foreach (var waiter in due)
                    {
                        waiter.Looked = time.GetTimestamp();
                        if (!waiter.HasRows || waiter.Paths.Any(p => pushes.Contains((waiter.Push, p))))
                            waiter.NoteAll();
                    }
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

        public bool IsComplete { get; set; }

        public HashSet<Sha256Hash> Arrived { get; } = [];

        public CancellationTokenSource Stop { get; } = new();
    }

    private sealed class Waiter(int cache, PushId push, IReadOnlyList<Claim> claims, long looked)
    {
        // By uploader: the NARs that have not arrived.
        private readonly Dictionary<PushId, HashSet<Sha256Hash>> _missing = claims.Where(c => c.Uploader is not null)
            .GroupBy(c => c.Uploader!.Value).ToDictionary(g => g.Key, g => g.Select(c => c.NarHash).ToHashSet());

        private readonly HashSet<PushId> _ended = [];
        private readonly HashSet<PushId> _complete = [];
        private bool _all;

        public int Cache { get; } = cache;

        public PushId Push { get; } = push;

        public IEnumerable<long> Paths => claims.Select(c => c.Path);

        public Dictionary<PushId, HashSet<Sha256Hash>>.KeyCollection Uploaders => _missing.Keys;

        public bool OnlyForUploads { get; } = claims.All(c => c.Uploader is not null);

        /// <summary>The catalog can be asked about its paths by their rows.</summary>
        public bool HasRows { get; } = claims.All(c => c.Path != 0);

        /// <summary>When the catalog was last asked for this waiter.</summary>
        public long Looked { get; set; } = looked;

        /// <summary>Something has arrived.</summary>
        public TaskCompletionSource Arrived { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>There is nothing to wait for any more.</summary>
        public TaskCompletionSource Woken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long LastArrival { get; private set; }

        public void Note(PushId uploader, IReadOnlyCollection<Sha256Hash> nars, bool isComplete, long now)
        {
            var missing = _missing[uploader];
            var before = missing.Count;
            missing.ExceptWith(nars);
            if (missing.Count < before)
            {
                LastArrival = now;
                Arrived.TrySetResult();
            }

            if (isComplete)
                _complete.Add(uploader);
            // Of a push that has more to upload the end may be far.
            if (OnlyForUploads && _missing.All(m => m.Value.Count == 0) && _missing.Keys.Any(u => !_complete.Contains(u)))
                Woken.TrySetResult();
        }

        public void NoteEnd(PushId uploader)
        {
            _ended.Add(uploader);
            Woken.TrySetResult();
        }

        public void NoteAll()
        {
            _all = true;
            Woken.TrySetResult();
        }

        /// <summary>Places of claims that may have another answer by now.</summary>
        public IReadOnlyList<int> Changed() => [.. Enumerable.Range(0, claims.Count).Where(i => _all
            || claims[i].Uploader is not { } uploader || _ended.Contains(uploader)
            || !_missing[uploader].Contains(claims[i].NarHash))];
    }
}
