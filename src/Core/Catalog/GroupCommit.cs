using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Npgsql;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>
/// One kind of operation of many callers, in few statements: while statements run, new items collect, and the next statement takes all of
/// them. There is no waiting window: an item that comes alone is served at once, as without a group.
/// </summary>
/// <remarks>
/// Every item has an outcome of its own: the statement never raises for an item's guard, and after an SQL error the group is halved down to
/// the failing item, which runs alone and reports its error. Within a group items go in the order of their keys. One item of a key is under
/// way at a time (or one group, see <see cref="GroupOperation{TItem, TResult}.SharesKeys"/>). A heavy item runs alone beside the groups, a
/// few at a time, so it delays no other.
/// </remarks>
internal sealed class GroupCommit<TItem, TResult> : IAsyncDisposable
{
    // Statements under way at once: one that waits for a row does not delay items that do not need that row.
    private const int Parallel = 3;
    private const int MaxAlone = 16;

    private readonly Channel<Entry> _queue;
    private readonly SemaphoreSlim _heavy = new(2);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Task, Task> _alone = new();
    private readonly GroupOperation<TItem, TResult> _operation;
    private readonly Task _loop;

    public GroupCommit(GroupOperation<TItem, TResult> operation)
    {
        _operation = operation;
        _queue = Channel.CreateBounded<Entry>(new BoundedChannelOptions(operation.Capacity) { SingleReader = true });
        _loop = Task.Run(RunAsync);
    }

    /// <summary>How many groups of more than one item were sent, for metrics and tests.</summary>
    public long Groups { get; private set; }

