using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;

namespace OrleansCache.Core.Collect;

/// <summary>
/// Runs rule 9 once. It may stop at any point, and any process may begin it again: the catalog keeps what it has condemned and swept.
/// </summary>
/// <remarks>
/// 1. End failed uploads. 2. The barrier. 3. Mark in memory over one snapshot. 4. Forget old closures; condemn what was not marked,
/// referrers first. 5. Sweep the paths condemned past the grace, referrers first. 6. Take them out of the bucket in waves. 7. Sweep objects
/// and take them out, batch by batch.
/// </remarks>
internal sealed class GcRunner(GcCatalog catalog, PushCatalog pushes, Deletions deletions, PushOptions pushOptions, GcOptions options,
    GcPace pace, TimeProvider? time = null)
{
    // The number of passes over a store that does not confirm deletions; after them the background work goes on.
    private const int DeletionPasses = 30;
    private static readonly TimeSpan DeletionPause = TimeSpan.FromSeconds(2);

    public async Task RunAsync(GcRow row, string owner, GcProgress progress, CancellationToken cancellationToken)
    {
        var (cache, run) = (row.Cache, row.Run);
        var older = TimeSpan.FromSeconds(run.OlderThanSeconds);
        if (run.DryRun)
        {
            await CountAsync(cache, run, progress, cancellationToken);
            return;
        }

        var lapsed = pushOptions.LapsedBefore(TimeSpan.FromSeconds(run.FailedUploadsOlderThanSeconds));
        await pace.LookAsync(cancellationToken);
        while (await PacedAsync(() => pushes.EndLapsedAsync(cache, lapsed, pace.Step(options.Batch), cancellationToken), cancellationToken)
            is > 0 and var ended)
        {
            progress.FailedUploads += ended;
            Telemetry.PushesEnded.Add("expired", ended);
        }

        progress.Phase = "marking";
        var g = await catalog.BarrierAsync(cache, run.Id, owner, cancellationToken);
        var garbage = await MarkAsync(cache, older, progress, cancellationToken);
        progress.Phase = "condemning";
        await CondemnAsync(cache, g, older, garbage, progress, cancellationToken);
        progress.Phase = "sweeping";
        await SweepAsync(cache, g, TimeSpan.FromSeconds(run.GraceSeconds), progress, cancellationToken);
    }

    public async Task<Garbage> MarkAsync(int cache, TimeSpan older, GcProgress progress, CancellationToken cancellationToken)
    {
        var (graph, marks) = await catalog.MarkAsync(cache, older, trace: false, pace, cancellationToken);
        (progress.Paths, progress.Objects) = (graph.Paths, graph.Objects);
        return new Garbage(graph.GarbagePaths(marks), graph.GarbageObjects(marks));
    }

    public async Task CondemnAsync(int cache, long g, TimeSpan older, Garbage garbage, GcProgress progress,
        CancellationToken cancellationToken)
    {
        while (await PacedAsync(() => catalog.ForgetClosuresAsync(cache, older, pace.Step(options.Batch), cancellationToken),
            cancellationToken)
            is > 0 and var forgotten)
            progress.OldClosures += forgotten;
        foreach (var batch in pace.Steps(garbage.Paths, options.Batch))
            progress.Condemned += await PacedAsync(() => catalog.CondemnPathsAsync(cache, g, batch, cancellationToken), cancellationToken);
        foreach (var batch in pace.Steps(garbage.Objects, options.Batch))
            progress.Condemned += await PacedAsync(() => catalog.CondemnObjectsAsync(cache, g, batch, cancellationToken),
                cancellationToken);
    }

    public async Task SweepAsync(int cache, long g, TimeSpan grace, GcProgress progress, CancellationToken cancellationToken)
    {
        var due = SweepList.Of(await catalog.CondemnedAsync(cache, g, grace, cancellationToken));
        foreach (var batch in pace.Steps(due.Paths, options.Batch))
            progress.Failed += await PacedAsync(() => catalog.SweepPathsAsync(cache, g, batch, cancellationToken), cancellationToken);
        progress.Phase = "deleting";
        await DrainAsync(cache, pathsOnly: true, progress, cancellationToken);
        var answers = true;
        foreach (var batch in pace.Steps(due.Objects, options.Batch))
        {
            // When the store is silent, the drain and the background work delete what is swept here. No rest comes between taking an object
            // and its deletion, as the fence runs.
            var started = Stopwatch.GetTimestamp();
            var (taken, bytes) = await catalog.SweepObjectsAsync(cache, g, batch, answers ? pushOptions.Fence : null,
                pushOptions.LateUpload, cancellationToken);
            progress.Failed += taken.Count;
            progress.Bytes += bytes;
            if (answers && taken.Count > 0)
            {
                (answers, var deleted) = await deletions.DeleteAsync(cache, taken, cancellationToken);
                progress.Failed -= deleted;
                progress.Deleted += deleted;
            }

            await pace.RestAsync(started, cancellationToken);
        }

        await DrainAsync(cache, pathsOnly: false, progress, cancellationToken);
    }

    // Runs until the store has confirmed all deletions, or for a fixed number of passes. All that any owner of the run swept is by now
    // deleted or still being deleted.
    private async Task DrainAsync(int cache, bool pathsOnly, GcProgress progress, CancellationToken cancellationToken)
    {
        var (before, swept) = (progress.Deleted, progress.Deleted + progress.Failed);
        var last = -1L;
        for (var i = 0; ; i++)
        {
            await deletions.RunAsync(cache, cancellationToken);
            var (paths, objects) = await catalog.DeletingAsync(cache, pushOptions.LateUpload, cancellationToken);
            progress.Failed = paths + objects;
            progress.Deleted = Math.Max(before, swept - progress.Failed);
            var left = pathsOnly ? paths : progress.Failed;
            progress.Refusal = left == 0 ? null : deletions.Refused.Describe();
            // A refused deletion needs a person.
            if (left == 0 || i == DeletionPasses || (progress.Refusal is not null && left == last))
                return;
            last = left;
            await Task.Delay(DeletionPause, time ?? TimeProvider.System, cancellationToken);
        }
    }

    private async Task<T> PacedAsync<T>(Func<Task<T>> step, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var result = await step();
        await pace.RestAsync(started, cancellationToken);
        return result;
    }

    private async Task CountAsync(int cache, GcRun run, GcProgress progress, CancellationToken cancellationToken)
    {
        progress.Phase = "marking";
        var older = TimeSpan.FromSeconds(run.OlderThanSeconds);
        var garbage = await MarkAsync(cache, older, progress, cancellationToken);
        progress.Condemned = garbage.Paths.Count + garbage.Objects.Count;
        progress.OldClosures = await catalog.OldClosuresAsync(cache, older, cancellationToken);
        var due = SweepList.Of(await catalog.CondemnedAsync(cache, long.MaxValue, TimeSpan.FromSeconds(run.GraceSeconds),
            cancellationToken));
        progress.Deleted = due.Paths.Count + due.Objects.Count + (run.GraceSeconds > 0 ? 0 : progress.Condemned);
    }
}

/// <summary>The rows that a mark did not reach: paths, referrers first, and objects.</summary>
internal sealed record Garbage(List<long> Paths, List<long> Objects);
