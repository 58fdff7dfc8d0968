using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Pins;

/// <summary>
/// Pins that meet a collection or a stopped process: the schedules of invariants.md, each forced. 32 is in <see cref="PinReplayTests"/>.
/// </summary>
public sealed class PinScheduleTests
{
    private const string ForgetRoots = "delete from root";

    [Fact]
    public async Task Schedule_9_A_pin_that_is_made_while_its_closure_is_being_removed_is_refused_and_the_collection_goes_on()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
        // The transaction that moves the referrer to 'deleting' has its row, and the pin waits for it.
        var sweep =
            await world.HoldAsync($"update store_path set state = 'deleting' where name = 'b' and state = 'condemned'; {Lists.Write}");
        var pin = world.PinAsync("app", "b");
        await world.UntilBlockedAsync();
        await sweep.DisposeAsync();

        var problem = await FailsAsync(ProblemKind.PathNotInCache, pin);
        await collector.SweepAsync();

        Assert.Equal([World.Hash("b")], problem.Paths!);
        Assert.Empty(await world.PinNamesAsync());
        Assert.Equal(("gone", "gone"), (await world.StateOfAsync("a"), await world.StateOfAsync("b")));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_9_A_sweep_that_waits_for_a_pin_leaves_what_the_pin_has_brought_back()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();

        await world.PinAsync("app", "b");
        await collector.SweepAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(("live", "live"), (await world.StateOfAsync("a"), await world.StateOfAsync("b")));
        await world.AssertSoundAsync();
        Assert.Equal(2, world.Store.NarInfos.Count());
    }

    [Theory]
    [InlineData("pin")]
    [InlineData("rollback")]
    [InlineData("push")]
    public async Task Schedule_25_A_promise_between_mark_and_condemn_keeps_the_dependency_whose_batch_comes_later(string promise)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("dependency", "app"));
        await world.PushAsync(World.Closure(World.Path("other")));
        if (promise == "rollback")
        {
            await world.PinAsync("app", "app");
            await world.PinAsync("app", "other");
        }

        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        // The batch that has the referrer is condemned already, its dependency's is still to come.
        await world.ChangeAsync("update store_path set state = 'condemned', condemned_at = clock_timestamp() where name = 'app'");
        await (promise switch
        {
            "pin" => world.PinAsync("app", "app"),
            "rollback" => world.RollbackAsync("app"),
            _ => PushPinnedAsync(world),
        });

        await collector.CondemnAsync();
        await collector.SweepAsync();
        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(("live", "live"), (await world.StateOfAsync("app"), await world.StateOfAsync("dependency")));
        Assert.Equal("app", world.BucketPin("app"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_pin_whose_touch_waited_for_a_barrier_stamps_the_new_number_and_its_mark_sees_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        var barrier = await world.HoldAsync("do $$ begin perform pg_advisory_xact_lock(20291, 1); update gc_epoch set g = g + 1; end $$");
        var pin = world.PinAsync("app", "b");
        await world.UntilBlockedAsync();
        await barrier.DisposeAsync();
        await pin;

        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from store_path s join gc_epoch e on s.touched = e.g"));
        await collector.RunAsync();
        Assert.Equal("live", await world.StateOfAsync("a"));
    }

    [Theory]
    [InlineData("put")]
    [InlineData("delete")]
    public async Task Schedule_26_A_process_that_was_stopped_between_its_intent_and_its_write_changes_nothing_a_minute_later(string write)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        await world.PinAsync("app", "a");
        var stopped = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        world.Store.OnWrite = async (_, _) =>
        {
            if (!stopped.TrySetResult())
                return Answer.Normal;
            await goOn.Task;
            // Long past the fence: the store refuses.
            return Answer.Refused;
        };
        Task first = write == "put" ? world.PinAsync("app", "b") : world.UnpinAsync("app");
        await stopped.Task;

        var other = await world.AddGatewayAsync();
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        Assert.True((await world.PinAsync("app", "c", pins: other.Pins)).Written);
        goOn.SetResult();
        await first;

        Assert.Equal("c", world.BucketPin("app"));
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from pin where recorded and fence is null and not deleted"));
    }

    [Fact]
    public async Task Pins_and_pushes_that_share_paths_do_not_fail_each_other()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c", "d"));
        await world.ExecuteAsync(ForgetRoots);

        await Task.WhenAll(Enumerable.Range(0, 24).Select(i => Task.Run(async () =>
        {
            if (i % 3 == 0)
                await new Collector(world).BarrierAsync();
            else if (i % 3 == 1)
                await world.PinAsync($"pin-{i % 4}", i % 2 == 0 ? "d" : "c");
            else
                await world.PushAsync(World.Chain("a", "b", "c", "d") with { Pin = new PushPin { Name = Name($"pin-{i % 4}") } });
        })));

        await world.AssertSoundAsync();
        foreach (var name in await world.PinNamesAsync())
            Assert.Equal((await world.ShowAsync(name)).Path.Name, world.BucketPin(name));
    }

    private static async Task PushPinnedAsync(World world) =>
        await world.PushAsync(World.Chain("dependency", "app") with { Pin = new PushPin { Name = Name("app") } });
}
