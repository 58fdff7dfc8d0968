namespace OrleansCache.Cli.Push;

/// <summary>
/// Bounds the bytes of all buffers together. Reservations are served in order, so small ones do not starve a large one; one above the whole
/// budget is granted when it is alone.
/// </summary>
/// <remarks>
/// A thread that waits for a reservation holds no buffer but those on their way to the server, so some memory is always about to be
/// released.
/// </remarks>
internal sealed class MemoryBudget(long bytes)
{
    private readonly long _total = bytes;
    private readonly Lock _lock = new();
    private readonly LinkedList<(long Bytes, TaskCompletionSource Granted)> _waiting = new();
    private long _free = bytes;

    /// <summary>Blocks the calling thread, so it is for threads that do nothing else.</summary>
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
