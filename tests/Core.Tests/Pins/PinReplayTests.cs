using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;

namespace OrleansCache.Core.Tests.Pins;

/// <summary>I12: a mutation that is replayed answers its recorded outcome and changes nothing, whatever has happened since.</summary>
public sealed class PinReplayTests
{
    [Fact]
    public async Task A_set_that_is_sent_again_answers_the_same_and_changes_nothing()
    {
        await using var world = await WithPathsAsync();
        var first = await world.PinAsync("app", "a", operation: "one", condition: PinCondition.Absent);

        Assert.Equal(first, await world.PinAsync("app", "a", operation: "one", condition: PinCondition.Absent));

        Assert.Equal(1, (await world.ShowAsync("app")).Revision);
    }

    [Fact]
    public async Task An_update_that_waited_in_a_queue_does_not_win_over_what_came_after_it()
    {
        await using var world = await WithPathsAsync();
        // A silo stops with the update in its queue; a gateway does it another way; somebody moves the pin on; the silo wakes.
        await world.PinAsync("app", "a", operation: "queued", pins: (await world.AddGatewayAsync()).Pins);
        await world.PinAsync("app", "b");

        var late = await world.PinAsync("app", "a", operation: "queued");

        Assert.Equal((1, "a"), (late.Revision, late.Path.Name));
        Assert.Equal((2, "b", "b"), ((await world.ShowAsync("app")).Revision, (await world.ShowAsync("app")).Path.Name,
            world.BucketPin("app")));
    }

    [Fact]
    public async Task An_update_that_waited_in_a_queue_does_not_make_a_pin_that_was_deleted_since()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a", operation: "queued");
        await world.UnpinAsync("app");
        await world.ChangeAsync("update store_path set state = 'gone'");

        Assert.Equal("a", (await world.PinAsync("app", "a", operation: "queued")).Path.Name);

        Assert.Empty(await world.PinNamesAsync());
        Assert.Null(world.BucketPin("app"));
    }

    [Fact]
    public async Task A_deletion_that_is_sent_again_does_not_delete_the_pin_that_was_made_since()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        await world.UnpinAsync("app", operation: "one");
        await world.PinAsync("app", "b");

        Assert.True(await world.UnpinAsync("app", operation: "one"));

        Assert.Equal(["app"], await world.PinNamesAsync());
        Assert.Equal("b", world.BucketPin("app"));
    }

    [Fact]
    public async Task A_rollback_that_is_sent_again_rolls_back_once()
    {
        await using var world = await WithPathsAsync();
        foreach (var path in new[] { "a", "b", "c" })
            await world.PinAsync("app", path, keep: 3);

        Assert.Equal((4, "b"), await Rollback());
        Assert.Equal((4, "b"), await Rollback());
        Assert.Equal("b", world.BucketPin("app"));

        async Task<(long, string)> Rollback()
        {
            var pin = await world.RollbackAsync("app", operation: "one");
            return (pin.Revision, pin.Path.Name);
        }
    }

    [Fact]
    public async Task What_a_server_from_before_there_were_publishers_has_done_is_not_done_again()
    {
        await using var world = await WithPathsAsync();
        foreach (var path in new[] { "a", "b", "c" })
            await world.PinAsync("app", path, keep: 3);
        var done = await world.RollbackAsync("app", operation: "one");
        await world.PinAsync("gone", "a");
        await world.UnpinAsync("gone", operation: "two");
        // As such a server notes them.
        await world.ExecuteAsync(
            "update pin_operation set operation = substr(operation, strpos(operation, ' ') + 1) where operation like '% one' or " +
            "operation like '% two'");

        var again = await world.RollbackAsync("app", operation: "one");

        Assert.Equal((done.Revision, "b"), (again.Revision, again.Path.Name));
        Assert.True(await world.UnpinAsync("gone", operation: "two"));
        // Under the same key another request is another operation: keys are each publisher's own.
        Assert.Equal(done.Revision + 1, (await world.PinAsync("app", "a", keep: 3, operation: "one")).Revision);
    }

    [Fact]
    public async Task Two_sendings_at_once_are_one_change()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        var row = await world.HoldAsync("select 1 from pin for update");

        var both = new[] { world.PinAsync("app", "b", operation: "one"),
            world.PinAsync("app", "b", operation: "one", pins: (await world.AddGatewayAsync()).Pins) };
        await world.UntilBlockedAsync(2);
        await row.DisposeAsync();

        Assert.All(await Task.WhenAll(both), pin => Assert.Equal(2, pin.Revision));
        Assert.Equal(2, (await world.ShowAsync("app")).Revision);
    }

    [Fact]
    public async Task The_key_of_another_request_is_refused()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a", operation: "one");

        await FailsAsync(ProblemKind.KeyReused, world.PinAsync("app", "b", operation: "one"));
        await FailsAsync(ProblemKind.KeyReused, world.PinAsync("other", "a", operation: "one"));
        await FailsAsync(ProblemKind.KeyReused, world.PinAsync("app", "a", keep: 2, operation: "one"));
        await FailsAsync(ProblemKind.KeyReused, world.RollbackAsync("app", operation: "one"));
        await FailsAsync(ProblemKind.KeyReused, world.UnpinAsync("app", operation: "one"));

        Assert.Equal(["app"], await world.PinNamesAsync());
    }

    [Fact]
    public async Task What_was_refused_stays_refused_under_the_same_key_so_that_a_late_copy_of_the_request_does_nothing()
    {
        await using var world = await WithPathsAsync();
        await FailsAsync(ProblemKind.PathNotInCache, world.PinAsync("app", "later", operation: "one"));
        await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "a", operation: "two", condition: PinCondition.Present));
        await FailsAsync(ProblemKind.UnknownPin, world.UnpinAsync("app", operation: "three"));
        await FailsAsync(ProblemKind.UnknownPin, world.RollbackAsync("app", operation: "four"));
        await world.PushAsync(World.Closure(World.Path("later")));
        await world.PinAsync("app", "b");
        await world.PinAsync("app", "c");

        await FailsAsync(ProblemKind.PathNotInCache, world.PinAsync("app", "later", operation: "one"));
        await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "a", operation: "two", condition: PinCondition.Present));
        await FailsAsync(ProblemKind.UnknownPin, world.UnpinAsync("app", operation: "three"));
        await FailsAsync(ProblemKind.UnknownPin, world.RollbackAsync("app", operation: "four"));

        Assert.Equal(3, (await world.PinAsync("app", "later", operation: "five")).Revision);
    }

    [Fact]
    public async Task Operations_are_remembered_for_a_day()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a", operation: "one");

        await world.TravelAsync(TimeSpan.FromHours(23));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from pin_operation"));
        await world.TravelAsync(TimeSpan.FromHours(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from pin_operation"));
    }

    private static async Task<World> WithPathsAsync()
    {
        var world = await World.CreateAsync();
        foreach (var path in new[] { "a", "b", "c" })
            await world.PushAsync(World.Closure(World.Path(path)));
        return world;
    }
}
