using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;

namespace OrleansCache.Core.Pushes;

/// <summary>The commit, to its end or as long as its client waits.</summary>
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
        var (ended, waitsFor) = ("", "");
        while (true)
        {
            var (outcome, paths, published, pin, conflicts) = await catalog.CommitAsync(id, Own(push), options.CommitLease,
                cancellationToken);
            switch (outcome)
            {
                case "committed":
                    if (published > 0 || ended == "committed")
                        news?.Ended(cache, push);
                    return await CommittedAsync(id, push, published, pin, conflicts, patience - Stopwatch.GetElapsedTime(started),
                        cancellationToken);
                case "publishing":
                    // Goes on without this request: the catalog owns it.
                    ended = await JoinAsync(publisher.PublishAsync(id, push, stopping),
                        patience - Stopwatch.GetElapsedTime(started), cancellationToken);
                    if (ended.Length == 0)
                    {
                        waitsFor = publisher.TroubleOf(push) ?? Publishing;
                        // Failed, and not slow: it is tried again when the client asks again.
                        if (Stopwatch.GetElapsedTime(started) < patience)
                            return Answer(push, PushState.Committing, published) with { WaitsFor = waitsFor };
                        break;
                    }

                    if (pin is null && ended == "committed")
                    {
                        news?.Ended(cache, push);
                        return await CommittedAsync(id, push, published, pin, conflicts,
                            patience - Stopwatch.GetElapsedTime(started), cancellationToken);
                    }

                    // How it ended otherwise, the catalog knows: an equal may have taken the pin's place between the halves, or an eviction
                    // what the push names.
                    continue;
                case "missing":
                    var missing = await catalog.HashesAsync(paths, cancellationToken);
                    throw new CacheProblemException(ProblemKind.MissingPaths,
                        $"{missing.Count} paths are neither in the cache nor uploaded by this push, {missing[0]} for one. Begin again.",
                        missing);
                case "conflict":
                    throw Conflict(await catalog.HashesAsync(paths, cancellationToken), null);
                case "refused":
                    var taken = await catalog.HashesAsync(conflicts, cancellationToken);
                    throw new CacheProblemException(
                        ProblemKind.Conflict,
                            $"The closure is published, but for what another of your rank has published at the same moment, {taken[0]} " +
                            "for one; the pin stays where it was. Begin again.", taken);
                case "withdrawn":
                    throw Withdrawn(await catalog.HashesAsync(paths, cancellationToken));
                case "undeclared":
                    var undeclared = await catalog.HashesAsync(paths, cancellationToken);
                    throw new CacheProblemException(ProblemKind.MissingPaths,
                        $"{undeclared.Count} paths were not described, {undeclared[0]} for one: say what their narinfos say first.",
                        undeclared);
                case "committing" or "busy":
                    waitsFor = outcome == "busy" ? await FindBusyAsync(paths, cancellationToken) : publisher.TroubleOf(push) ?? Publishing;
                    // Longer each time: a busy answer has locked all that the other commit publishes.
                    await Task.Delay(pause, time ?? TimeProvider.System, cancellationToken);
                    pause = pause * 2 < LongestBusyPause ? pause * 2 : LongestBusyPause;
                    break;
                default:
                    throw Ended(outcome == "unknown" ? null : outcome, push);
            }

            if (Stopwatch.GetElapsedTime(started) >= patience)
                return Answer(push, PushState.Committing, published) with { WaitsFor = waitsFor };
        }
    }

    private static CommitAnswer Answer(PushId push, PushState state, int published) =>
        new() { Id = push.ToString(), State = state, Published = published };

    private async Task<CommitAnswer> CommittedAsync(int cache, PushId push, int published, PinName? pin, long[] conflicts,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _refresh.Value, 0) == 1)
            await publisher.RefreshAsync(cache, cancellationToken);
        // Who is told of a commit finds its pin in the bucket; until then it is told to ask again.
        var answer = Answer(push, PushState.Committed, published);
        if (pin is { } name && !await pins.WriteAsync(cache, name, patience, cancellationToken))
            answer = answer with
            {
                State = PushState.Committing,
                WaitsFor = pins.TroubleOf(cache, name)
                ?? $"{ObjectKey.Pin(name)} is being written into the object store."
            };
        return conflicts.Length == 0 ? answer : answer with { Conflicts = await catalog.HashesAsync(conflicts, cancellationToken) };
    }

    /// <summary>What a commit waits for that cannot begin.</summary>
    /// <exception cref="CacheProblemException">A collected path does not leave the store, so that it cannot be published anew.</exception>
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

    /// <summary>How the push has ended; empty when the publisher has not seen it.</summary>
    private static async Task<string> JoinAsync(Task<string> publishing, TimeSpan patience, CancellationToken cancellationToken)
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
            // Not finished here: the catalog knows that it must go on, and the caller asks it.
            return "";
        }
    }
}
