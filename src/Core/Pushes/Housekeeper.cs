using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Objects;
using OrleansCache.Core.Pins;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// What must go on without a request, in every server: finishing commits whose publisher fell silent, ending pushes that lapsed, deleting
/// uploads that nobody holds, ending pins whose time is over, and bringing pins into the bucket. Each step is taken from the catalog, so any number of servers share the work.
/// </summary>
internal sealed partial class Housekeeper(
    CacheDirectory caches, CatalogDatabase database, PushCatalog catalog, Publisher publisher, PinCatalog pins, PinWriter pinWriter, IObjectStore store, PushOptions options, TimeProvider time, ILogger logger)
{
    private const int DeletionBatch = 1_000;
    private const int Batch = 100;
    private const int TurnsBetweenMultipartChecks = 720;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<int, int> _turns = new();

    /// <summary>Runs until the token; a failure is logged and tried again at the next turn.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Interval * (0.8 + 0.4 * Random.Shared.NextDouble()), time, stopping);
                foreach (var cache in caches.All)
                    await RunOnceAsync(cache, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Asked to stop.
        }
    }

    /// <summary>One turn; each step on its own, so that one that fails does not keep the others from being done.</summary>
    public async Task RunOnceAsync(int cache, CancellationToken cancel)
    {
        await StepAsync("finishing commits", () => FinishCommitsAsync(cache, cancel));
        await StepAsync("writing narinfos", () => publisher.RefreshAsync(cache, cancel));
        await StepAsync("ending pins", () => pins.ExpireAsync(cache, Batch, cancel));
        await StepAsync("writing pins", () => pinWriter.WriteSomeAsync(cache, cancel));
        await StepAsync("ending lapsed pushes", () => catalog.EndAsync(cache, null, Batch, cancel));
        await StepAsync("deleting uploads", () => DeleteAsync(cache, cancel));
        // The first turn of a process is one of them: a crash is what leaks.
        if (_turns.AddOrUpdate(cache, 1, static (_, turns) => turns + 1) % TurnsBetweenMultipartChecks == 1)
            await StepAsync("discarding multipart uploads that nobody noted", () => DiscardMultipartsAsync(cache, cancel));
        await StepAsync("forgetting ended pushes", () => database.RunAsync(
            "delete from push where finished < clock_timestamp() - interval '1 day' and cache_id = $1", p => p.With(cache), cancel));
        await StepAsync("forgetting what was done to pins", () => pins.ForgetOperationsAsync(cache, cancel));
    }

    private async Task FinishCommitsAsync(int cache, CancellationToken cancel)
    {
        var silent = await database.ListAsync("select * from @fn@.lease_commits($1, null, $2, $3)",
            p => p.With(cache).With(options.CommitLease).With(Batch), r => new PushId(r.GetInt64(0)), cancel);
        foreach (var push in silent)
            LogTakeOver(push.Value);
        // Not waited for: one push whose fence is open must not keep the others.
        foreach (var push in silent)
            _ = StepAsync("publishing", () => publisher.PublishAsync(cache, push, cancel));
    }

    private async Task DeleteAsync(int cache, CancellationToken cancel)
    {
        var taken = await database.ListAsync("select id, key, multipart_id, generation, fence from @fn@.delete_take($1, $2, $3, $4, $5)",
            p => p.With(cache).With(options.Fence).With(options.FenceMargin).With(options.LateUpload).With(DeletionBatch),
            r => new Deletion(r.GetInt64(0), ObjectKey.Parse(r.GetString(1)), r.IsDBNull(2) ? null : r.GetString(2), r.GetInt64(3), r.GetDateTime(4)), cancel);
        if (taken.Count == 0)
            return;
        foreach (var upload in taken.Where(t => t.Multipart is not null).ToList())
        {
            try
            {
                await store.AbortMultipartAsync(upload.Key, upload.Multipart!, cancel);
            }
            catch (ObjectStoreException e)
            {
                // One that cannot be discarded now must not keep the others; it is taken again after its fence.
                LogFailed(e, $"discarding the multipart upload of {upload.Key}");
                taken.Remove(upload);
            }
        }

        if (taken.Count == 0)
            return;
        var outcomes = await store.DeleteAsync([.. taken.Select(t => t.Key)], taken.Min(t => t.Fence), cancel);
        var done = taken.Where((_, i) => outcomes[i] == FencedOutcome.Done).ToList();
        await store.SyncAsync([.. done.Select(d => d.Key)], cancel);
        await database.RunAsync("select @fn@.delete_record($1, $2)", p => p.With(done.Select(d => d.Id).ToArray()).With(done.Select(d => d.Generation).ToArray()), cancel);
    }

    // A crash between the store's answer and the row leaves a multipart upload that no row knows, under a key that is ours.
    private async Task DiscardMultipartsAsync(int cache, CancellationToken cancel)
    {
        var before = time.GetUtcNow() - options.UrlLife;
        var open = new List<OpenMultipart>();
        await foreach (var multipart in store.ListMultipartAsync(cancel))
        {
            if (multipart.Initiated < before)
                open.Add(multipart);
        }

        if (open.Count == 0)
            return;
        var unknown = (await catalog.UnknownMultipartsAsync(cache, open, cancel)).ToHashSet(StringComparer.Ordinal);
        foreach (var multipart in open.Where(m => unknown.Contains(m.UploadId)))
            await store.AbortMultipartAsync(multipart.Key, multipart.UploadId, cancel);
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
        catch (Exception e)
        {
            LogFailed(e, what);
        }
    }

    [LoggerMessage(LogLevel.Information, "going on with commit of push {Push}, whose publisher fell silent")]
    private partial void LogTakeOver(long push);

    [LoggerMessage(LogLevel.Warning, "{What} failed; it is tried again")]
    private partial void LogFailed(Exception e, string what);

    private sealed record Deletion(long Id, ObjectKey Key, string? Multipart, long Generation, DateTime Fence);
}
