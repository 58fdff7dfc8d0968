using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Schedule;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Collect;

/// <summary>
/// The collector in process. At most one run of a cache is under way over all processes; the catalog has its state, and heartbeats show
/// that its owner lives.
/// </summary>
internal sealed partial class GarbageCollector(
    CacheDirectory caches, GcCatalog catalog, GcRunner runner, IObjectStore store, GcOptions options, GcPace pace, TimeProvider time,
    ILogger logger, CancellationToken stopping) : IGarbageCollection, IAsyncDisposable
{
    private const int MaxHistory = 100;
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(3);
    // Names this process. A run that it has given up belongs to another owner until this process takes it again.
    private readonly string _process = string.Create(CultureInfo.InvariantCulture,
        $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.CreateVersion7():n}");
    private readonly ConcurrentDictionary<long, Task> _running = new();
    private readonly SemaphoreSlim _why = new(1);
    private readonly CronSchedule? _schedule = GcSchedule.Parse(options);

    public async Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var older = Given(request.OlderThanSeconds, options.OlderThan, "olderThanSeconds");
        var failed = Given(request.FailedUploadsOlderThanSeconds, options.FailedUploadsOlderThan, "failedUploadsOlderThanSeconds");
        var grace = Given(request.GraceSeconds, options.Grace, "graceSeconds");
        if (request.Force && request.GraceSeconds is > 0)
            throw new CacheProblemException(ProblemKind.BadRequest,
                "force means no grace, and graceSeconds asks for one: send one of them.");
        while (true)
        {
            var row = await catalog.StartAsync(
                id, operation, operation.Value.StartsWith(GcSchedule.Prefix, StringComparison.Ordinal), request, older, failed,
                request.Force ? TimeSpan.Zero : grace, _process, caller, cancellationToken);
            if (row is null)
                continue;
            if (row.Operation != operation.Value)
                throw new CacheProblemException(ProblemKind.GcRunning,
                    $"Run {row.Run.Id} is under way since {row.Run.Started:u}. Wait for it, or cancel it.");
            if (row.Run.State == GcState.Running && row.Owner == _process)
                Go(row);
            return Mark(row.Run);
        }
    }

    public async Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken) =>
        await catalog.FindAsync(caches.IdOf(cache), run, cancellationToken) is { } row ? Mark(row.Run)
            : throw new CacheProblemException(ProblemKind.UnknownGcRun, $"There is no run {run}; the last hundred are kept.");

    public async Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken)
    {
        var runs = (await catalog.HistoryAsync(caches.IdOf(cache), 2, cancellationToken)).ConvertAll(r => Mark(r.Run));
        return new GcStatus
        {
            Current = runs.Find(r => r.State == GcState.Running),
            Last = runs.Find(r => r.State != GcState.Running),
            Schedule = options.Schedule,
            Next = _schedule?.Next(time.GetUtcNow()),
        };
    }

    public async Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        new()
        {
            Runs = (await catalog.HistoryAsync(caches.IdOf(cache), Math.Clamp(limit, 1, MaxHistory), cancellationToken))
            .ConvertAll(r => Mark(r.Run))
        };

    public async Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken) =>
        (await catalog.CancelAsync(caches.IdOf(cache), cancellationToken))?.Run;

    public async Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var row = await catalog.PathAsync(id, path, cancellationToken) ?? throw new CacheProblemException(ProblemKind.UnknownPath,
            $"{path} is not in the cache '{cache}' and never was.");
        var answer = new WhyAnswer
        {
            Path = new StorePath(path, row.Name),
            State = row.State,
            Verification = row.State is "live" or "condemned" ? row.Verification : null,
            CondemnedAt = row.State == "condemned" ? row.CondemnedAt : null,
            DeletedFrom = row.State == "condemned" ? row.CondemnedAt + options.Grace : null,
        };
        if (row.State is "gone" or "deleting")
            return answer;

        // The graph of a large cache takes a gigabyte: one question at a time.
        await _why.WaitAsync(cancellationToken);
        try
        {
            var (graph, marks) = await catalog.MarkAsync(id, options.OlderThan, trace: true, pace, cancellationToken);
            var rank = graph.RankOf(row.Id);
            if (rank < 0 || !marks.HasPath(rank))
                return answer;
            var (root, chain) = marks.Trace(rank);
            var names = (await catalog.NamesAsync(chain.ConvertAll(graph.IdOf), cancellationToken)).ToDictionary(n => n.Id, n => n.Path);
            return answer with
            {
                Root = new WhyRoot(root.Kind, root.Name, root.Until),
                Chain = chain.ConvertAll(r => names[graph.IdOf(r)])
            };
        }
        finally
        {
            _why.Release();
        }
    }

    /// <summary>Goes on with a run whose owner fell silent.</summary>
    public async Task AdoptAsync(int cache, CancellationToken cancellationToken)
    {
        if (await catalog.AdoptAsync(cache, _process, options.Lease, cancellationToken) is not { } row)
            return;
        LogAdopted(row.Run.Id);
        Go(row);
    }

    /// <summary>Waits until the runs of this process have ended or were given up, once it has been told to stop.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_running.Values);
        _why.Dispose();
    }

    // The run belongs to the process, not to the request that asked for it.
    private void Go(GcRow row)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_running.TryAdd(row.Run.Id, ended.Task))
            return;
        _ = Task.Run(async () =>
        {
            try
            {
                await OwnAsync(row);
            }
            catch (Exception e)
            {
                // The run's heartbeat has stopped: another process, or this one, takes it over.
                LogLost(e, row.Run.Id);
            }
            finally
            {
                _running.TryRemove(row.Run.Id, out _);
                ended.SetResult();
            }
        }, CancellationToken.None);
    }

    private async Task OwnAsync(GcRow row)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var run = row.Run;
        // Counts of earlier owners stay; the graph is read anew.
        var progress = new GcProgress
        {
            FailedUploads = run.FailedUploadsDeleted,
            OldClosures = run.OldClosuresDeleted,
            Condemned = run.ObjectsMarkedForDeletion,
            Deleted = run.ObjectsDeletedAfterGracePeriod,
            Failed = run.ObjectsFailedToDelete,
            Bytes = run.BytesFreed,
        };
        var beats = BeatAsync(run.Id, progress, stop);
        var (condemned, deleted, bytes) = (progress.Condemned, progress.Deleted, progress.Bytes);
        var (state, error) = (GcState.Done, (string?)null);
        try
        {
            await runner.RunAsync(row, _process, progress, stop.Token);
            error = progress.Refusal;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            state = GcState.Cancelled;
        }
        catch (CacheProblemException e)
        {
            // The database is away, so the failure cannot be recorded. Another process takes the silent run over.
            LogLost(e, run.Id);
            await stop.CancelAsync();
            await beats;
            return;
        }
        catch (Exception e)
        {
            LogFailed(e, run.Id);
            (state, error) = (GcState.Failed, e.Message);
        }

        await stop.CancelAsync();
        progress.EndPhase();
        if (!run.DryRun)
        {
            Telemetry.GcNodes.Add("condemned", progress.Condemned - condemned);
            Telemetry.GcNodes.Add("deleted", progress.Deleted - deleted);
        }

        Telemetry.GcBytes.Add(progress.Bytes - bytes);
        var wasCancelled = await beats;
        using var patience = new CancellationTokenSource(EndPatience);
        if (state == GcState.Cancelled && !wasCancelled)
        {
            // The process stops, or another process owns the run by now; in that case neither statement changes a row.
            await catalog.BeatAsync(run.Id, _process, progress, patience.Token);
            await catalog.ReleaseAsync(run.Id, _process, patience.Token);
            return;
        }

        await catalog.BeatAsync(run.Id, _process, progress, patience.Token);
        await catalog.EndAsync(run.Id, _process, state, error, patience.Token);
        Telemetry.GcRuns.Add(state switch { GcState.Done => "succeeded", GcState.Cancelled => "cancelled", _ => "failed" });
        LogEnded(run.Id, state, progress.Condemned, progress.Deleted, progress.Failed, progress.Bytes);
    }

    // Stops the work when a cancellation was requested or another process owns the run. True for a cancellation.
    private async Task<bool> BeatAsync(long run, GcProgress progress, CancellationTokenSource stop)
    {
        while (true)
        {
            try
            {
                var cancelling = await catalog.BeatAsync(run, _process, progress, stop.Token);
                if (cancelling is null or true)
                {
                    await stop.CancelAsync();
                    return cancelling is true;
                }

                await Task.Delay(Beat, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return false;
            }
            catch (CacheProblemException e)
            {
                LogBeatFailed(e, run);
            }
        }
    }

    // Reports the bucket's present setting: earlier runs may have met another one.
    private GcRun Mark(GcRun run) => store.KeepsOldVersions ? run with { KeepsOldVersions = true } : run;

    private static TimeSpan Given(double? seconds, TimeSpan otherwise, string name) => seconds is not { } value ? otherwise
        : value >= 0 && value <= DurationText.Longest.TotalSeconds ? TimeSpan.FromSeconds(value)
        : throw new CacheProblemException(ProblemKind.BadRequest,
            FormattableString.Invariant($"{name} is {value}: seconds from 0 to {DurationText.Longest.TotalSeconds} are wanted."));

    [LoggerMessage(LogLevel.Information, "garbage collection {Run} goes on here: its process fell silent")]
    private partial void LogAdopted(long run);

    [LoggerMessage(LogLevel.Information,
        "garbage collection {Run}: {State}, {Condemned} condemned, {Deleted} deleted, {Failed} not yet deleted, {Bytes} bytes freed")]
    private partial void LogEnded(long run, GcState state, long condemned, long deleted, long failed, long bytes);

    [LoggerMessage(LogLevel.Error, "garbage collection {Run} failed")]
    private partial void LogFailed(Exception e, long run);

    [LoggerMessage(LogLevel.Warning, "garbage collection {Run} is left to another process")]
    private partial void LogLost(Exception e, long run);

    [LoggerMessage(LogLevel.Warning, "the heartbeat of garbage collection {Run} failed; it is tried again")]
    private partial void LogBeatFailed(Exception e, long run);
}
