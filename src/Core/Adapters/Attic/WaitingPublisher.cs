using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Adapters.NixCopy;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Attic;

/// <summary>
/// Publishes recorded paths once all their references are there: wave after wave, as each may be what others await. Whoever has recorded a
/// path calls it, after that commit; and it calls itself for each path that it has published. The housekeeper looks for what a stopped
/// server has left, and for references that came by other protocols.
/// </summary>
internal sealed partial class WaitingPublisher(AtticCatalog catalog, DirectNixCopy nix, TimeProvider time, ILogger logger,
    CancellationToken stopping) : IAsyncDisposable
{
    private const int RowsAtOnce = 2_000;
    private const int LeftAtOnce = 64;
    private const int Parallelism = 16;

    // What is busy for longer is the housekeeper's.
    private static readonly TimeSpan PathPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LeftPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<Task, bool> _running = new();

    /// <summary>
    /// A path that was just recorded, if it is ready, and what awaits it. It goes on when the patience is over or the client has gone.
    /// </summary>
    /// <param name="awaits">The reference that the path awaits; null: none.</param>
    /// <exception cref="CacheProblemException">The path is not published, and waits no more.</exception>
    public async Task<AtticOutcome> PublishAsync(int cache, WaitingRow row, StorePathHash? awaits, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var own = new OwnPath(row);
        // The reference that it awaits may have come before that was committed: it is looked for once more.
        var work = Track(RunAsync(cache, awaits is null ? [row] : [], awaits is { } one ? [one] : [], own));
        await work.WaitAsync(patience, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        own.Error?.Throw();
        return own.Outcome ?? AtticOutcome.Waiting;
    }

    /// <summary>Some of the paths that could have been published for a while.</summary>
    public async Task PublishLeftAsync(int cache, CancellationToken cancellationToken)
    {
        var arrived = await catalog.FindArrivedAsync(cache, RowsAtOnce, cancellationToken);
        var left = await catalog.TakeLeftAsync(cache, Silence, LeftAtOnce, cancellationToken);
        if (arrived.Count + left.Count == 0)
            return;
        var work = Track(RunAsync(cache, [.. left.Select(m => m.Ready).OfType<WaitingRow>()],
            [.. arrived, .. left.Select(m => m.Awaits).OfType<StorePathHash>()], null));
        await work.WaitAsync(LeftPatience, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync() =>
        await Task.WhenAll(_running.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    // Publishes what is ready; then what awaits one of the paths, if that is there, awaits its next one or is ready; and so on.
    private async Task RunAsync(int cache, IReadOnlyList<WaitingRow> ready, IReadOnlyCollection<StorePathHash> paths, OwnPath? own)
    {
        try
        {
            await RunWavesAsync(cache, ready, paths.ToHashSet(), own);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            LogStopped(e);
        }
    }

    private async Task RunWavesAsync(int cache, IReadOnlyList<WaitingRow> ready, HashSet<StorePathHash> arrived, OwnPath? own)
    {
        while (true)
        {
            arrived.UnionWith(await PublishAsync(cache, ready, own));
            if (arrived.Count == 0)
                return;
            var moved = await catalog.MoveAsync(cache, arrived, RowsAtOnce, stopping);
            ready = [.. moved.Select(m => m.Ready).OfType<WaitingRow>()];
            // A row that was moved on is looked at once more, after the commit of that.
            var next = moved.Select(m => m.Awaits).OfType<StorePathHash>();
            arrived = moved.Count < RowsAtOnce ? [.. next] : [.. arrived, .. next];
        }
    }

    // Returns those that are there now.
    private async Task<IReadOnlyCollection<StorePathHash>> PublishAsync(int cache, IReadOnlyList<WaitingRow> rows, OwnPath? own)
    {
        var published = new ConcurrentBag<StorePathHash>();
        await Parallel.ForEachAsync(rows, new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = stopping },
            async (row, stop) =>
            {
                try
                {
                    if (await TryPublishAsync(cache, row) is not { } outcome)
                        return;
                    published.Add(row.Info.StorePath.Hash);
                    own?.Note(row, outcome);
                }
                catch (CacheProblemException e) when (IsFinal(e) || (own?.Is(row) == true
                    && e.Kind is ProblemKind.QuotaExceeded or ProblemKind.DiskFull))
                {
                    await catalog.DoneAsync(cache, row, stop);
                    if (own?.Is(row) == true)
                        own.Error = ExceptionDispatchInfo.Capture(e);
                    else
                        LogRefused(row.Info.StorePath, row.Caller.Publisher, e.Message);
                }
                catch (Exception e) when (!stop.IsCancellationRequested)
                {
                    LogFailed(e, row.Info.StorePath);
                }
            });
        return [.. published];
    }

    // Null: it waits on.
    private async Task<AtticOutcome?> TryPublishAsync(int cache, WaitingRow row)
    {
        try
        {
            var outcome = await nix.PublishAsync(cache, row.Caller, row.Info, PathPatience, stopping);
            await catalog.DoneAsync(cache, row, stopping);
            return outcome switch
            {
                NarInfoOutcome.Published => AtticOutcome.Published,
                NarInfoOutcome.Present => AtticOutcome.Present,
                _ => AtticOutcome.Conflict,
            };
        }
        catch (CacheProblemException e) when (e.Kind is ProblemKind.MissingPaths or ProblemKind.Unavailable)
        {
            return null;
        }
    }

    // Another try would end alike.
    private static bool IsFinal(CacheProblemException e) =>
        e.Kind is ProblemKind.BadRequest or ProblemKind.Untrue or ProblemKind.Withdrawn or ProblemKind.TooLarge;

    private Task Track(Task task)
    {
        _running.TryAdd(task, true);
        _ = task.ContinueWith(ended => _running.TryRemove(ended, out _), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return task;
    }

    [LoggerMessage(LogLevel.Warning, "{Path} of {Publisher} waited for its references and is refused now that they are there: {Why}")]
    private partial void LogRefused(StorePath path, string publisher, string why);

    [LoggerMessage(LogLevel.Warning, "publishing what waited for its references stopped; the next look goes on with it")]
    private partial void LogStopped(Exception e);

    [LoggerMessage(LogLevel.Warning, "{Path} could not be published when its references were there; it is tried again")]
    private partial void LogFailed(Exception e, StorePath path);

    /// <summary>What becomes of the path of a request.</summary>
    private sealed class OwnPath(WaitingRow own)
    {
        public AtticOutcome? Outcome { get; private set; }

        public ExceptionDispatchInfo? Error { get; set; }

        public bool Is(WaitingRow row) => row.Info.StorePath.Hash == own.Info.StorePath.Hash
            && row.Caller.Publisher == own.Caller.Publisher && row.Digest.AsSpan().SequenceEqual(own.Digest);

        public void Note(WaitingRow row, AtticOutcome outcome)
        {
            if (Is(row))
                Outcome = outcome;
        }
    }
}
