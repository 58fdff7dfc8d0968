using OrleansCache.Contracts;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Collect.ScheduleSteps;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Collect;

/// <summary>
/// Readings of the protocol that lose data: each test fails when the rule that forbids one is left out. Which is which:
/// docs/verification.md.
/// </summary>
public sealed class ScheduleTestsOfReadings
{
    [Fact]
    public async Task A_condemnation_that_waited_for_a_begin_sees_what_the_begin_has_promised()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        Task condemn;

        // The begin has promised the path and recorded its push; its transaction is still open.
        await using (await world.HoldAsync(
            $"select * from {world.Core.Database.Functions}.open_push(1, 'begin', '', interval '1 hour', " +
                $"array['\\x{Convert.ToHexString(World.Hash("a").ToArray())}'::bytea], array[1], '{{}}', null, gen_random_uuid(), 'p', 'p', 0, null)"))
        {
            condemn = collector.CondemnAsync();
            await world.UntilBlockedAsync();
        }

        await condemn;
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from push where operation = 'begin' and cardinality(paths) = 1"));
        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_is_condemned_only_when_its_referrers_are_whenever_the_run_stops()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Batch = 1 });
        await world.PushAsync(World.Chain("a", "b", "c"));
        var steps = 0;
        world.Core.Database.BeforeStatement = async (sql, _) =>
        {
            if (!sql.Contains("gc_condemn", StringComparison.Ordinal))
                return;
            steps++;
            await world.AssertSoundAsync();
        };

        await CondemnAllAsync(world);

        Assert.Equal(6, steps);
        Assert.Equal("condemned", await world.StateOfAsync("a"));
    }

    [Fact]
    public async Task A_path_that_is_being_published_is_not_present_although_it_was_touched_since_the_last_barrier()
    {
        await using var world = await World.CreateAsync();
        var first = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(first);
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{first.Id}', null, " +
            "true), interval '1 day')");
        Assert.True(await world.QueryAsync<bool>("select touched = g and state = 'publishing' from store_path, gc_epoch"));

        var second = await world.BeginAsync(World.Chain("a", "b"));

        Assert.Equal((0, 2), (second.Present, second.Missing.Count));
        Assert.Null(world.NarInfoOf("a"));
    }

    [Fact]
    public async Task A_sweep_that_stops_between_two_batches_has_taken_no_path_that_a_visible_one_refers_to()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Batch = 1 });
        await world.PushAsync(World.Chain("a", "b"));
        await CondemnAllAsync(world);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        var batches = 0;
        world.Core.Database.BeforeStatement = (sql, _) =>
            sql.Contains("gc_sweep_paths", StringComparison.Ordinal) && ++batches == 2
                ? throw new InvalidOperationException("the process dies") : Task.CompletedTask;

        await Assert.ThrowsAsync<InvalidOperationException>(collector.SweepAsync);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(["condemned", "gone"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_a_condemned_referrer_within_its_grace_needs_is_not_swept()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await CondemnAllAsync(world);
        await world.TravelAsync(TimeSpan.FromHours(1));
        await world.ExecuteAsync("update store_path set condemned_at = clock_timestamp() where name = 'b'");
        var g = await world.QueryAsync<long>("select g - 1 from gc_epoch");

        var due = SweepList.Of(await new GcCatalog(world.Core.Database)
            .CondemnedAsync(1, g, TimeSpan.FromMinutes(30), CancellationToken.None));
        Assert.Empty(due.Paths);
        Assert.Empty(due.Objects);
        await world.TravelAsync(TimeSpan.FromHours(1));

        due = SweepList.Of(await new GcCatalog(world.Core.Database).CondemnedAsync(1, g, TimeSpan.FromMinutes(30), CancellationToken.None));
        Assert.Equal((2, 2), (due.Paths.Count, due.Objects.Count));
    }

    [Fact]
    public async Task A_NAR_is_not_taken_while_a_path_that_uses_it_is_being_deleted()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await CondemnAllAsync(world);
        await SweepPathsAsync(world);
        world.Store.OnWrite = (_, key) => Task.FromResult(key.ToString().StartsWith("nar/", StringComparison.Ordinal) ? Answer.Normal
            : Answer.Dropped);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await SweepObjectsAsync(world);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.NotNull(world.NarInfoOf("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Waves_wait_for_what_an_earlier_run_that_crashed_left_behind()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await CondemnAllAsync(world);
        // The first run sweeps b and dies with its deletion sent and not answered; the second sweeps a.
        await SweepPathsAsync(world, "b");
        world.Store.OnWrite = static (_, _) => Task.FromResult(Answer.Dropped);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await SweepPathsAsync(world, "a");
        world.Store.OnWrite = static (_, _) => Task.FromResult(Answer.Normal);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.NotNull(world.NarInfoOf("b"));
        await world.AssertSoundAsync();
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(world.Store.NarInfos);
    }

    [Fact]
    public async Task A_sweep_that_was_overtaken_takes_nothing_that_a_later_run_condemned_anew()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        // The run has to begin in this very process.
        var zombie = await world.AddGatewayAsync(plain: true);
        var stopped = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        var done = new TaskCompletionSource();
        zombie.Database.BeforeStatement = async (sql, cancellationToken) =>
        {
            if (sql.Contains("gc_beat", StringComparison.Ordinal))
                await done.Task.WaitAsync(cancellationToken);
            if (sql.Contains("delete_list", StringComparison.Ordinal))
                done.TrySetResult();
            if (!sql.Contains("gc_sweep_paths", StringComparison.Ordinal))
                return;
            stopped.TrySetResult();
            await goOn.Task.WaitAsync(cancellationToken);
        };
        var run = await zombie.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);
        await stopped.Task;

        // It has its list. The path comes back; the run is cancelled elsewhere, and another condemns the path again, with a grace.
        await world.PushAsync(World.Chain("a"));
        await world.ExecuteAsync("update gc_run set state = 'cancelled', finished = clock_timestamp()");
        await world.CollectAsync(new GcRequest { OlderThanSeconds = 0, GraceSeconds = 3600 });
        Assert.Equal("condemned", await world.StateOfAsync("a"));
        goOn.SetResult();
        await done.Task;
        await world.StopAsync(zombie);

        Assert.Equal("condemned", await world.StateOfAsync("a"));
        Assert.Equal(GcState.Cancelled, (await world.EndOfRunAsync(run.Id)).State);
        Assert.Equal(1, (await world.BeginAsync(World.Chain("a"))).Present);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_begin_that_is_sent_again_after_a_collection_says_anew_what_is_missing_or_that_its_push_has_ended()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var push = await world.BeginAsync(World.Chain("a", "b"), "again");
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(2));
        await new Collector(world).RunAsync();

        var again = await world.BeginAsync(World.Chain("a", "b"), "again");
        Assert.Equal((push.Id, 0, 2), (again.Id, again.Present, again.Missing.Count));
        await world.TravelAsync(TimeSpan.FromHours(7));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        var ended = await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(World.Chain("a", "b"), "again"));
        Assert.Equal(ProblemKind.PushEnded, ended.Kind);
    }
}
