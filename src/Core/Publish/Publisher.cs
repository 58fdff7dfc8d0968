using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;

namespace OrleansCache.Core.Publish;

/// <summary>
/// Rule 5: writes the paths of committing pushes, and narinfos whose row has changed. Any process may run it for any push: the bytes are a
/// pure function of the row, and each write is fenced.
/// </summary>
/// <remarks>
/// 1. Read what the push has still to write. 2. In reference order, a batch at a time: sign anew what prints a name that has changed. 3.
/// Open intents. 4. Stage the bodies, and write objects, listings and narinfos, a narinfo only after every narinfo that it refers to was
/// answered. 5. Record what was answered; leave what was not until its fence has passed. 6. Finish the push, or begin again.
/// <c>Publisher.Batch.cs</c> has steps 2 to 5. A batch shares one intent although its rows refer to each other: docs/decisions/007 says why
/// that is safe.
/// </remarks>
internal sealed partial class Publisher(PublishCatalog catalog, IObjectStore store, PathSigner signer, PushOptions options, ILogger logger,
    TimeProvider? time = null)
{
    private const int BatchSize = 2_000;
    private const int ReadAtOnce = 200_000;
    private const int MaxTroubles = 10_000;

    // Lazy, because a task must be in this table before it can end and remove itself.
    private readonly ConcurrentDictionary<PushId, Lazy<Task<FinishOutcome>>> _running = new();

    // The reason why the last pass over a push left something unwritten; removed when a pass goes well or the push has ended.
    private readonly ConcurrentDictionary<PushId, string> _troubles = new();

    /// <summary>The reason why a push is not published, in a sentence; null when this process has met none.</summary>
    public string? TroubleOf(PushId push) => _troubles.GetValueOrDefault(push);

    /// <summary>
    /// Publishes a committing push to its end and returns its state; a second caller in this process joins the first. Ends with the push,
    /// or when the token is cancelled.
    /// </summary>
    public Task<FinishOutcome> PublishAsync(int cache, PushId push, CancellationToken cancellationToken) =>
        _running.GetOrAdd(push, _ => new Lazy<Task<FinishOutcome>>(() => Task.Run(async () =>
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

    /// <summary>Writes narinfos of live rows whose signatures, or whose references' names, have changed.</summary>
    public async Task RefreshAsync(int cache, CancellationToken cancellationToken) =>
        await WriteAsync(cache, await catalog.ReadAsync(cache, null, BatchSize, cancellationToken), cancellationToken);

    /// <summary>
    /// Adds a client's signatures to paths; the next <see cref="RefreshAsync"/> writes the narinfos of those that are live.
    /// </summary>
    public Task AddSignaturesAsync(int cache, IReadOnlyList<(long Path, string Signatures)> added, CancellationToken cancellationToken) =>
        catalog.AddSignaturesAsync(cache, added, cancellationToken);

    /// <summary>
    /// Marks referrers of paths whose name has changed, for <see cref="RefreshAsync"/>. Reads the table of all paths, a piece at a time,
    /// when a name has changed.
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

    /// <summary>
    /// Marks paths for <see cref="RefreshAsync"/> that could not be signed when their narinfo was written anew, and may be by now.
    /// </summary>
    public Task MarkSignableAsync(int cache, CancellationToken cancellationToken) =>
        catalog.MarkSignableAsync(cache, BatchSize, cancellationToken);

    private async Task<FinishOutcome> RunAsync(int cache, PushId push, CancellationToken cancellationToken)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var heartbeat = KeepLeaseAsync(cache, push, done.Token);
        try
        {
            while (true)
            {
                try
                {
                    // 1. Reads what is still to be written, and writes it.
                    if (await WriteAsync(cache, await catalog.ReadAsync(cache, push, BatchSize, cancellationToken), cancellationToken)
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

                // 6. Ends the push if all of it is in the bucket.
                var state = await catalog.FinishAsync(cache, push, cancellationToken);
                if (state is not (FinishOutcome.Changed or FinishOutcome.Committing))
                {
                    _troubles.TryRemove(push, out _);
                    return state;
                }

                // Superseded paths have their new content, which must be written; so must narinfos with a former name, whichever push
                // changed it.
                await catalog.MarkMisprintedOfAsync(cache, push, cancellationToken);
                // A fence is open: another publisher's, or that of a write without an answer.
                if (state == FinishOutcome.Committing)
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
            // Another process takes over; both then write the same bytes under fences of their own.
            LogLeaseLost(e, push);
        }
    }

    private void Note(PushId push, string trouble, Exception? e = null)
    {
        if (_troubles.TryGetValue(push, out var known) && known == trouble)
            return;
        // Another process may have ended the push since, so its entry would stay here.
        if (_troubles.Count >= MaxTroubles)
            _troubles.Clear();
        _troubles[push] = trouble;
        LogWaits(e, push, trouble);
    }

    /// <summary>Null when all of it was written, or belongs to another process; else why the store did not take some of it.</summary>
    private async Task<string?> WriteAsync(int cache, PublishWork work, CancellationToken cancellationToken)
    {
        if (work.Paths.Count == 0 && work.Objects.Count == 0)
            return null;
        string? trouble = null;
        var ordered = work.ReferencesFirst();
        var written = new HashSet<long>();
        for (var from = 0; from < Math.Max(ordered.Count, 1); from += BatchSize)
        {
            var batch = ordered.GetRange(from, Math.Min(BatchSize, ordered.Count - from));
            trouble = await WriteBatchAsync(cache, batch, from == 0 ? work.Objects : [], work, written, cancellationToken) ?? trouble;
        }

        return trouble;
    }

    [LoggerMessage(LogLevel.Warning, "the publication of push {Push} waits: {Why}")]
    private partial void LogWaits(Exception? e, PushId push, string why);

    [LoggerMessage(LogLevel.Warning, "the lease of committing push {Push} could not be kept; another process may go on with it")]
    private partial void LogLeaseLost(Exception e, PushId push);
}
