using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Pins;

/// <summary>I7: bucket and catalog agree whatever order updates come in, whatever call fails, whoever stops where.</summary>
public sealed class PinWriteTests
{
    public static TheoryData<string, string> AnyWrite()
    {
        var data = new TheoryData<string, string>();
        foreach (var change in new[] { "make", "move", "delete" })
        {
            foreach (var answer in new[] { Answer.Lost, Answer.Dropped, Answer.Refused })
                data.Add(change, answer.ToString());
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(AnyWrite))]
    public async Task The_bucket_follows_although_a_write_went_wrong(string change, string answer)
    {
        await using var world = await WithPathsAsync();
        if (change != "make")
            await world.PinAsync("app", "a");
        var calls = 0;
        world.Store.OnWrite = (_, _) => Task.FromResult(Interlocked.Increment(ref calls) == 1 ? Enum.Parse<Answer>(answer) : Answer.Normal);

        if (change == "delete")
            await world.UnpinAsync("app", patience: TimeSpan.Zero);
        else
            await world.PinAsync("app", "b", patience: TimeSpan.Zero);
        await world.SettleAsync();

        Assert.Equal(change == "delete" ? null : "b", world.BucketPin("app"));
        Assert.Equal(change == "delete" ? 0 : 1, await world.QueryAsync<long>("select count(*) from pin"));
    }

    [Theory]
    [InlineData("make")]
    [InlineData("move")]
    [InlineData("delete")]
    public async Task What_a_process_has_set_and_not_written_when_it_died_is_written_by_the_housekeeper(string change)
    {
        await using var world = await WithPathsAsync();
        if (change != "make")
            await world.PinAsync("app", "a");
        var functions = world.Core.Database.Functions;
        await world.ExecuteAsync(change == "delete"
            ? $"select {functions}.delete_pin(1, 'app', null, 'x', '')"
            : $"select s.name, {functions}.set_pin(1, 'app', s.hash, s.name, null, null, null, 'x', '', 'p', 'p', 0, true, null) from " +
                "store_path s where s.name = 'b'");
        // A pin's grain may still look whether more is to be written when its call has answered.
        if (World.Engine is null)
            Assert.Equal(change == "make" ? null : "a", world.BucketPin("app"));

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(change == "delete" ? null : "b", world.BucketPin("app"));
    }

