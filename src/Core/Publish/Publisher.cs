using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Text;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>
/// Rule 5: writes what committing pushes publish, and narinfos whose row has changed. Anyone may run it for any push: what is written is a
/// pure
/// function of the row, and each write is fenced.
/// </summary>
/// <remarks>
/// 1. Read what the push has still to write. 2. In reference order, sign anew what prints a name that has changed, and open intents for a
/// batch. 3. Stage the bodies, and write objects, listings and narinfos, a narinfo
/// only after every narinfo it refers to was answered. 4. Record what was answered; leave what was not until its fence has passed. 5.
/// Finish the push.
/// A batch shares one intent although its rows refer to each other: docs/decisions/007 says why that is safe.
/// </remarks>
internal sealed partial class Publisher(PublishCatalog catalog, IObjectStore store, PathSigner signer, PushOptions options, ILogger logger,
    TimeProvider? time = null)
{
    private const int BatchSize = 2_000;
    private const int ReadAtOnce = 200_000;
    private const int MaxTroubles = 10_000;

    // Lazy: a task must stand here before it can end and take itself away again.
    private readonly ConcurrentDictionary<PushId, Lazy<Task<string>>> _running = new();

    // Why the last pass over a push left something unwritten; until a pass goes well, or the push has ended.
    private readonly ConcurrentDictionary<PushId, string> _troubles = new();

    /// <summary>What keeps a push from being published, in a sentence; null when nothing that this process has met.</summary>
    public string? TroubleOf(PushId push) => _troubles.GetValueOrDefault(push);

    /// <summary>
    /// Publishes a committing push to its end, and answers its state then; a second caller in this process joins the first. Ends when the
    /// push has, or with the token.
    /// </summary>
    public Task<string> PublishAsync(int cache, PushId push, CancellationToken cancellationToken) =>
        _running.GetOrAdd(push, _ => new Lazy<Task<string>>(() => Task.Run(async () =>
        {
            try
            {
                return await RunAsync(cache, push, cancellationToken);
            }
            finally
            {
                _running.TryRemove(push, out var _);
            }
        }, CancellationToken.None))).Value;

    /// <summary>Writes narinfos of live rows whose signatures, or the names of whose references, have changed.</summary>
    public async Task RefreshAsync(int cache, CancellationToken cancellationToken) =>
        await WriteAsync(await catalog.ReadAsync(cache, null, BatchSize, cancellationToken), cancellationToken);

    /// <summary>
    /// Adds a client's signatures to paths; the next <see cref="RefreshAsync"/> writes the narinfos of those that are live.
    /// </summary>
    public Task AddSignaturesAsync(int cache, IReadOnlyList<(long Path, string Signatures)> added, CancellationToken cancellationToken) =>
        catalog.AddSignaturesAsync(cache, added, cancellationToken);

    /// <summary>
    /// Marks what refers to a path whose name has changed, for <see cref="RefreshAsync"/>. Reads the table of all paths when there is one,
    /// a piece at a time.
    /// </summary>
    public async Task MarkMisprintedAsync(int cache, CancellationToken cancellationToken)
    {
        var (seen, last) = await catalog.SeeRenamesAsync(cache, cancellationToken);
        if (seen is null)
            return;
        for (var above = 0L; above < last; above += ReadAtOnce)
        {
            foreach (var some in (await catalog.MisprintedAsync(cache, above, above + ReadAtOnce, cancellationToken)).Order()
                .Chunk(BatchSize))
                await catalog.MarkMisprintedAsync(cache, some, cancellationToken);
        }

        await catalog.EndRenamesAsync(cache, seen.Value, cancellationToken);
    }

    private async Task<string> RunAsync(int cache, PushId push, CancellationToken cancellationToken)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var heartbeat = KeepLeaseAsync(cache, push, done.Token);
        try
        {
            while (true)
            {
                try
                {
                    if (await WriteAsync(await catalog.ReadAsync(cache, push, BatchSize, cancellationToken), cancellationToken)
                        is { } trouble)
                        Note(push, trouble);
                    else
                        _troubles.TryRemove(push, out _);
                }
                catch (ObjectStoreException e)
                {
                    Note(push, e.Told, e);
                    throw;
                }

                var state = await catalog.FinishAsync(cache, push, cancellationToken);
                if (state is not ("changed" or "committing"))
                {
                    _troubles.TryRemove(push, out _);
                    return state;
                }

                // Paths that it supersedes have their new content, and are to be written; so is what calls one by a name that has changed,
                // whoever changed it.
                await catalog.MarkMisprintedOfAsync(cache, push, cancellationToken);
                // Something is under a fence: another publisher's, or of a write that was not answered.
                if (state == "committing")
                    await Task.Delay(TimeSpan.FromSeconds(1), time ?? TimeProvider.System, cancellationToken);
            }
        }
        finally
        {
            await done.CancelAsync();
            await heartbeat;
        }
    }

    private async Task KeepLeaseAsync(int cache, PushId push, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(options.CommitLease / 3, cancellationToken);
                await catalog.KeepLeaseAsync(cache, push, options.CommitLease, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The push has ended or this process stops.
        }
        catch (CacheProblemException e)
        {
            // Then another process takes over, and both write the same bytes under fences of their own.
            LogLeaseLost(e, push);
        }
    }

    private void Note(PushId push, string trouble, Exception? e = null)
    {
        if (_troubles.TryGetValue(push, out var known) && known == trouble)
            return;
        // Another process may have published it to its end since: then nobody here takes it away.
        if (_troubles.Count >= MaxTroubles)
            _troubles.Clear();
        _troubles[push] = trouble;
        LogWaits(e, push, trouble);
    }

    /// <summary>Null when all of it was written, or was another's to write; else why the store did not take some of it.</summary>
    private async Task<string?> WriteAsync(PublishWork work, CancellationToken cancellationToken)
    {
        if (work.Paths.Count == 0 && work.Objects.Count == 0)
            return null;
        string? trouble = null;
        var ordered = work.ReferencesFirst();
        var written = new HashSet<long>();
        for (var from = 0; from < Math.Max(ordered.Count, 1); from += BatchSize)
        {
            var batch = ordered.GetRange(from, Math.Min(BatchSize, ordered.Count - from));
            trouble = await WriteBatchAsync(batch, from == 0 ? work.Objects : [], work, written, cancellationToken) ?? trouble;
        }

        return trouble;
    }

    private async Task<string?> WriteBatchAsync(
        List<PathToWrite> batch, List<ObjectToWrite> objects, PublishWork work, HashSet<long> written, CancellationToken cancellationToken)
    {
        await SignAnewAsync([.. batch.Where(p => p.References.Any(work.Renamed.Contains))], work, cancellationToken);
        var intents = await catalog.IntendAsync(batch, objects, options.Fence, options.FenceMargin, cancellationToken);
        var pathIntents = intents.Where(i => i.IsPath).ToDictionary(i => i.Id);
        var objectIntents = intents.Where(i => !i.IsPath).ToDictionary(i => i.Id);
        var results = new ConcurrentBag<(Intent Intent, FencedOutcome Outcome)>();
        Exception? failure = null;
        string? trouble = null;

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
            // References outside this push are live; those of earlier batches were answered, or this one must not be written either.
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
                    // No attempt was made, so none is unanswered: the intent need not stand until its fence.
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
            // Who waits for the disk keeps nobody back who need not. What went wrong is told below.
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
                // A refusal was answered and did nothing; after anything else nobody knows. What the others of the batch wrote is recorded
                // before this is told.
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

    // What is signed is what is printed.
    private async Task SignAnewAsync(List<PathToWrite> paths, PublishWork work, CancellationToken cancellationToken)
    {
        if (paths.Count > 0)
            await catalog.ResignAsync(paths, [.. paths.Select(x => signer.SignOwn(x.ToNarInfo([], work.Names)))],
                [.. signer.OwnNames], cancellationToken);
    }

    [LoggerMessage(LogLevel.Warning, "the publication of push {Push} waits: {Why}")]
    private partial void LogWaits(Exception? e, PushId push, string why);

    [LoggerMessage(LogLevel.Warning, "the lease of committing push {Push} could not be kept; another process may go on with it")]
    private partial void LogLeaseLost(Exception e, PushId push);
}
