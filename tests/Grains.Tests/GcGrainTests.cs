using Microsoft.Extensions.DependencyInjection;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

public sealed class GcGrainTests
{
    [Fact]
    public async Task A_reminder_starts_the_run_that_is_due_once_however_often_it_comes()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "* * * * *", Jitter = TimeSpan.Zero });
        await world.PushAsync(World.Chain("a"));
        var grain = await GrainAsync(world);

        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => grain.ReceiveReminder("schedule", default)));

        GcHistory? history = null;
        await Eventually.BecomesTrueAsync(async () => (history = await world.Core.Collection.HistoryAsync(CacheName.Default, 10,
            CancellationToken.None)).Runs is [{ State: GcState.Done }, ..]);
        // A minute may have ended in between: then the next one was due too.
        Assert.InRange(history!.Runs.Count, 1, 2);
        Assert.All(history.Runs, r => Assert.True(r.Scheduled));
    }

    [Fact]
    public async Task Without_a_schedule_there_is_no_reminder_and_a_tick_that_still_comes_does_nothing()
    {
        await using var world = await World.CreateAsync();
        var grain = await GrainAsync(world);

        await grain.ArmAsync();
        await grain.ReceiveReminder("schedule", default);

        Assert.Empty(await RemindersAsync(grain));
        Assert.Empty((await world.Core.Collection.HistoryAsync(CacheName.Default, 10, CancellationToken.None)).Runs);
    }

    [Fact]
    public async Task Every_silo_that_starts_arms_the_one_reminder()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "30 3 * * *" });
        var grain = await GrainAsync(world);

        await Task.WhenAll(grain.ArmAsync(), grain.ArmAsync(), grain.ArmAsync());

        Assert.Equal("schedule", Assert.Single(await RemindersAsync(grain)));
    }

    [Fact]
    public async Task A_run_is_started_and_told_and_cancelled_at_any_silo()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var other = await world.AddGatewayAsync();
        var held = new TaskCompletionSource();
        foreach (var core in new[] { world.Core, other })
            core.Database.BeforeStatement = (sql, cancellationToken) => sql == "snapshot" ? held.Task.WaitAsync(cancellationToken)
                : Task.CompletedTask;

        var run = await other.Collection.StartAsync(CacheName.Default, new GcRequest(), OperationId.New(), CancellationToken.None);

        Assert.Equal(run.Id, (await world.Core.Collection.StatusAsync(CacheName.Default, CancellationToken.None)).Current!.Id);
        Assert.Equal(ProblemKind.GcRunning, (await Assert.ThrowsAsync<CacheProblemException>(
            () => world.Core.Collection.StartAsync(CacheName.Default, new GcRequest(), OperationId.New(), CancellationToken.None))).Kind);
        Assert.Equal(run.Id, (await other.Collection.CancelAsync(CacheName.Default, CancellationToken.None))!.Id);
        Assert.Equal(GcState.Cancelled, (await world.EndOfRunAsync(run.Id)).State);
    }

    [Fact]
    public async Task A_start_that_is_sent_again_or_to_another_activation_joins_the_run_that_it_has_started()
    {
        await using var world = await World.CreateAsync();
        var second = ThreeSilos.Second(world, await world.AddGatewayAsync(plain: true));
        var grains = new[] { await GrainAsync(world), await ThreeSilos.GrainAsync<IGcGrain>(second.Scope, "gc") };
        var start = Start();

        var runs = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => grains[i % 2].StartAsync(start)));

        Assert.All(runs, r => Assert.Equal((runs[0].Run, (Problem?)null), (r.Run, r.Problem)));
        Assert.Single((await world.Core.Collection.HistoryAsync(CacheName.Default, 10, CancellationToken.None)).Runs);
        await world.EndOfRunAsync(runs[0].Run);
    }

    [Fact]
    public async Task A_start_whose_deadline_is_over_starts_nothing()
    {
        await using var world = await World.CreateAsync();
        var grain = await GrainAsync(world);

        await Assert.ThrowsAsync<TimeoutException>(() =>
            grain.StartAsync(new GcStart { Operation = OperationId.New().Value, Deadline = DateTimeOffset.UtcNow.AddMinutes(-1) }));

        Assert.Empty((await world.Core.Collection.HistoryAsync(CacheName.Default, 10, CancellationToken.None)).Runs);
    }

    [Fact]
    public async Task A_reminder_wakes_the_grain_and_finds_the_schedule_in_two_activations_too()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "* * * * *", Jitter = TimeSpan.Zero });
        var second = ThreeSilos.Second(world, await world.AddGatewayAsync(plain: true));
        var grains = new[] { await GrainAsync(world), await ThreeSilos.GrainAsync<IGcGrain>(second.Scope, "gc") };
        await grains[0].ArmAsync();
        await ThreeSilos.SleepAsync(grains[0]);

        await Task.WhenAll(grains.Select(g => g.ReceiveReminder("schedule", default)));

        var runs = (await world.Core.Collection.HistoryAsync(CacheName.Default, 10, CancellationToken.None)).Runs;
        // A minute may have ended in between.
        Assert.InRange(runs.Count, 1, 2);
        foreach (var run in runs)
            await world.EndOfRunAsync(run.Id);
    }

    [Fact]
    public async Task What_the_collector_did_last_is_remembered_while_it_sleeps_and_told_at_any_silo()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "* * * * *", Jitter = TimeSpan.Zero });
        var other = await world.AddGatewayAsync();
        var grain = await GrainAsync(world);
        Assert.Null((await StatusAsync(world.Core)).Fired);

        var run = await world.Core.Collection.StartAsync(CacheName.Default, new Caller("token:7", "ci", 0), new GcRequest(),
            OperationId.New(), CancellationToken.None);
        await world.EndOfRunAsync(run.Id);
        var asked = await StatusAsync(other);
        await grain.ReceiveReminder("schedule", default);
        await ThreeSilos.SleepAsync(grain);
        var status = await StatusAsync(other);

        Assert.Equal((run.Id, "token:7", (GcFiringNote?)null), (asked.Started!.Run, asked.Started.By, asked.Fired));
        Assert.InRange(asked.Started.At, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
        Assert.Equal((status.Fired!.Run, "server", true), (status.Started!.Run, status.Started.By, status.Fired.Run > run.Id));
        await world.EndOfRunAsync(status.Started.Run);
    }

    [Fact]
    public async Task That_the_schedule_came_during_another_run_is_remembered()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "* * * * *", Jitter = TimeSpan.Zero });
        var held = new TaskCompletionSource();
        world.Core.Database.BeforeStatement = (sql, cancellationToken) => sql == "snapshot" ? held.Task.WaitAsync(cancellationToken)
            : Task.CompletedTask;
        var run = await world.Core.Collection.StartAsync(CacheName.Default, new GcRequest(), OperationId.New(), CancellationToken.None);

        await (await GrainAsync(world)).ReceiveReminder("schedule", default);

        var status = await StatusAsync(world.Core);
        Assert.Equal((null, run.Id), (status.Fired!.Run, status.Started!.Run));
        Assert.Contains($"Run {run.Id} is under way", status.Fired.Refusal, StringComparison.Ordinal);
        held.SetResult();
        await world.EndOfRunAsync(run.Id);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_storage_that_fails_costs_the_memory_and_no_run(bool fromTheStart)
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "* * * * *", Jitter = TimeSpan.Zero });
        var grain = await GrainAsync(world);
        if (!fromTheStart)
            await grain.GetMemoryAsync();
        FailingStorage.Fail(ThreeSilos.ScopeOf(world));

        await grain.ReceiveReminder("schedule", default);
        var started = await grain.StartAsync(Start());

        var runs = (await world.Core.Collection.HistoryAsync(CacheName.Default, 10, CancellationToken.None)).Runs;
        Assert.True(runs[^1].Scheduled);
        Assert.True(started.Run > runs[^1].Id || started.Problem!.Kind == nameof(ProblemKind.GcRunning));
        foreach (var run in runs)
            await world.EndOfRunAsync(run.Id);

        // It works again: what could not be read is there, and what is new is added.
        FailingStorage.Mend(ThreeSilos.ScopeOf(world));
        started = await grain.StartAsync(Start());
        await ThreeSilos.SleepAsync(grain);
        Assert.Equal(started.Run, (await StatusAsync(world.Core)).Started!.Run);
        await world.EndOfRunAsync(started.Run);
    }

    [Fact]
    public async Task A_document_that_could_not_be_read_is_not_lost()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "* * * * *", Jitter = TimeSpan.Zero });
        var grain = await GrainAsync(world);
        await grain.ReceiveReminder("schedule", default);
        var fired = (await StatusAsync(world.Core)).Fired!;
        await world.EndOfRunAsync(fired.Run!.Value);
        await ThreeSilos.SleepAsync(grain);

        FailingStorage.Fail(ThreeSilos.ScopeOf(world));
        Assert.Null((await StatusAsync(world.Core)).Fired);
        FailingStorage.Mend(ThreeSilos.ScopeOf(world));
        var started = await grain.StartAsync(Start());

        var status = await StatusAsync(world.Core);
        Assert.Equal((fired, started.Run), (status.Fired, status.Started!.Run));
        await world.EndOfRunAsync(started.Run);
    }

    private static GcStart Start() =>
        new() { Operation = OperationId.New().Value, Deadline = DateTimeOffset.UtcNow.AddMinutes(1) };

    private static Task<GcStatus> StatusAsync(CacheCore core) => core.Collection.StatusAsync(CacheName.Default, CancellationToken.None);

    private static async Task<IGcGrain> GrainAsync(World world) =>
        (await ThreeSilos.Cluster).Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>()
            .GetGrain<IGcGrain>($"{ThreeSilos.ScopeOf(world)}:default/gc");

    private static async Task<IEnumerable<string>> RemindersAsync(IGcGrain grain) =>
        (await (await ThreeSilos.Cluster).Silos[0].ServiceProvider.GetRequiredService<IReminderTable>()
            .ReadRows(grain.GetGrainId())).Reminders.Select(r => r.ReminderName);
}
