using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>One batch: steps 2 to 5.</summary>
internal sealed partial class Publisher
{
    private async Task<string?> WriteBatchAsync(
        int cache, List<PathToWrite> batch, List<ObjectToWrite> objects, PublishWork work, HashSet<long> written,
        CancellationToken cancellationToken)
    {
        // 2. New signatures.
        await SignAnewAsync(cache, [.. batch.Where(p => p.IsUnsigned || p.References.Any(work.Renamed.Contains))], work,
            cancellationToken);

        // 3. Intents; none for rows that another process writes.
        var intents = await catalog.IntendAsync(batch, objects, options.Fence, options.FenceMargin, cancellationToken);
        var pathIntents = intents.Where(i => i.IsPath).ToDictionary(i => i.Id);
        var objectIntents = intents.Where(i => !i.IsPath).ToDictionary(i => i.Id);
        var results = new ConcurrentBag<(Intent Intent, FencedOutcome Outcome)>();
        Exception? failure = null;
        string? trouble = null;

        // 4. Bodies are staged together; each is written after all that it refers to.
        await using var stage = new StagedBatch(store, cancellationToken);
        var pathWrites = batch.Where(path => pathIntents.ContainsKey(path.Id))
            .ToDictionary(path => path.Id, path => stage.Add(WritesOf(path, pathIntents[path.Id], work.Names)));
        var objectWrites = objects.Where(item => objectIntents.ContainsKey(item.Id))
            .ToDictionary(item => item.Id, item => stage.Add(new ObjectWrite(item.Key, item.Content, KeyHeaders.For(item.Key))));
        stage.Start();

        using var slots = new SemaphoreSlim(options.PublishParallelism);
        var tasks = new Dictionary<long, Task<bool>>();
        var keys = objects.ToDictionary(o => o.Id, o => o.Key);
        var pending = work.Paths.Select(p => p.Id).ToHashSet();
        var objectTasks = objectWrites.Select(write => WriteAndNoteAsync(objectIntents[write.Key], keys[write.Key], write.Value)).ToList();
        foreach (var path in batch)
        {
            // References outside this push are live. Those of earlier batches must have been answered, else this one must not be written
            // either.
            var references = path.References.Where(r => r != path.Id && pending.Contains(r)).ToList();
            tasks[path.Id] = WritePathAsync(path, references);
        }

        await Task.WhenAll([.. tasks.Values, .. objectTasks]);
        foreach (var (id, task) in tasks)
        {
            if (await task)
                written.Add(id);
        }

        await store.SyncAsync(
            [.. batch.Where(p => written.Contains(p.Id)).SelectMany(p =>
                new[] { ObjectKey.NarInfo(p.Path.Hash), ObjectKey.Listing(p.Path.Hash) }), .. objects.Select(o => o.Key)],
                    cancellationToken);

        // 5. What was answered.
        var answered = results.Where(r => r.Outcome != FencedOutcome.Unknown)
            .Select(r => (r.Intent, r.Outcome == FencedOutcome.Done)).ToList();
        if (answered.Count > 0)
            await catalog.RecordAsync(answered, cancellationToken);
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
        return trouble;

        async Task<bool> WritePathAsync(PathToWrite path, List<long> references)
        {
            foreach (var reference in references)
            {
                if (!(tasks.TryGetValue(reference, out var task) ? await task : written.Contains(reference)))
                {
                    // No attempt was made, so none is unanswered, and the intent need not stand until its fence.
                    if (pathIntents.TryGetValue(path.Id, out var unused))
                        results.Add((unused, FencedOutcome.Refused));
                    return false;
                }
            }

            return pathIntents.TryGetValue(path.Id, out var intent)
                && await WriteAndNoteAsync(intent, ObjectKey.NarInfo(path.Path.Hash), pathWrites[path.Id], path.DropsListing
                    ? ObjectKey.Listing(path.Path.Hash) : null);
        }

        async Task<bool> WriteAndNoteAsync(Intent intent, ObjectKey key, StagedItem item, ObjectKey? dropped = null)
        {
            // A group that waits for the disk delays no other. Errors are reported below.
            await stage.StagedAsync(item).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await slots.WaitAsync(cancellationToken);
            try
            {
                var outcome = dropped is { } old ? (await store.DeleteAsync([old], intent.Fence, cancellationToken))[0]
                    : FencedOutcome.Done;
                if (outcome == FencedOutcome.Done)
                    outcome = await stage.PutAsync(item, intent.Fence);
                results.Add((intent, outcome));
                if (outcome.Answer is { } answer)
                    trouble = new ObjectStoreException($"PUT {key}", answer).Message;
                return outcome == FencedOutcome.Done;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // A refusal was answered and had no effect; after any other failure the outcome is unknown. The writes of the rest of the
                // batch are recorded before this failure is thrown.
                results.Add((intent, e is ObjectStoreException { IsTransient: false } ? FencedOutcome.Refused : FencedOutcome.Unknown));
                failure = e;
                return false;
            }
            finally
            {
                slots.Release();
            }
        }
    }

    /// <summary>The listing, then the narinfo that makes the path visible.</summary>
    private static ObjectWrite[] WritesOf(PathToWrite path, Intent intent, Dictionary<long, StorePath> names)
    {
        var (narInfo, listing) = (ObjectKey.NarInfo(path.Path.Hash), ObjectKey.Listing(path.Path.Hash));
        var text = new ObjectWrite(narInfo, Encoding.UTF8.GetBytes(path.ToNarInfo(intent.Signatures, names).Print()),
            KeyHeaders.For(narInfo));
        return path.Listing is null || path.DropsListing ? [text] : [new ObjectWrite(listing, path.Listing, KeyHeaders.For(listing)), text];
    }

    // Signs what the narinfo prints; the catalog takes the signatures of those that may be signed.
    private async Task SignAnewAsync(int cache, List<PathToWrite> paths, PublishWork work, CancellationToken cancellationToken)
    {
        if (paths.Count > 0)
            await catalog.ResignAsync(cache, paths,
                await signer.SignOwnAsync([.. paths.Select(x => x.ToNarInfo([], work.Names))], cancellationToken), [.. signer.OwnNames],
                cancellationToken);
    }
}