    [Fact]
    public async Task A_process_that_died_between_its_intent_and_the_answer_is_followed_after_the_fence()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        // In one transaction: nobody writes in between.
        await world.ExecuteAsync(
            $"""
            select s.name, {world.Core.Database.Functions}.set_pin(1, 'app', s.hash, s.name, null, null, null, 'x', '', 'p', 'p', 0, true, null) from store_path s where s.name = 'b';
            select {world.Core.Database.Functions}.pin_intend(1, 'app', interval '20 s', interval '3 s', 1)
            """);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("a", world.BucketPin("app"));
        await world.TravelAsync(TimeSpan.FromSeconds(24));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal("b", world.BucketPin("app"));
    }

    [Fact]
    public async Task An_answer_to_an_attempt_that_was_given_up_records_nothing()
    {
        await using var world = await WithPathsAsync();
        var goOn = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        var calls = 0;
        world.Store.OnWrite = async (_, _) =>
        {
            switch (Interlocked.Increment(ref calls))
            {
                case 1:
                    stopped.SetResult();
                    await goOn.Task;
                    // Stopped for longer than its fence: the store refuses.
                    return Answer.Refused;
                case 2:
                    return Answer.Dropped;
                default:
                    return Answer.Normal;
            }
        };
        var first = world.PinAsync("app", "a");
        await stopped.Task;
        var other = await world.AddGatewayAsync();
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await other.RunHousekeepingAsync(CancellationToken.None);

        goOn.SetResult();
        await Eventually.BecomesTrueAsync(() => Volatile.Read(ref calls) == 2);
        Assert.Equal(2, await world.QueryAsync<long>("select generation from pin where fence is not null and not recorded"));
        await world.SettleAsync();
        await first;

        Assert.Equal("a", world.BucketPin("app"));
    }

    [Fact]
    public async Task An_older_value_never_lands_after_a_newer_one()
    {
        await using var world = await WithPathsAsync();
        var goOn = new TaskCompletionSource<Answer>();
        var stopped = new TaskCompletionSource();
        world.Store.OnWrite = async (_, _) =>
        {
            if (!stopped.TrySetResult())
                return Answer.Normal;
            return await goOn.Task;
        };
        var first = world.PinAsync("app", "a");
        await stopped.Task;
        var other = await world.AddGatewayAsync();

        // While the first write is open nobody writes, so nothing can be overtaken by it.
        var second = await world.PinAsync("app", "b", pins: other.Pins, patience: TimeSpan.Zero);
        await other.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal((2, false), (second.Revision, second.Written));
        Assert.DoesNotContain("pins/app", world.Store.Writes);
        // Once it is answered the newest row is written, with no wait for a fence.
        goOn.SetResult(Answer.Normal);
        await first;

        Assert.Equal("b", world.BucketPin("app"));
        Assert.True(await world.QueryAsync<bool>("select recorded and fence is null from pin"));
    }

    [Fact]
    public async Task A_write_that_was_not_answered_keeps_its_fence_although_the_pin_is_moved_on()
    {
        await using var world = await WithPathsAsync();
        var calls = 0;
        world.Store.OnWrite = (_, _) => Task.FromResult(Interlocked.Increment(ref calls) == 1 ? Answer.Lost : Answer.Normal);
        await world.PinAsync("app", "a", patience: TimeSpan.Zero);
        await Eventually.BecomesTrueAsync(() => world.BucketPin("app") == "a");

        await world.PinAsync("app", "b", patience: TimeSpan.Zero);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(1, Volatile.Read(ref calls));
        await world.SettleAsync();

        Assert.Equal(("b", 2), (world.BucketPin("app"), calls));
    }

    [Fact]
    public async Task Many_updates_at_once_from_two_gateways_end_with_bucket_and_row_agreeing()
    {
        await using var world = await WithPathsAsync();
        var other = await world.AddGatewayAsync();

        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
        {
            var core = i % 2 == 0 ? world.Core : other;
            if (i % 10 == 9)
                await core.Pins.DeleteAsync(CacheName.Default, Name("app"), default, OperationId.New(), Patience, CancellationToken.None)
                    .ContinueWith(_ => { }, TaskScheduler.Default);
            else
                await world.PinAsync("app", i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c", pins: core.Pins);
        })));

        Assert.Equal(world.BucketPin("app"), await world.QueryAsync<long>("select count(*) from pin") == 0 ? null
            : (await world.ShowAsync("app")).Path.Name);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from pin where not recorded or fence is not null"));
    }

    [Fact]
    public async Task A_pin_that_is_set_while_its_deletion_is_under_way_comes_back()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        var goOn = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        world.Store.OnWrite = async (what, _) =>
        {
            if (what == "delete" && stopped.TrySetResult())
                await goOn.Task;
            return Answer.Normal;
        };
        var deletion = world.UnpinAsync("app");
        await stopped.Task;
        Assert.Empty(await world.PinNamesAsync());

        var again = world.PinAsync("app", "b", condition: PinCondition.Absent);
        await Eventually.BecomesTrueAsync(async () => (await world.PinNamesAsync()).Any());
        goOn.SetResult();

        Assert.True((await again).Written);
        Assert.True(await deletion);
        Assert.Equal("b", world.BucketPin("app"));
        Assert.Equal(["app"], await world.PinNamesAsync());
    }

    [Fact]
    public async Task A_pin_that_is_deleted_while_its_write_is_under_way_leaves_the_bucket_after_it()
    {
        await using var world = await WithPathsAsync();
        var goOn = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        world.Store.OnWrite = async (what, _) =>
        {
            if (what == "put" && stopped.TrySetResult())
                await goOn.Task;
            return Answer.Normal;
        };
        var making = world.PinAsync("app", "a");
        await stopped.Task;

        Assert.False(await world.UnpinAsync("app", patience: TimeSpan.Zero));
        goOn.SetResult();
        await making;
        await world.SettleAsync();

        Assert.Null(world.BucketPin("app"));
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from pin"));
    }

    [Fact]
    public async Task A_deletion_whose_answer_was_lost_does_not_remove_a_pin_that_came_back()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        var calls = 0;
        world.Store.OnWrite = (_, _) => Task.FromResult(Interlocked.Increment(ref calls) == 1 ? Answer.Lost : Answer.Normal);

        await world.UnpinAsync("app", patience: TimeSpan.Zero);
        await Eventually.BecomesTrueAsync(() => world.BucketPin("app") is null);
        await world.PinAsync("app", "b", patience: TimeSpan.Zero);
        await world.SettleAsync();

        Assert.Equal("b", world.BucketPin("app"));
    }

    [Fact]
    public async Task A_deleted_pin_protects_its_path_until_it_has_left_the_bucket()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        await world.ExecuteAsync("delete from root");
        world.Store.OnWrite = (_, key) => Task.FromResult(key == ObjectKey.Pin(Name("app")) ? Answer.Dropped : Answer.Normal);

        await world.UnpinAsync("app", patience: TimeSpan.Zero);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<bool>("select fence is not null from pin"));
        await new Collector(world).RunAsync();
        Assert.Equal(("a", "live"), (world.BucketPin("app"), await world.StateOfAsync("a")));
        world.Store.OnWrite = (_, _) => Task.FromResult(Answer.Normal);
        await world.SettleAsync();
        await new Collector(world).RunAsync();

        Assert.Equal((null, "gone"), (world.BucketPin("app"), await world.StateOfAsync("a")));
    }

    [Fact]
    public async Task What_the_bucket_says_is_protected_although_the_pin_has_moved_on()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        await world.ExecuteAsync("delete from root");
        world.Store.OnWrite = (_, key) => Task.FromResult(key == ObjectKey.Pin(Name("app")) ? Answer.Dropped : Answer.Normal);

        await world.PinAsync("app", "b", patience: TimeSpan.Zero);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<bool>("select fence is not null from pin"));
        await new Collector(world).RunAsync();
        Assert.Equal(("a", "live", "live"), (world.BucketPin("app"), await world.StateOfAsync("a"), await world.StateOfAsync("b")));
        world.Store.OnWrite = (_, _) => Task.FromResult(Answer.Normal);
        await world.SettleAsync();
        await new Collector(world).RunAsync();

        Assert.Equal(("b", "gone", "live"), (world.BucketPin("app"), await world.StateOfAsync("a"), await world.StateOfAsync("b")));
    }

    [Fact]
    public async Task A_store_that_refuses_one_pin_for_good_does_not_keep_the_others_from_being_written()
    {
        await using var world = await WithPathsAsync();
        world.Store.OnWrite = (_, key) => key.ToString() == "pins/bad" ? throw new ObjectStoreException("no space", isTransient: false)
            : Task.FromResult(Answer.Normal);
        var functions = world.Core.Database.Functions;
        foreach (var name in new[] { "bad", "good" })
            await world.ExecuteAsync(
                $"select s.name, {functions}.set_pin(1, '{name}', s.hash, s.name, null, null, null, '{name}', '', 'p', 'p', 0, true, " +
                "null) from store_path s where s.name = 'b'");

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal((null, "b"), (world.BucketPin("bad"), world.BucketPin("good")));
        Assert.False((await world.PinAsync("bad", "a")).Written);
        world.Store.OnWrite = (_, _) => Task.FromResult(Answer.Normal);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal("a", world.BucketPin("bad"));
    }

    private static async Task<World> WithPathsAsync()
    {
        var world = await World.CreateAsync();
        foreach (var path in new[] { "a", "b", "c" })
            await world.PushAsync(World.Closure(World.Path(path)));
        return world;
    }
}