    /// <summary>Waits while the queue is full. The operation of a caller that gives up still runs, and may be sent again.</summary>
    public async Task<TResult> SubmitAsync(TItem item, CancellationToken cancellationToken)
    {
        if (_operation.Weight(item) > _operation.MaxItemWeight)
        {
            await _heavy.WaitAsync(cancellationToken);
            try
            {
                return await _operation.One(item, cancellationToken);
            }
            finally
            {
                _heavy.Release();
            }
        }

        var entry = new Entry(item, _operation.Key(item));
        try
        {
            await _queue.Writer.WriteAsync(entry, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw Stopping();
        }

        return await entry.Outcome.Task.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
        _heavy.Dispose();
    }

    private async Task RunAsync()
    {
        // Items that wait for a turn, in the order of arrival: their key is under way, or they would make the turn too heavy.
        var waiting = new List<Entry>();
        var running = new Dictionary<Task, (List<Entry> Turn, long Since)>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            while (waiting.Count > 0 || await _queue.Reader.WaitToReadAsync(_stopping.Token))
            {
                while (waiting.Count < _operation.Capacity && _queue.Reader.TryRead(out var entry))
                    waiting.Add(entry);
                if (running.Count < Parallel && TakeTurn(waiting, keys) is { Count: > 0 } next)
                {
                    running.Add(SendAsync(next), (next, Stopwatch.GetTimestamp()));
                    keys.UnionWith(next.Select(e => e.Key));
                }
                else
                {
                    Task ended = Task.WhenAny(running.Keys).WaitAsync(_operation.Slow, _stopping.Token);
                    await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    _stopping.Token.ThrowIfCancellationRequested();
                }

                // A statement that waits long for a row makes room for others, but only a few: a database that is slow with all statements
                // gets no more of them.
                foreach (var (task, (turn, since)) in running.ToList())
                {
                    if (!task.IsCompleted && (Stopwatch.GetElapsedTime(since) < _operation.Slow || _alone.Count >= MaxAlone))
                        continue;
                    running.Remove(task);
                    keys.ExceptWith(turn.Select(e => e.Key));
                    Leave(task);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Waiting callers are told below.
        }

        await Task.WhenAll([.. running.Keys, .. _alone.Keys]);
        while (_queue.Reader.TryRead(out var entry))
            waiting.Add(entry);
        Fail(waiting, Stopping());
    }

    private List<Entry> TakeTurn(List<Entry> waiting, HashSet<string> running)
    {
        var turn = new List<Entry>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        var weight = 0;
        for (var i = 0; i < waiting.Count;)
        {
            var entry = waiting[i];
            var heavier = weight + _operation.Weight(entry.Item);
            if ((turn.Count > 0 && heavier > _operation.MaxGroupWeight) || running.Contains(entry.Key)
                || (!keys.Add(entry.Key) && !_operation.SharesKeys))
            {
                i++;
                continue;
            }

            turn.Add(entry);
            weight = heavier;
            waiting.RemoveAt(i);
        }

        return [.. turn.OrderBy(e => e.Key, StringComparer.Ordinal)];
    }

    private async Task SendAsync(IReadOnlyList<Entry> turn)
    {
        try
        {
            if (turn.Count == 1)
            {
                turn[0].Outcome.TrySetResult(await _operation.One(turn[0].Item, _stopping.Token));
                return;
            }

            Groups++;
            var outcomes = await _operation.Many([.. turn.Select(e => e.Item)], _stopping.Token);
            if (outcomes.Count != turn.Count)
                throw new InvalidOperationException($"a group of {turn.Count} was answered with {outcomes.Count} outcomes");
            for (var i = 0; i < turn.Count; i++)
                turn[i].Outcome.TrySetResult(outcomes[i]);
        }
        catch (PostgresException) when (turn.Count > 1)
        {
            // One item of the group fails, or waits for a row that another transaction holds; the others must not pay for it.
            foreach (var half in new[] { turn.Take(turn.Count / 2).ToList(), turn.Skip(turn.Count / 2).ToList() })
            {
                // The failing item now runs alone and blocks no group.
                if (half.Count == 1)
                    Leave(SendAsync(half));
                else
                    await SendAsync(half);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            Fail(turn, Stopping());
        }
        catch (Exception e)
        {
            Fail(turn, e);
        }
    }

    private void Leave(Task alone)
    {
        if (!alone.IsCompleted && _alone.TryAdd(alone, alone))
            alone.ContinueWith(t => _alone.TryRemove(t, out _), TaskScheduler.Default);
    }

    private static void Fail(IEnumerable<Entry> entries, Exception why)
    {
        foreach (var entry in entries)
            entry.Outcome.TrySetException(why);
    }

    private static CacheProblemException Stopping() => new(ProblemKind.Unavailable, "The server is stopping. Send the same request again.");

    private sealed record Entry(TItem Item, string Key)
    {
        public TaskCompletionSource<TResult> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>How to run one kind of operation, alone and in a group.</summary>
internal sealed record GroupOperation<TItem, TResult>
{
    /// <summary>One statement for one item; it waits for locked rows without a limit.</summary>
    public required Func<TItem, CancellationToken, Task<TResult>> One { get; init; }

    /// <summary>
    /// One statement for all items: one outcome each, in their order, or a <see cref="PostgresException"/> and no effect.
    /// </summary>
    public required Func<IReadOnlyList<TItem>, CancellationToken, Task<IReadOnlyList<TResult>>> Many { get; init; }

    public required Func<TItem, string> Key { get; init; }

    /// <summary>One group may have several items of one key. No other group has that key meanwhile.</summary>
    public bool SharesKeys { get; init; }

    /// <summary>The cost of an item, in rows.</summary>
    public required Func<TItem, int> Weight { get; init; }

    public int MaxItemWeight { get; init; } = 500;

    /// <summary>A statement that runs longer makes room for the next one, and its keys become free.</summary>
    public TimeSpan Slow { get; init; } = TimeSpan.FromSeconds(1);

    public int MaxGroupWeight { get; init; } = 4_000;

    /// <summary>The number of items that may wait; further callers wait to be admitted.</summary>
    public int Capacity { get; init; } = 1_000;
}
