using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Collect.Sweep;

/// <summary>
/// Rule 10: takes deleting rows out of the bucket, whichever process swept them: narinfos in waves, referrers first, then objects. Any
/// number of processes may do so at once; each deletion is an intent in the catalog, under a fence.
/// </summary>
internal sealed partial class Deletions(CatalogDatabase database, IObjectStore store, PushOptions options, GcPace pace, ILogger logger,
    RefusedDeletions refused)
{
    // The number of keys that a bucket deletes in one request.
    private const int Batch = 1_000;
    private const int Parallel = 4;

    /// <summary>The deletions that the store refuses.</summary>
    public RefusedDeletions Refused => refused;

    /// <summary>
    /// Deletes what it can. Rows under another process's fence, and those without an answer, stay for a later call, as do all others once
    /// the store answers nothing.
    /// </summary>
    public async Task RunAsync(int cache, CancellationToken cancellationToken)
    {
        await pace.LookAsync(cancellationToken);
        await DeletePathsAsync(cache, cancellationToken);
        while (await DeleteObjectsAsync(cache, cancellationToken))
        {
        }
    }

    /// <summary>One pass over all waves.</summary>
    private async Task DeletePathsAsync(int cache, CancellationToken cancellationToken)
    {
        // Read anew for each pass: an interrupted run may have left part of a wave.
        var rows = await database.ListAsync("select id, hash, has_listing, refs, condemned_at, held from @fn@.delete_list($1, $2)",
            p => p.With(cache).With(options.FenceMargin),
            r => new DeletingPath(r.GetInt64(0), StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetBoolean(2),
                r.GetFieldValue<long[]>(3), r.GetDateTime(4), r.GetBoolean(5)), cancellationToken);
        if (rows.Count == 0)
            return;

        var waves = new DeletionWaves(rows);
        var running = new List<Task<Deleted>>();
        var answers = true;
        try
        {
            while (true)
            {
                while (answers && running.Count < (pace.PushesCome ? 1 : Parallel) && waves.TakeReady(pace.Step(Batch))
                    is { Count: > 0 } batch)
                    running.Add(DeleteBatchAsync(cache, batch, cancellationToken));
                if (running.Count == 0)
                    return;
                var ended = await Task.WhenAny(running);
                running.Remove(ended);
                var deleted = await ended;
                answers &= deleted.Answered;
                waves.Gone(deleted.Gone);
                // When several deletions run at once, the last one's time counts: no push comes then.
                await pace.RestAsync(deleted.Started, cancellationToken);
            }
        }
        finally
        {
            await Task.WhenAll(running);
        }
    }

    private async Task<Deleted> DeleteBatchAsync(int cache, IReadOnlyList<DeletingPath> batch, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var intents = await database.ListAsync("select id, generation, fence from @fn@.delete_take_paths($1, $2, $3, $4)",
            p => p.With(batch.Select(b => b.Id).ToArray()).With(batch.Select(b => b.CondemnedAt).ToArray()).With(options.Fence)
                .With(options.FenceMargin),
            r => (Id: r.GetInt64(0), Generation: r.GetInt64(1), Fence: r.GetDateTime(2)), cancellationToken);
        if (intents.Count == 0)
            return new Deleted([], true, started);
        var paths = batch.ToDictionary(b => b.Id);
        var fence = intents.Min(i => i.Fence);
        var taken = intents.ConvertAll(i => paths[i.Id]);
        var outcomes = await TryDeleteAsync([.. taken.Select(t => ObjectKey.NarInfo(t.Hash))], fence, cancellationToken);

        // Readers ask for a listing only after its narinfo, so the listing goes second.
        var listed = Enumerable.Range(0, taken.Count).Where(i => outcomes[i] == FencedOutcome.Done && taken[i].HasListing).ToList();
        if (listed.Count > 0)
        {
            var listings = await TryDeleteAsync([.. listed.Select(i => ObjectKey.Listing(taken[i].Hash))], fence, cancellationToken);
            for (var i = 0; i < listed.Count; i++)
                outcomes[listed[i]] = listings[i];
        }

        var keys = Enumerable.Range(0, taken.Count).Where(i => outcomes[i] == FencedOutcome.Done)
            .SelectMany(i => new[] { ObjectKey.NarInfo(taken[i].Hash), ObjectKey.Listing(taken[i].Hash) });
        await store.SyncAsync([.. keys], cancellationToken);
        var answered = Enumerable.Range(0, taken.Count).Where(i => outcomes[i] != FencedOutcome.Unknown).ToList();
        var gone = await database.ListAsync("select * from @fn@.delete_record_paths($1, $2, $3, $4)",
            p => p.With(cache).With(answered.Select(i => intents[i].Id).ToArray())
                .With(answered.Select(i => intents[i].Generation).ToArray())
                .With(answered.Select(i => outcomes[i] == FencedOutcome.Done).ToArray()),
            r => r.GetInt64(0), cancellationToken);
        return new Deleted(gone, answered.Count > 0, started);
    }

    /// <summary>One batch of NARs, logs and realisations; false when there was none to take, or the store answers nothing.</summary>
    private async Task<bool> DeleteObjectsAsync(int cache, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var taken = await database.ListAsync("select id, key, multipart_id, generation, fence from @fn@.delete_take($1, $2, $3, $4, $5)",
            p => p.With(cache).With(options.Fence).With(options.FenceMargin).With(options.LateUpload).With(pace.Step(Batch)),
            DeletingObject.Read, cancellationToken);
        if (taken.Count == 0 || !(await DeleteAsync(cache, taken, cancellationToken)).Answered)
            return false;
        await pace.RestAsync(started, cancellationToken);
        return true;
    }

    /// <summary>
    /// Deletes objects that the catalog has handed out for it; returns whether the store answers at all, and how many are gone.
    /// </summary>
    public async Task<(bool Answered, int Gone)> DeleteAsync(int cache, List<DeletingObject> taken, CancellationToken cancellationToken)
    {
        foreach (var upload in taken.Where(t => t.Multipart is not null).ToList())
        {
            try
            {
                await store.AbortMultipartAsync(upload.Key, upload.Multipart!, cancellationToken);
            }
            catch (ObjectStoreException e)
            {
                // A multipart upload that cannot be discarded now must not delay the others; it is taken again after its fence.
                if (e.Answer is { IsRefusal: true } refusal)
                    refused.Note(upload.Key, refusal);
                else
                    LogDiscardFailed(e, upload.Key);
                taken.Remove(upload);
            }
        }

        if (taken.Count == 0)
            return (true, 0);
        var outcomes = await TryDeleteAsync([.. taken.Select(t => t.Key)], taken.Min(t => t.Fence), cancellationToken);
        var done = taken.Where((_, i) => outcomes[i] == FencedOutcome.Done).ToList();
        await store.SyncAsync([.. done.Select(d => d.Key)], cancellationToken);
        await database.RunAsync("select @fn@.delete_record($1, $2, $3)", p => p.With(cache).With(done.Select(d => d.Id).ToArray())
            .With(done.Select(d => d.Generation).ToArray()), cancellationToken);
        return (outcomes.Any(o => o != FencedOutcome.Unknown), done.Count);
    }

    // An unreachable store may still have deleted the batch, so the outcome is unknown before the fence.
    private async Task<FencedOutcome[]> TryDeleteAsync(IReadOnlyList<ObjectKey> keys, DateTime fence, CancellationToken cancellationToken)
    {
        try
        {
            FencedOutcome[] outcomes = [.. await store.DeleteAsync(keys, fence, cancellationToken)];
            for (var i = 0; i < outcomes.Length; i++)
            {
                if (outcomes[i] == FencedOutcome.Done)
                    refused.Forget(keys[i]);
                else if (outcomes[i].Answer is { IsRefusal: true } refusal)
                    refused.Note(keys[i], refusal);
            }

            return outcomes;
        }
        catch (ObjectStoreException e)
        {
            LogDeleteFailed(e, keys.Count);
            return [.. Enumerable.Repeat(FencedOutcome.Unknown, keys.Count)];
        }
    }

    [LoggerMessage(LogLevel.Warning, "deleting {Count} keys failed; it is tried again")]
    private partial void LogDeleteFailed(Exception e, int count);

    [LoggerMessage(LogLevel.Warning, "discarding the multipart upload of {Key} failed; it is tried again")]
    private partial void LogDiscardFailed(Exception e, ObjectKey key);

    private sealed record Deleted(IReadOnlyList<long> Gone, bool Answered, long Started);
}

/// <param name="Fence">The time until which its deletion may take effect; the least value while no process has taken it.</param>
internal sealed record DeletingObject(long Id, ObjectKey Key, string? Multipart, long Generation, DateTime Fence)
{
    public static DeletingObject Read(NpgsqlDataReader r) =>
        new(r.GetInt64(0), ObjectKey.Parse(r.GetString(1)), r.IsDBNull(2) ? null : r.GetString(2), r.GetInt64(3), r.IsDBNull(4)
            ? DateTime.MinValue : r.GetDateTime(4));
}

/// <param name="CondemnedAt">Tells this deletion of the path from a later one.</param>
/// <param name="Held">An intent is open: what it does is not known before its fence.</param>
internal sealed record DeletingPath(long Id, StorePathHash Hash, bool HasListing, long[] References, DateTime CondemnedAt, bool Held);
