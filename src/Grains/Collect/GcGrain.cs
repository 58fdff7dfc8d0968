using Microsoft.Extensions.Logging;
using Orleans.Storage;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Collect.Schedule;

namespace OrleansCache.Grains;

internal sealed partial class GcGrain([PersistentState("memory", DocumentStorage.Name)] IPersistentState<GcMemory> memory,
    ServicesByScope services, TimeProvider time, ILogger<GcGrain> logger) : Grain, IGcGrain
{
    private const string Reminder = "schedule";
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    private GrainKey Key => GrainKey.Parse(this.GetPrimaryKeyString());

    public async Task ArmAsync()
    {
        // Without a schedule here, the reminder may belong to another server on this database that has one. A tick without a schedule does
        // nothing.
        if (services.Of(Key).GcOf(Key.Cache)?.Schedule is not null)
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
            var run = await services.Of(Key).Collection.StartAsync(Key.Cache, caller, request, operation, CancellationToken.None);
            if (memory.State.Started?.Run != run.Id)
                await RememberAsync(before => before with { Started = new GcStartMemory(run.Id, time.GetUtcNow(), caller.Publisher) });
            return new GcStarted(run.Id, null);
        }
        catch (CacheProblemException e)
        {
            return new GcStarted(0, Problem.Of(e));
        }
    }

    public Task<GcMemory> GetMemoryAsync() => Task.FromResult(memory.State);

    /// <summary>
    /// Starts the run that is due. Its operation has the due time as its name, so an extra tick or a second activation joins the first run.
    /// </summary>
    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        var own = services.Of(Key);
        var now = time.GetUtcNow();
        if (own.GcOf(Key.Cache) is null && await IsGoneAsync(own))
        {
            await EndAsync();
            return;
        }

        if (own.GcOf(Key.Cache) is not { } gc || GcSchedule.DueBy(gc, now, window: 2 * Period) is not { } operation)
            return;
        try
        {
            var run = await own.Collection.StartAsync(Key.Cache, new GcRequest(), operation, CancellationToken.None);
            LogStarted(run.Id, Key.Cache, operation);
            await RememberFiringAsync(operation, run.Id, null);
        }
        catch (CacheProblemException e)
        {
            // Another run is under way, or the database is unreachable. The next tick tries again, as long as the run is due.
            LogNotStarted(Key.Cache, operation, e.Message);
            await RememberFiringAsync(operation, null, e.Message);
        }
    }

    private async Task<bool> IsGoneAsync(CoreServices own)
    {
        try
        {
            await own.Collection.StatusAsync(Key.Cache, CancellationToken.None);
            return false;
        }
        catch (CacheProblemException e)
        {
            // While the database is away, or this server cannot serve the cache, nobody knows.
            return e.Kind == ProblemKind.UnknownCache;
        }
    }

    /// <summary>Leaves nothing of a cache that was deleted. A failure is thrown, and the next tick tries again.</summary>
    private async Task EndAsync()
    {
        await memory.ReadStateAsync();
        if (memory.RecordExists)
            await memory.ClearStateAsync();
        if (await this.GetReminder(Reminder) is { } reminder)
            await this.UnregisterReminder(reminder);
        DeactivateOnIdle();
    }

    private async Task RememberFiringAsync(OperationId operation, long? run, string? refusal)
    {
        var now = time.GetUtcNow();
        // The reminder comes several times while the run is due.
        if (memory.State.Fired is { } known && (known.Operation, known.Run, known.Refusal) == (operation.Value, run, refusal))
            return;
        await RememberAsync(before => before with
        {
            Started = run is { } id && before.Started?.Run != id ? new GcStartMemory(id, now, Caller.Server.Publisher) : before.Started,
            Fired = new GcFiringMemory(operation.Value, before.Fired?.Operation == operation.Value ? before.Fired.At : now, run, refusal),
        });
    }

    /// <summary>Changes the memory. A run does not depend on it, so a storage that fails costs the memory alone.</summary>
    private async Task RememberAsync(Func<GcMemory, GcMemory> change)
    {
        try
        {
            memory.State = change(memory.State);
            try
            {
                await memory.WriteStateAsync();
            }
            catch (InconsistentStateException)
            {
                // Another activation, or the document could not be read when this one began.
                await memory.ReadStateAsync();
                memory.State = change(memory.State);
                await memory.WriteStateAsync();
            }
        }
        catch (OrleansException e)
        {
            LogForgotten(Key.Cache, e.GetBaseException().Message);
        }
    }

    [LoggerMessage(LogLevel.Information, "garbage collection {Run} of cache {Cache} started for {Operation}")]
    private partial void LogStarted(long run, CacheName cache, OperationId operation);

    [LoggerMessage(LogLevel.Information, "garbage collection of cache {Cache} for {Operation} was not started: {Why}")]
    private partial void LogNotStarted(CacheName cache, OperationId operation, string why);

    [LoggerMessage(LogLevel.Warning, "what the garbage collector of cache {Cache} remembers cannot be stored: {Reason}")]
    private partial void LogForgotten(CacheName cache, string reason);
}
