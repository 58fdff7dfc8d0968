using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// Bounds the memory of all request bodies together: their decoded bytes, and what their decompressors need. A body that finds the budget
/// full waits for at most <see cref="Patience"/>, then its client is told to come back. Of the bodies still being read, the first always
/// gets what it needs, so bodies that wait for each other come to an end; the total never exceeds the budget plus one body. No client gets
/// more than half.
/// </summary>
internal sealed class BodyBudget(RequestLimits limits, TimeProvider time)
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();

    // All under _lock: leases whose bodies are being read, oldest first; bytes of each client; bodies that wait.
    private readonly LinkedList<Lease> _reading = [];
    private readonly Dictionary<string, long> _clients = new(StringComparer.Ordinal);
    private readonly LinkedList<Waiter> _waiting = [];
    private long _used;

    /// <summary>Bytes taken now.</summary>
    public long Used
    {
        get
        {
            lock (_lock)
                return _used;
        }
    }

    /// <summary>Bodies that wait for memory.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting.Count;
        }
    }

    /// <param name="client">The sender of the body.</param>
    public Lease Open(string client) => new(this, client);

    private async ValueTask TakeAsync(Lease lease, long bytes, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            lease.Enter();
            if (Fits(lease, bytes))
            {
                Add(lease, bytes);
                return;
            }

            waiter = new Waiter(lease, bytes);
            _waiting.AddLast(waiter);
        }

        try
        {
            await waiter.Granted.Task.WaitAsync(Patience, time, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            lock (_lock)
            {
                _waiting.Remove(waiter);
                // The memory may have been granted in between: the lease then has it, and gives it back at its end.
                if (waiter.Granted.Task.IsCompleted)
                    return;
            }

            if (e is OperationCanceledException)
                throw;
            throw new CacheProblemException(ProblemKind.Unavailable,
                "Other requests' bodies fill the memory that this server has for them. Send the same request again in a while.", inner: e);
        }
    }

    private bool Fits(Lease lease, long bytes) =>
        (_reading.First?.Value == lease && _used - lease.Held <= limits.BodyBytes)
            || (_used + bytes <= limits.BodyBytes && _clients.GetValueOrDefault(lease.Client) + bytes <= limits.BodyBytes / 2);

    private void Add(Lease lease, long bytes)
    {
        _used += bytes;
        lease.Held += bytes;
        _clients[lease.Client] = _clients.GetValueOrDefault(lease.Client) + bytes;
    }

    private void Give(Lease lease, long bytes)
    {
        lock (_lock)
        {
            Remove(lease, bytes);
            GrantWaiting();
        }
    }

    private void Settle(Lease lease, long kept)
    {
        lock (_lock)
        {
            Remove(lease, lease.Held - kept);
            lease.Leave();
            GrantWaiting();
        }
    }

    private void Remove(Lease lease, long bytes)
    {
        _used -= bytes;
        lease.Held -= bytes;
        if ((_clients.GetValueOrDefault(lease.Client) - bytes) is > 0 and var left)
            _clients[lease.Client] = left;
        else
            _clients.Remove(lease.Client);
    }

    private void GrantWaiting()
    {
        for (var node = _waiting.First; node is not null;)
        {
            var (waiter, next) = (node.Value, node.Next);
            if (Fits(waiter.Lease, waiter.Bytes))
            {
                _waiting.Remove(node);
                Add(waiter.Lease, waiter.Bytes);
                waiter.Granted.SetResult();
            }

            node = next;
        }
    }

    private sealed record Waiter(Lease Lease, long Bytes)
    {
        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>One body's share of the budget until its request ends. Used by one request at a time.</summary>
    internal sealed class Lease(BodyBudget budget, string client) : IDisposable
    {
        private LinkedListNode<Lease>? _node;

        public string Client => client;

        /// <summary>Bytes; under the budget's lock.</summary>
        public long Held { get; set; }

        /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: other bodies hold all of it for too
        /// long.</exception>
        public ValueTask TakeAsync(long bytes, CancellationToken cancellationToken) => budget.TakeAsync(this, bytes, cancellationToken);

        /// <summary>Gives back a part.</summary>
        public void Give(long bytes) => budget.Give(this, bytes);

        /// <summary>Ends the reading of the body; <paramref name="kept"/> bytes stay taken until the request ends.</summary>
        public void Settle(long kept) => budget.Settle(this, kept);

        public void Dispose() => budget.Settle(this, 0);

        internal void Enter() => _node ??= budget._reading.AddLast(this);

        internal void Leave()
        {
            if (_node is { } node)
                budget._reading.Remove(node);
            _node = null;
        }
    }
}
