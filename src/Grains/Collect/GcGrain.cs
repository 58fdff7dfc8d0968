using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Schedule;

namespace OrleansCache.Grains;

internal sealed partial class GcGrain(ServicesByScope services, TimeProvider time, ILogger<GcGrain> logger) : Grain, IGcGrain
{
    private const string Reminder = "schedule";
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    private GrainKey Key => GrainKey.Parse(this.GetPrimaryKeyString());

    public async Task ArmAsync()
    {
        // Without a schedule another server on this database may have one, whose reminder this is. A tick that finds none does nothing.
        if (services.Of(Key).Gc.Schedule is not null)
            await this.RegisterOrUpdateReminder(Reminder, Period, Period);
    }

    public async Task<GcStarted> StartAsync(GcStart start)
    {
        if (time.GetUtcNow() > start.Deadline)
            throw new TimeoutException("The deadline of this request is over.");
        if (!OperationId.TryParse(start.Operation, out var operation))
            throw new FormatException($"'{start.Operation}' is no operation");
        var request = new GcRequest
        {
            OlderThanSeconds = start.OlderThanSeconds,
            FailedUploadsOlderThanSeconds = start.FailedUploadsOlderThanSeconds,
            GraceSeconds = start.GraceSeconds,
            Force = start.Force,
            DryRun = start.DryRun,
        };
        var caller = start.Publisher is { } publisher ? new Caller(publisher, publisher, 0, Address: start.Address) : Caller.Server;
        try
        {
            return new GcStarted((await services.Of(Key).Collection.StartAsync(Key.Cache, caller, request, operation,
                CancellationToken.None)).Id, null);
        }
        catch (CacheProblemException e)
        {
            return new GcStarted(0, Problem.Of(e));
        }
    }

    /// <summary>
    /// A run's operation is named after the time it was due at, so a tick too many, or a second activation, joins what the first began.
    /// </summary>
    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        var own = services.Of(Key);
        var now = time.GetUtcNow();
        if (GcSchedule.DueBy(own.Gc, now, window: 2 * Period) is not { } operation)
            return;
        try
        {
            var run = await own.Collection.StartAsync(Key.Cache, new GcRequest(), operation, CancellationToken.None);
            LogStarted(run.Id, Key.Cache, operation);
        }
        catch (CacheProblemException e)
        {
            // Another run is under way, or the database is away: the next tick asks again, for as long as it is due.
            LogNotStarted(Key.Cache, operation, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Information, "garbage collection {Run} of cache {Cache} is that of {Operation}")]
    private partial void LogStarted(long run, CacheName cache, OperationId operation);

    [LoggerMessage(LogLevel.Information, "garbage collection of cache {Cache} for {Operation} is not started: {Why}")]
    private partial void LogNotStarted(CacheName cache, OperationId operation, string why);
}
