using Microsoft.Extensions.Logging;
using OrleansCache.Core.Pushes;
using OrleansCache.Protocol;

namespace OrleansCache.Core.Gc;

/// <summary>
/// Starts runs by a cron expression. It works in every process: a run's operation is named after the time it was due at, so however many
/// processes ask, the catalog starts it once. It begins up to the jitter later, at random, as many servers share a store.
/// </summary>
/// <remarks>Times while no process runs are not made up for. Which time is due is told by this process's clock; who is late joins or finds the run of that time ended.</remarks>
public sealed partial class GcScheduler(IGarbageCollection collection, CronSchedule schedule, TimeSpan jitter, TimeProvider time, ILogger logger)
{
    /// <summary>What the operations of scheduled runs begin with; no client may use it.</summary>
    public const string Prefix = GarbageCollector.ScheduledOperation;

    // A clock that is set, or a machine that sleeps, is noticed within this.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(30);
    private const int MaxAttempts = 10;

    public static bool IsScheduled(OperationId operation) => operation.Value.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Runs until the token.</summary>
    public async Task RunAsync(IReadOnlyCollection<CacheName> caches, CancellationToken stopping)
    {
        try
        {
            var after = time.GetUtcNow();
            while (schedule.Next(after) is { } due)
            {
#pragma warning disable CA5394 // Jitter is no secret.
                await WaitUntilAsync(due + jitter * Random.Shared.NextDouble(), stopping);
#pragma warning restore CA5394
                foreach (var cache in caches)
                    await StartAsync(cache, due, stopping);
                // What came due while we waited and started is the same run's work.
                after = time.GetUtcNow() is var now && now > due ? now : due;
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Asked to stop.
        }
    }

    private async Task WaitUntilAsync(DateTimeOffset at, CancellationToken stopping)
    {
        while (at - time.GetUtcNow() is var left && left > TimeSpan.Zero)
            // A delay is cut to whole milliseconds: rounded up, else the last of them would be spent in turns of no wait.
            await Task.Delay(left < LongestWait ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : LongestWait, time, stopping);
    }

    private async Task StartAsync(CacheName cache, DateTimeOffset due, CancellationToken stopping)
    {
        var operation = GcSchedule.Operation(due);
        for (var attempt = 1; attempt <= MaxAttempts; attempt++)
        {
            try
            {
                var run = await collection.StartAsync(cache, new GcRequest(), operation, stopping);
                LogStarted(run.Id, cache, operation);
                return;
            }
            catch (CacheProblemException e) when (e.Kind == ProblemKind.GcRunning)
            {
                LogSkipped(cache, operation);
                return;
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                LogFailed(e, cache, operation);
            }

            await Task.Delay(RetryAfter, time, stopping);
        }
    }

    [LoggerMessage(LogLevel.Information, "garbage collection {Run} of cache {Cache} is that of {Name}")]
    private partial void LogStarted(long run, CacheName cache, OperationId name);

    [LoggerMessage(LogLevel.Information, "garbage collection of cache {Cache}: a run is under way, {Name} is skipped")]
    private partial void LogSkipped(CacheName cache, OperationId name);

    [LoggerMessage(LogLevel.Warning, "garbage collection of cache {Cache} for {Name} could not be started; it is tried again")]
    private partial void LogFailed(Exception e, CacheName cache, OperationId name);
}
