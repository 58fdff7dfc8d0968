namespace OrleansCache.Core.Store;

/// <summary>
/// Bounds the requests at the store: halved when the store says "slow down", one more per round of answers (additive increase,
/// multiplicative decrease, as in TCP). First come, first served.
/// </summary>
internal sealed class AdaptiveLimit(int most)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource> _waiting = []; // In order of arrival; under the lock.
    private double _limit = most;
    private int _running;
    private int _answersBeforeNextCut; // Answers to requests that were sent before the last cut do not cut again.

    public int Limit
    {
        get
        {
            lock (_lock)
                return (int)_limit;
        }
    }

    /// <summary>Waits for a place. Each must be given back with <see cref="Release"/>.</summary>
    public async Task AcquireAsync(CancellationToken cancellationToken)
    {
        LinkedListNode<TaskCompletionSource> node;
        lock (_lock)
        {
            if (_waiting.Count == 0 && _running < (int)_limit)
            {
                _running++;
                return;
            }

            node = _waiting.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        using var _ = cancellationToken.Register(() =>
        {
            lock (_lock)
            {
                if (node.List is null)
                    return; // Its place was granted just now.
                _waiting.Remove(node);
            }

            node.Value.SetCanceled(cancellationToken);
        });
        await node.Value.Task;
    }

    /// <param name="throttled">The store asked to slow down.</param>
    public void Release(bool throttled)
    {
        lock (_lock)
        {
            _running--;
            _answersBeforeNextCut--;
            if (!throttled)
            {
                _limit = Math.Min(most, _limit + (1 / _limit));
            }
            else if (_answersBeforeNextCut < 0)
            {
                _limit = Math.Max(1, _limit / 2);
                _answersBeforeNextCut = _running;
            }

            while (_waiting.First is { } first && _running < (int)_limit)
            {
                _running++;
                _waiting.RemoveFirst();
                first.Value.SetResult();
            }
        }
    }
}
