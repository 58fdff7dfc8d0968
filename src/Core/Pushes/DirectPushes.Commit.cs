using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Core.Verify;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>Rules 4 to 6: the commit, to its end or as long as its client waits.</summary>
/// <remarks>
/// 1. Ask for the first half (<c>commit_push</c>), which is harmless when it was done before. 2. Turn a refusal into a problem. 3. Join the
/// publisher of a closure that is to be published. 4. Wait for NARs to be read. 5. Pause and ask again while other pushes keep the closure
/// busy. 6. Committed: write what changed here and the pin, then answer.
/// </remarks>
internal sealed partial class DirectPushes
{
    private const string Publishing = "The closure is being written into the object store.";

    public async Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await TryCommitAsync(cache, push, patience, cancellationToken);
            if (answer.State == PushState.Committed)
            {
                Telemetry.PushesEnded.Add("committed");
                Telemetry.PathsPublished.Add(answer.Published);
            }

            return answer;
        }
        catch (Exception e) when (e
            is CacheProblemException { IsOutage: true } or not (CacheProblemException or OperationCanceledException))
        {
            Telemetry.PushesEnded.Add("failed");
            throw;
        }
    }

    private async Task<CommitAnswer> TryCommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var started = Stopwatch.GetTimestamp();
        var pause = BusyPause;
        FinishOutcome? ended = null;
        while (true)
        {
            // 1. The first half.
            var committed = await catalog.CommitAsync(id, Own(push), options.CommitLease, cancellationToken);

            // 2. A refusal.
            if (await RefusalAsync(push, committed, cancellationToken) is { } refusal)
                throw refusal;

            if (committed.Outcome == CommitOutcome.Publishing)
            {
                // 3. The publisher goes on without this request: the catalog owns it.
                ended = await JoinAsync(publisher.PublishAsync(id, push, stopping),
                    patience - Stopwatch.GetElapsedTime(started), cancellationToken);
                // Publishing has failed or is slow: the client asks again.
                if (ended is null)
                    return Waits(push, committed, publisher.TroubleOf(push) ?? Publishing);
                // Between the halves an equal rank may have taken the pin, or an eviction the push's paths; the catalog knows the end.
                if (committed.Pin is not null || ended != FinishOutcome.Committed)
                    continue;
            }
            else if (committed.Outcome == CommitOutcome.Unread)
            {
                // 4.
                if (await verified.WaitAsync(id, Own(push), patience - Stopwatch.GetElapsedTime(started), cancellationToken) is { } backlog)
                    return Waits(push, committed, VerificationWait.Describe(backlog)) with { Unread = backlog };
                continue;
            }
            else if (committed.Outcome is CommitOutcome.Committing or CommitOutcome.Busy)
            {
                // 5. Each pause is longer, as a busy answer has locked all that the other commit publishes.
                var waitsFor = committed.Outcome == CommitOutcome.Busy ? await FindBusyAsync(committed.Paths, cancellationToken)
                    : publisher.TroubleOf(push) ?? Publishing;
                await Task.Delay(pause, time ?? TimeProvider.System, cancellationToken);
                pause = pause * 2 < LongestBusyPause ? pause * 2 : LongestBusyPause;
                if (Stopwatch.GetElapsedTime(started) >= patience)
                    return Waits(push, committed, waitsFor);
                continue;
            }

            // 6. Committed, now or before.
            if (committed.Published > 0 || ended == FinishOutcome.Committed)
                news?.Ended(cache, push);
            return await CommittedAsync(id, push, committed, patience - Stopwatch.GetElapsedTime(started), cancellationToken);
        }
    }

    private static CommitAnswer Waits(PushId push, Committed committed, string waitsFor) =>
        Answer(push, PushState.Committing, committed.Published) with { WaitsFor = waitsFor };

    private static CommitAnswer Answer(PushId push, PushState state, int published) =>
        new() { Id = push.ToString(), State = state, Published = published };

    /// <summary>The reason why the first half changed nothing and will not; null when it goes on.</summary>
    private async Task<CacheProblemException?> RefusalAsync(PushId push, Committed committed, CancellationToken cancellationToken)
    {
        return committed.Outcome switch
        {
            CommitOutcome.Committed or CommitOutcome.Publishing or CommitOutcome.Committing or CommitOutcome.Busy
                or CommitOutcome.Unread => null,
            CommitOutcome.Missing => await AboutAsync(ProblemKind.MissingPaths, committed.Paths, paths =>
                $"{paths.Count} paths are neither in the cache nor uploaded by this push, {paths[0]} for one. Begin again."),
            CommitOutcome.Untrue => await AboutAsync(ProblemKind.Untrue, committed.Paths, paths =>
                $"{paths[0]}{(paths.Count > 1 ? $" and {paths.Count - 1} more paths" : "")} declare a reference or a content address that " +
                "their NARs do not have: the path was changed after it was built, or its registration is wrong. Check it " +
                "('nix-store --verify-path'), build it anew, and push again."),
            CommitOutcome.Undeclared => await AboutAsync(ProblemKind.MissingPaths, committed.Paths, paths =>
                $"{paths.Count} paths were not described, {paths[0]} for one: say what their narinfos say first."),
            CommitOutcome.Conflict => Conflict(await catalog.HashesAsync(committed.Paths, cancellationToken), null),
            CommitOutcome.Refused => await AboutAsync(ProblemKind.Conflict, committed.Conflicts, paths =>
                $"The closure is published, but for what another of your rank has published at the same moment, {paths[0]} " +
                "for one; the pin stays where it was. Begin again."),
            CommitOutcome.Withdrawn => Withdrawn(await catalog.HashesAsync(committed.Paths, cancellationToken)),
            CommitOutcome.Aborted => Ended(PushRowState.Aborted, push),
            CommitOutcome.Unknown => Ended(PushRowState.Unknown, push),
            CommitOutcome.Large => throw new UnreachableException("a commit that is alone is never too large"),
        };

        async Task<CacheProblemException> AboutAsync(ProblemKind kind, long[] ids, Func<List<StorePathHash>, string> sentence)
        {
            var paths = await catalog.HashesAsync(ids, cancellationToken);
            return new CacheProblemException(kind, sentence(paths), paths);
        }
    }

    private async Task<CommitAnswer> CommittedAsync(int cache, PushId push, Committed committed, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _refresh.Value, 0) == 1)
            await publisher.RefreshAsync(cache, cancellationToken);
        // A client that learns of a commit finds its pin in the bucket; until then the answer is to ask again.
        var answer = Answer(push, PushState.Committed, committed.Published);
        if (committed.Pin is { } name && !await pins.WriteAsync(cache, name, patience, cancellationToken))
            answer = answer with
            {
                State = PushState.Committing,
                WaitsFor = pins.TroubleOf(cache, name)
                ?? $"{ObjectKey.Pin(name)} is being written into the object store."
            };
        return committed.Conflicts.Length == 0 || !_caller.ReadsOthers ? answer
            : answer with { Conflicts = await catalog.HashesAsync(committed.Conflicts, cancellationToken) };
    }

    /// <summary>Says in a sentence which paths a commit waits for before it can begin.</summary>
    /// <exception cref="CacheProblemException">The store does not delete a collected path, so it cannot be published anew.</exception>
    private async Task<string> FindBusyAsync(long[] paths, CancellationToken cancellationToken)
    {
        if (refused?.Any == true && await catalog.DeletingAsync(paths, cancellationToken) is [var deleting, ..]
            && (refused.Find(ObjectKey.NarInfo(deleting.Hash)) ?? refused.Find()) is { } refusal)
            throw new CacheProblemException(
                ProblemKind.Unavailable,
                $"{deleting} was collected and is to be deleted before it is published anew, but the object store refuses to delete " +
                    $"{refusal.Key} ({refusal.Answer.Code}). {refusal.Answer.Sentence}", [deleting.Hash]);
        var busy = await catalog.HashesAsync(paths, cancellationToken);
        return busy.Count == 0 ? "Other pushes are at work on the same paths."
            : $"{busy[0]} is being published by another push, or deleted by a collection.";
    }

    /// <summary>The end of the push; null when the publisher has not seen it.</summary>
    private static async Task<FinishOutcome?> JoinAsync(Task<FinishOutcome> publishing, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        try
        {
            return await publishing.WaitAsync(patience > TimeSpan.Zero ? patience : TimeSpan.Zero, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or ObjectStoreException or CacheProblemException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            if (e is ObjectStoreException or CacheProblemException)
                Telemetry.PushesEnded.Add("failed");
            // Not finished here: the catalog keeps the push committing, and the caller asks it.
            return null;
        }
    }
}
