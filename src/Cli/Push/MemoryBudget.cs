namespace OrleansCache.Cli.Push;

/// <summary>
/// Bounds the bytes of all buffers together. A reservation waits its turn, first come first served, so that a large one is not
/// starved by small ones; one that exceeds the whole budget gets it when it is alone.
/// </summary>
/// <remarks>
/// Who waits for a reservation holds no buffer that is not on its way to the server already: so there is always one that will be released.
/// </remarks>
internal sealed class MemoryBudget(long bytes)
{
    private readonly long _total = bytes;
    private readonly Lock _lock = new();
    private readonly LinkedList<(long Bytes, TaskCompletionSource Granted)> _waiting = new();
    private long _free = bytes;

    /// <summary>Blocks the calling thread; meant for threads that do nothing else.</summary>
    public long Reserve(long bytes, CancellationToken cancellationToken)
    {
        bytes = Math.Min(bytes, _total);
        TaskCompletionSource granted;
        lock (_lock)
        {
            if (_waiting.Count == 0 && _free >= bytes)
            {
                _free -= bytes;
                return bytes;
            }

            granted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.AddLast((bytes, granted));
        }

        granted.Task.Wait(cancellationToken);
        return bytes;
    }

    public void Release(long bytes)
    {
        lock (_lock)
        {
            _free += bytes;
            while (_waiting.First is { } first && _free >= first.Value.Bytes)
            {
                _free -= first.Value.Bytes;
                _waiting.RemoveFirst();
                first.Value.Granted.SetResult();
            }
        }
    }
}
