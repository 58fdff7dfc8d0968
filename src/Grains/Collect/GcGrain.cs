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
        // Without a schedule here, the reminder may belong to another server on this database that has one. A tick without a schedule does
        // nothing.
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
    /// Starts the run that is due. Its operation has the due time as its name, so an extra tick or a second activation joins the first run.
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
            // Another run is under way, or the database is unreachable. The next tick tries again, as long as the run is due.
            LogNotStarted(Key.Cache, operation, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Information, "garbage collection {Run} of cache {Cache} started for {Operation}")]
    private partial void LogStarted(long run, CacheName cache, OperationId operation);

    [LoggerMessage(LogLevel.Information, "garbage collection of cache {Cache} for {Operation} was not started: {Why}")]
    private partial void LogNotStarted(CacheName cache, OperationId operation, string why);
}
