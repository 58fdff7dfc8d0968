using System.Threading.Channels;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// Pushes what waits in a queue. The spool is the queue: a file goes when all of its paths are in the cache, or named as not to be pushed.
/// </summary>
/// <remarks>
/// 1. Take what hooks have added, and the marks of commands. 2. Look at Nix's database for what hooks have not. 3. Push a batch, or one
/// path that could not be pushed before, and remember what became of it. 4. Wait for a wake-up, or for the next time that something is due.
/// </remarks>
/// <param name="push">Pushes some roots, all or none.</param>
/// <param name="log">Gets each line that is worth keeping.</param>
internal sealed class QueueDaemon(QueueFolder folder, QueueScan scan,
    Func<IReadOnlyList<StorePath>, CancellationToken, Task<PushedRoots>> push, QueueTimes times, TimeProvider time, Action<string> log)
{
    /// <summary>Roots in one push.</summary>
    private const int MaxRoots = 200;

    private static readonly TimeSpan MinWait = TimeSpan.FromMilliseconds(10);

    private readonly QueueLedger _ledger = new(folder, times, time, log);

    private readonly Channel<bool> _wake =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Ends when there has been nothing to do for a while.</summary>
    public bool EndsWhenIdle { get; init; }

    private DateTimeOffset Now => time.GetUtcNow();

    private bool IsPaused => File.Exists(folder.Paused);

    /// <summary>Something may have come. Any thread may call it.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>Nix's database has changed. Any thread may call it.</summary>
    public void Scan()
    {
        scan.IsDue = true;
        Wake();
    }

    /// <exception cref="CliException">The queue's state cannot be read.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _ledger.Load();
        scan.IsDue = true;
        for (var busy = Now; ;)
        {
            // 1. and 2.
            TakeSpool();
            TakeMarks();
            ScanWhenDue();

            // 3.
            if (NextBatch() is { Count: > 0 } batch)
            {
                await PushAsync(batch, cancellationToken);
                busy = Now;
                continue;
            }

            // What hooks told and was pushed must not be found again by a daemon that starts anew.
            if (_ledger.Pending.Count == 0 && scan.IsBehind)
            {
                scan.IsDue = true;
                continue;
            }

            _ledger.Save(scan.Position);

            // 4.
            if (EndsWhenIdle && _ledger.Pending.Count == 0 && Now - busy > times.Idle)
                return;
            await WaitAsync(cancellationToken);
        }
    }

    private void TakeSpool()
    {
        var names = Spool.Names(folder);
        foreach (var name in names.Where(name => !_ledger.Pending.Knows(name)))
        {
            if (!_ledger.Pending.AddFile(name, Spool.Read(folder, name), _ledger.State.Held, Now))
                _ledger.Try(() => Spool.Remove(folder, name));
            scan.IsBehind = true;
        }

        _ledger.Try(() => QueueFolder.Mark(folder.Full, names.Count >= Spool.MaxFiles));
    }

    private void TakeMarks()
    {
        // Away before the scan: a hook that misses after it sets the mark again.
        if (File.Exists(folder.Missed) && _ledger.Try(() => QueueFolder.Mark(folder.Missed, false)))
            scan.IsDue = true;
        if (!File.Exists(folder.Flush))
            return;
        var word = "";
        _ledger.Try(() =>
        {
            word = File.ReadAllText(folder.Flush);
            File.Delete(folder.Flush);
        });
        scan.IsDue = true;
        ScanWhenDue();
        _ledger.Flush(word);
    }

    private void ScanWhenDue()
    {
        if (!scan.IsDue && Now - scan.LastTime < times.Scan)
            return;
        _ledger.Try(() => Spool.SweepUnfinished(folder));
        scan.Run(_ledger.State, _ledger.Pending, Now, log);
        _ledger.Pending.ForgetDone(Now);
    }

    /// <summary>
    /// What to push now: what has not been tried, or one path that could not be pushed; nothing while everything has to wait.
    /// </summary>
    private IReadOnlyList<StorePath> NextBatch()
    {
        if (IsPaused || _ledger.State.Trouble?.Next > Now)
            return [];
        var pending = _ledger.Pending;
        var isDue = pending.Fresh >= MaxRoots || _ledger.IsFlushing || pending.FreshSince <= Now - times.Batch;
        if (isDue && pending.First(MaxRoots) is { Count: > 0 } batch)
            return batch;
        return _ledger.DueHeld() is { } held ? [held] : [];
    }

    private async Task PushAsync(IReadOnlyList<StorePath> batch, CancellationToken cancellationToken)
    {
        var valid = scan.Valid(batch);
        var answers = batch.Where(path => !valid.Contains(path))
            .Select(path => new RootAnswer(path, RootOutcome.Lost, Why: "the local store no longer had it when it was to be pushed"))
            .ToList();
        if (valid.Count > 0)
        {
            var totals = new PushTotals();
            answers.AddRange(await new BatchPusher(push).PushAsync([.. batch.Where(valid.Contains)], totals.Add, cancellationToken));
            if (totals.Pushes > 0)
                log($"pushed {Text.Count(answers.Count(answer => answer.IsInCache), "path")}, {totals.Uploaded:N0} NARs uploaded");
        }

        _ledger.Remember(answers);
        _ledger.Save(scan.Position);
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        var wait = times.Poll;
        if (!IsPaused && _ledger.Pending.FreshSince is { } since
            && (_ledger.State.Trouble?.Next ?? since + times.Batch) - Now is var left && left < wait)
            wait = left > MinWait ? left : MinWait;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = time.CreateTimer(_ => limit.Cancel(), null, wait, Timeout.InfiniteTimeSpan);
        try
        {
            await _wake.Reader.ReadAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It is time.
        }
    }
}
