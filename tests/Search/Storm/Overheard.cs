using System.Collections.Concurrent;
using OrleansCache.Contracts;

namespace OrleansCache.Storm;

/// <summary>What an honest client has let out of a push.</summary>
/// <param name="Key">Its idempotency key.</param>
/// <param name="Grants">The ids of its uploads.</param>
/// <param name="Multiparts">Of niks3's clients: the ids of its multipart uploads by NAR hash.</param>
internal sealed record Leak(string Push, SimulatedClosure SimulatedClosure, string? Key, IReadOnlyList<string> Grants,
    IReadOnlyDictionary<Nix.Sha256Hash, string> Multiparts)
{
    /// <summary>Of our own clients: the same uploads, with their URLs.</summary>
    public IReadOnlyList<UploadGrant> Uploads { get; init; } = [];
}

/// <summary>All that hostile clients know of honest ones: the ids of their pushes, and what is about to be pinned.</summary>
internal sealed class Overheard(bool listens)
{
    private const int Remembered = 50;

    // A squatter that is slower comes too late.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Leak[] _leaks = new Leak[Remembered];
    private readonly ConcurrentQueue<(SimulatedClosure SimulatedClosure, TaskCompletionSource Done)> _coming = new();
    private long _count;

    public void Note(Leak leak)
    {
        lock (_leaks)
            _leaks[_count++ % Remembered] = leak;
    }

    public Leak? Any(Random random)
    {
        lock (_leaks)
            return _count == 0 ? null : _leaks[random.NextInt64(Math.Min(_count, Remembered))];
    }

    /// <summary>Somebody is about to push this and pin it: ends when a squatter was there first, or none has come.</summary>
    public async Task AnnounceAsync(SimulatedClosure cargo, CancellationToken cancellationToken)
    {
        if (!listens)
            return;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _coming.Enqueue((cargo, done));
        await Task.WhenAny(done.Task, Task.Delay(Patience, cancellationToken));
        done.TrySetResult();
    }

    /// <summary>What nobody squats on yet; whoever takes it says when it is done.</summary>
    public (SimulatedClosure SimulatedClosure, TaskCompletionSource Done)? Coming()
    {
        while (_coming.TryDequeue(out var next))
        {
            if (!next.Done.Task.IsCompleted)
                return next;
        }

        return null;
    }
}
