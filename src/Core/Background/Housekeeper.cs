using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Adapters.Attic;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Core.Subjects;
using OrleansCache.Core.Upstreams;
using OrleansCache.Core.Withdraw;

namespace OrleansCache.Core.Background;

/// <summary>
/// Work that needs no request, in every server: finishes commits whose publisher fell silent, ends failed uploads, deletes swept rows,
/// resumes evictions, takes over garbage collections, ends expired pins and writes pins into the bucket. Each step comes from the catalog,
/// so any number of servers share the work.
/// </summary>
internal sealed partial class Housekeeper(
    CacheDirectory caches, CatalogDatabase database, PushCatalog catalog, PublishCatalog publishing, Publisher publisher,
    Deletions deletions, DirectWithdrawals withdrawals, GarbageCollector collector, PinWriter pins, WaitingPublisher waiting,
    UpstreamPaths upstreams, IObjectStore store, CatalogSubjects subjects, PushOptions options, TimeSpan failedUploads,
    TimeSpan? auditLife, TimeProvider time, ILogger logger)
{
    private const int Batch = 100;
    private const int AuditBatch = 5_000;
    private const int TurnsBetweenMultipartChecks = 720;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CountingInterval = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan DeploymentLife = TimeSpan.FromDays(90);
    private readonly ConcurrentDictionary<int, int> _turns = new();

    /// <summary>
    /// Runs until the token is cancelled; logs a failure and tries again at the next turn. Deletions have a loop of their own, so a long
    /// one delays no commit.
    /// </summary>
    public Task RunAsync(CancellationToken stopping) => Task.WhenAll(LoopAsync(TakeOverAsync, stopping), LoopAsync(CleanAsync, stopping));

    /// <summary>One turn. Each step runs by itself, so a failure does not stop the others.</summary>
    public async Task RunOnceAsync(int cache, CancellationToken cancellationToken)
    {
        await TakeOverAsync(cache, cancellationToken);
        await CleanAsync(cache, cancellationToken);
    }

    private async Task LoopAsync(Func<int, CancellationToken, Task> turn, CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Interval * (0.8 + 0.4 * Random.Shared.NextDouble()), time, stopping);
                foreach (var cache in caches.All)
                    await turn(cache, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Asked to stop.
        }
    }

    private async Task TakeOverAsync(int cache, CancellationToken cancellationToken)
    {
        await StepAsync("finishing commits", () => FinishCommitsAsync(cache, cancellationToken));
        await StepAsync("taking over garbage collections", () => collector.AdoptAsync(cache, cancellationToken));
        await StepAsync("ending pins", () => pins.ExpireAsync(cache, cancellationToken));
        await StepAsync("looking for narinfos with a former name", () => publisher.MarkMisprintedAsync(cache, cancellationToken));
        await StepAsync("signing what was read by now", () => publisher.MarkSignableAsync(cache, cancellationToken));
        await StepAsync("writing narinfos", () => publisher.RefreshAsync(cache, cancellationToken));
        await StepAsync("publishing paths whose references have come", () => waiting.PublishLeftAsync(cache, cancellationToken));
        await StepAsync("writing pins", () => pins.WriteSomeAsync(cache, cancellationToken));
    }

    private async Task CleanAsync(int cache, CancellationToken cancellationToken)
    {
        await StepAsync("ending failed uploads", async () =>
            Telemetry.PushesEnded.Add("expired", await catalog.EndLapsedAsync(cache, failedUploads, Batch, cancellationToken)));
        await StepAsync("ending pushes of blocked publishers", () => subjects.EndPushesAsync(cache, cancellationToken));
        // The first turn of a process checks, because a crash leaks uploads. The check precedes the deletions, as they remove the row that
        // tells whose the key is.
        if (_turns.AddOrUpdate(cache, 1, static (_, turns) => turns + 1) % TurnsBetweenMultipartChecks == 1)
            await StepAsync("discarding multipart uploads that nobody noted", () => DiscardMultipartsAsync(cache, cancellationToken));
        await StepAsync("withdrawing", () => withdrawals.ResumeAsync(cache, cancellationToken));
        await StepAsync("deleting", () => deletions.RunAsync(cache, cancellationToken));
        await StepAsync("forgetting ended pushes", () => database.RunAsync("select @fn@.forget_pushes($1)", p => p.With(cache),
            cancellationToken));
        await StepAsync("forgetting what was done to pins", () => pins.ForgetAsync(cache, cancellationToken));
        await StepAsync("forgetting machines that report no more", () => database.RunAsync("select @fn@.forget_deployments($1, $2)", p =>
            p.With(cache).With(DeploymentLife), cancellationToken));
        await StepAsync("looking for what upstreams have", () => upstreams.WatchAsync(cache, cancellationToken));
        if (options.Quotas.NeedCounting)
            await StepAsync("counting what publishers have", () => database.RunAsync("select @fn@.count_publishers($1, $2)", p =>
                p.With(cache).With(CountingInterval), cancellationToken));
        if (auditLife is { } life)
            await StepAsync("forgetting old lines of the audit log", () => database.RunAsync("select @fn@.audit_forget($1, $2, $3)", p =>
                p.With(cache).With(life).With(AuditBatch), cancellationToken));
    }

    private async Task FinishCommitsAsync(int cache, CancellationToken cancellationToken)
    {
        var silent = await publishing.TakeSilentAsync(cache, options.CommitLease, Batch, cancellationToken);
        foreach (var push in silent)
            LogTakeOver(push);
        // Not awaited: a push whose fence is open must not delay the others.
        foreach (var push in silent)
            _ = StepAsync("publishing", () => publisher.PublishAsync(cache, push, cancellationToken));
    }

    // A crash between the store's answer and the row leaves a multipart upload under our key that no row notes.
    internal async Task DiscardMultipartsAsync(int cache, CancellationToken cancellationToken)
    {
        var before = time.GetUtcNow() - options.UrlLife;
        var open = new List<OpenMultipart>();
        await foreach (var multipart in store.ListMultipartAsync(cancellationToken))
        {
            if (multipart.Initiated < before)
                open.Add(multipart);
        }

        if (open.Count == 0)
            return;
        var unknown = (await catalog.UnknownMultipartsAsync(cache, open, cancellationToken)).ToHashSet(StringComparer.Ordinal);
        foreach (var multipart in open.Where(m => unknown.Contains(m.UploadId)))
            await store.AbortMultipartAsync(multipart.Key, multipart.UploadId, cancellationToken);
    }

    private async Task StepAsync(string what, Func<Task> step)
    {
        try
        {
            await step();
        }
        catch (OperationCanceledException)
        {
            throw;
        }
        catch (CacheProblemException e) when (e is { IsOutage: true, InnerException: null })
        {
            LogWaits(what, e.Message);
        }
        catch (Exception e)
        {
            LogFailed(e, what);
        }
    }

    [LoggerMessage(LogLevel.Information, "going on with commit of push {Push}, whose publisher fell silent")]
    private partial void LogTakeOver(PushId push);

    [LoggerMessage(LogLevel.Warning, "{What} failed, and is tried again: {Why}")]
    private partial void LogWaits(string what, string why);

    [LoggerMessage(LogLevel.Warning, "{What} failed; it is tried again")]
    private partial void LogFailed(Exception e, string what);
}
