using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Withdraw;

namespace OrleansCache.Core.Verify;

/// <summary>
/// Reads what the catalog asks for, in every server near the bucket: a lease decides whose turn an object is, so a server that stops is
/// succeeded. A few objects are read at once, each in bounded memory.
/// </summary>
/// <remarks>
/// 1. Take objects, a turn for each publisher who asks. 2. Read each. 3. The declared NAR: record what it shows, many in one statement.
/// 4. Another: read it once more, as a store may err; then refuse it, and withdraw the paths that have it. 5. Not readable: that says
/// nothing; later.
/// </remarks>
internal sealed partial class Verifier : IAsyncDisposable
{
    private const int MaxTaken = 32;
    private const int MaxTakenOfOne = 8;
    private const int MaxTrouble = 300;
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(2);
    // What arrives close together is taken together.
    private static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(50);

    private readonly CacheDirectory _caches;
    private readonly VerificationCatalog _catalog;
    private readonly NarVerification _reader;
    private readonly DirectWithdrawals _withdrawals;
    private readonly VerifyOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly VerificationQueue _queue;
    private readonly GroupCommit<(int Cache, VerificationTask Task, NarProof Proof), bool> _records;
    private readonly RateMeter _rate;
    private readonly SemaphoreSlim _wake = new(0, 1);
    // More may be there than was taken last.
    private volatile bool _hasMore;

    public Verifier(CacheDirectory caches, VerificationCatalog catalog, IObjectStore store, DirectWithdrawals withdrawals,
        VerifyOptions options, TimeProvider time, ILogger logger)
    {
        (_caches, _catalog, _withdrawals, _options, _time, _logger) = (caches, catalog, withdrawals, options, time, logger);
        _reader = new NarVerification(store);
        _rate = new RateMeter(time);
        _queue = new VerificationQueue(Math.Max(1, options.AtOnce - 1));
        _records = new(new GroupOperation<(int Cache, VerificationTask Task, NarProof Proof), bool>
        {
            One = (item, stop) => RecordAsync([item], grouped: false, stop),
            Many = async (items, stop) =>
            {
                await RecordAsync(items, grouped: true, stop);
                return [.. items.Select(_ => true)];
            },
            Key = item => item.Task.Object.ToString(System.Globalization.CultureInfo.InvariantCulture),
            Weight = item => 1 + item.Proof.Occurring.Count / 16,
        });
    }

    /// <summary>Stored bytes per second that this process has read lately; null when it has read none.</summary>
    public double? BytesPerSecond => _rate.PerSecond;

    /// <summary>What another trust group has uploaded is read before it is relied on.</summary>
    public bool ReadsOthers => _options.Policy != VerifyPolicy.Off;

    /// <summary>Something was asked for here.</summary>
    public void Wake()
    {
        lock (_wake)
        {
            if (_wake.CurrentCount == 0)
                _wake.Release();
        }
    }

    /// <summary>Reads until the token is cancelled.</summary>
    public Task RunAsync(CancellationToken stopping) => _options.AtOnce == 0 ? Task.CompletedTask
        : Task.WhenAll([FeedAsync(stopping), RenewAsync(stopping), ScrubAsync(stopping),
            .. Enumerable.Range(0, _options.AtOnce).Select(_ => WorkAsync(stopping))]);

