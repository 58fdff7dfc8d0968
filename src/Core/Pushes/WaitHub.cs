namespace OrleansCache.Core.Pushes;

/// <summary>
/// All waiters of this process share one question to the catalog, every 250 ms while there are any. A waiter is woken when one of its paths
/// need not wait any longer; it then asks for itself what to do.
/// </summary>
internal sealed class WaitHub(PushCatalog catalog, PushOptions options, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private readonly Lock _gate = new();
    // Guarded by _gate, as is _running.
    private readonly HashSet<Waiter> _waiters = [];
    private bool _running;

    /// <summary>Returns when one of the paths has something new, or the time is over.</summary>
    public async Task WaitAsync(PushId push, IReadOnlyList<long> paths, TimeSpan timeout, CancellationToken cancel)
    {
        var waiter = new Waiter(push.Value, paths);
        lock (_gate)
        {
            _waiters.Add(waiter);
            if (!_running)
            {
                _running = true;
                _ = Task.Run(PollAsync, CancellationToken.None);
            }
        }

        try
        {
            await waiter.Woken.Task.WaitAsync(timeout, time, cancel);
        }
        catch (TimeoutException)
        {
            // Nothing new: the caller says so.
        }
        finally
        {
            lock (_gate)
                _waiters.Remove(waiter);
        }
    }

    private async Task PollAsync()
    {
        while (true)
        {
            await Task.Delay(Interval, time);
            List<Waiter> waiters;
            lock (_gate)
            {
                if (_waiters.Count == 0)
                {
                    _running = false;
                    return;
                }

                waiters = [.. _waiters];
            }

            try
            {
                var arrived = await catalog.ArrivedAsync([.. waiters.SelectMany(w => w.Paths.Select(p => (w.Push, p))).Distinct()], options, CancellationToken.None);
                var pushes = arrived.ToHashSet();
                foreach (var waiter in waiters.Where(w => w.Paths.Any(p => pushes.Contains((w.Push, p)))))
                    waiter.Woken.TrySetResult();
            }
            catch (Exception e)
            {
                // Each waiter asks for itself, and answers its client with what is wrong.
                foreach (var waiter in waiters)
                    waiter.Woken.TrySetException(e);
            }
        }
    }

    private sealed class Waiter(long push, IReadOnlyList<long> paths)
    {
        public long Push { get; } = push;

        public IReadOnlyList<long> Paths { get; } = paths;

        public TaskCompletionSource Woken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
