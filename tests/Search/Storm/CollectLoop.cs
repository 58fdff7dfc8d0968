using System.Diagnostics;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Storm;

/// <summary>One run of the collector after the other, with hardly any retention and no or hardly any grace.</summary>
internal sealed class CollectLoop(Api api, StormReport tally, Random random)
{
    /// <summary>No run forgets a closure that was pushed later than so long ago.</summary>
    public static readonly TimeSpan ShortestRetention = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan RunPatience = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    public async Task RunAsync(CancellationToken end, CancellationToken stopped)
    {
        try
        {
            while (!end.IsCancellationRequested)
            {
                var force = random.Next(4) == 0;
                var request = new GcRequest
                {
                    OlderThanSeconds = ShortestRetention.TotalSeconds + (random.NextDouble() * 5),
                    GraceSeconds = force ? null : random.Next(3),
                    Force = force,
                    DryRun = random.Next(20) == 0,
                };
                await CollectAsync(request, cancels: random.Next(15) == 0, calm: end, stopped);
                await Task.Delay(TimeSpan.FromSeconds(random.NextDouble()), stopped);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e)
        {
            tally.Violation($"the collector's requests failed: {e}");
        }
    }

    /// <summary>One run to its end.</summary>
    /// <param name="calm">Cancelled when nobody kills or stops gateways any more. Before, a run may be begun again and again by the next
    /// process; from then on it must end.</param>
    public async Task CollectAsync(GcRequest request, bool cancels, CancellationToken calm, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var calmClock = new Stopwatch();
        var run = await StartAsync(request, cancellationToken);
        while (run.State == GcState.Running)
        {
            await Task.Delay(Pause, cancellationToken);
            if (cancels && clock.Elapsed > Pause * 3)
            {
                cancels = false;
                await CancelAsync(cancellationToken);
            }

            run = await api.GcRunAsync(run.Id, cancellationToken);
            if (calm.IsCancellationRequested)
                calmClock.Start();
            if (calmClock.Elapsed > RunPatience)
            {
                tally.Violation(
                    $"GC run {run.Id} has not ended {calmClock.Elapsed.TotalSeconds:0} s after the last kill; it is {run.Phase}");
                return;
            }
        }

        tally.Count($"gc {run.State.ToString().ToLowerInvariant()}");
        tally.Event($"GC run {run.Id} {run.State} in {clock.Elapsed.TotalSeconds:0.0} s: {run}");
        if (run.State == GcState.Failed)
            tally.Violation($"GC run {run.Id} failed: {run.Error}");
        if (run.DryRun)
            return;
        tally.Count("gc forced", request.Force ? 1 : 0);
        tally.Count("condemned", run.ObjectsMarkedForDeletion);
        tally.Count("deleted", run.ObjectsDeletedAfterGracePeriod);
        tally.Count("closures forgotten", run.OldClosuresDeleted);
        tally.Count("deletions unconfirmed", run.ObjectsFailedToDelete);
    }

    private async Task<GcRun> StartAsync(GcRequest request, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await api.StartGcAsync(request, Guid.NewGuid().ToString("n"), cancellationToken);
            }
            catch (CacheException e) when (e.Name == "gc-running")
            {
                // One that was cancelled has not stopped yet, or its owner has died.
                tally.Count("gc busy");
                await Task.Delay(Pause, cancellationToken);
            }
        }
    }

    private async Task CancelAsync(CancellationToken cancellationToken)
    {
        try
        {
            await api.CancelGcAsync(cancellationToken);
        }
        catch (CacheException e) when (e.Name == "unknown-gc-run")
        {
            // It has ended meanwhile.
        }
    }
}