    /// <summary>Reads all that is asked for now, in this call; for tests and schedules that decide when.</summary>
    public async Task<int> RunOnceAsync(int cache, CancellationToken cancellationToken)
    {
        for (var count = 0; ;)
        {
            var tasks = await _catalog.TakeAsync(cache, MaxTaken, Lease, TimeSpan.Zero, [], cancellationToken);
            if (tasks.Count == 0)
                return count;
            foreach (var task in tasks)
                await await VerifyAsync(cache, task, cancellationToken);
            count += tasks.Count;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _records.DisposeAsync();
        _queue.Dispose();
        _wake.Dispose();
    }

    // 1.
    private async Task FeedAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            var (took, hasMore) = (0, false);
            foreach (var cache in _caches.All)
            {
                if (MaxTaken - _queue.Count < MaxTakenOfOne)
                {
                    hasMore = true;
                    break;
                }

                await StepAsync(async () =>
                {
                    var busy = _queue.Busy(cache, MaxTakenOfOne);
                    var tasks = await _catalog.TakeAsync(cache, MaxTakenOfOne, Lease, _options.After, busy, stopping);
                    (took, hasMore) = (took + tasks.Count, hasMore || busy.Length > 0 || tasks.Count == MaxTakenOfOne);
                    _queue.Add(cache, tasks);
                }, stopping);
            }

            _hasMore = hasMore;
            // The workers wake it when they run short, and who asks here; other processes ask, too, and tell nobody.
            if (took == 0 || _queue.Count >= MaxTakenOfOne)
                await ((Task)_wake.WaitAsync(Idle, stopping)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            else if (!hasMore)
                await Task.Delay(Linger, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task WorkAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await StepAsync(async () =>
            {
                var (cache, task) = await _queue.NextAsync(stopping);
                var recorded = Task.CompletedTask;
                await StepAsync(async () => recorded = await VerifyAsync(cache, task, stopping), stopping);
                _queue.Read(cache, task);
                // Not awaited: the next object is read while this one is recorded.
                _ = ReleaseAsync(cache, task, recorded, stopping);
            }, stopping);
        }
    }

    private async Task ReleaseAsync(int cache, VerificationTask task, Task recorded, CancellationToken stopping)
    {
        await StepAsync(() => recorded, stopping);
        if (_queue.Remove(cache, task) < MaxTakenOfOne && _hasMore)
            Wake();
    }

    // What fails is done again: by its loop, or in another turn, when the lease has lapsed.
    private async Task StepAsync(Func<Task> step, CancellationToken stopping)
    {
        try
        {
            await step();
        }
        catch (Exception e)
        {
            // At a stop everything fails, and says nothing.
            if (!stopping.IsCancellationRequested)
                LogFailed(e);
        }
    }

    /// <returns>When it is recorded.</returns>
    private async Task<Task> VerifyAsync(int cache, VerificationTask task, CancellationToken cancellationToken)
    {
        if (task.IsRefused)
        {
            await WithdrawAsync(cache, task, $"{task.Key} was not the declared NAR.", cancellationToken);
            return Task.CompletedTask;
        }

        NarVerdict verdict;
        try
        {
            // 2. and 4.
            verdict = await _reader.ReadAsync(task, _rate.Add, cancellationToken);
            if (verdict.Wrong is not null)
                verdict = await _reader.ReadAsync(task, _rate.Add, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // 5.
            var trouble = e is ObjectStoreException store ? store.Told : "The store's answer broke off.";
            LogUnread(e, task.Key);
            await _catalog.PostponeAsync(cache, task.Object, trouble.Length > MaxTrouble ? trouble[..MaxTrouble] : trouble,
                cancellationToken);
            return Task.CompletedTask;
        }

        if (verdict.Wrong is not { } wrong)
        {
            // 3.
            Telemetry.Verified.Add("verified");
            return _records.SubmitAsync((cache, task, verdict.Proof!), cancellationToken);
        }

        LogRefused(task.Key, task.Publisher, wrong);
        Telemetry.Verified.Add("refused");
        Telemetry.VerifyRefused.Add(1, new KeyValuePair<string, object?>("publisher", task.Publisher));
        if (!await _catalog.RefuseAsync(cache, task, wrong, cancellationToken))
            return Task.CompletedTask;
        await WithdrawAsync(cache, task, $"{task.Key} is not the declared NAR. {wrong}", cancellationToken);
        return Task.CompletedTask;
    }

    private async Task WithdrawAsync(int cache, VerificationTask task, string reason, CancellationToken cancellationToken)
    {
        await _withdrawals.WithdrawObjectAsync(cache, task.Object, reason, cancellationToken);
        await _catalog.ForgetAsync(cache, task.Object, cancellationToken);
    }

    private async Task<bool> RecordAsync(IReadOnlyList<(int Cache, VerificationTask Task, NarProof Proof)> items, bool grouped,
        CancellationToken cancellationToken)
    {
        foreach (var cache in items.GroupBy(i => i.Cache))
            await _catalog.RecordAsync(cache.Key, [.. cache.OrderBy(i => i.Task.Object).Select(i => (i.Task, i.Proof))], grouped,
                cancellationToken);
        return true;
    }

    private async Task RenewAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await Task.Delay(Lease / 3, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var cache in _queue.Held().GroupBy(h => h.Cache))
                await StepAsync(() => _catalog.RenewAsync(cache.Key, [.. cache.Select(h => h.Object)], Lease, stopping), stopping);
        }
    }

    private async Task ScrubAsync(CancellationToken stopping)
    {
        var scrub = new Scrub(_catalog, _options.ScrubRate);
        while (_options.ScrubRate > 0 && !stopping.IsCancellationRequested)
        {
            await Task.Delay(Scrub.Turn, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var cache in _caches.All)
                await StepAsync(() => scrub.AskAsync(cache, stopping), stopping);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Key}, which {Publisher} brought, is refused: {Reason}")]
    private partial void LogRefused(ObjectKey key, string publisher, string reason);

    [LoggerMessage(LogLevel.Warning, "{Key} could not be read to verify it; it is tried again")]
    private partial void LogUnread(Exception e, ObjectKey key);

    [LoggerMessage(LogLevel.Warning, "a step of verification failed; it is tried again")]
    private partial void LogFailed(Exception e);
}
