using System.Security.Cryptography;
using System.Text;
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
    public async Task A_set_that_a_server_which_knows_no_NAR_hashes_has_done_is_not_done_again()
    {
        await using var world = await WithPathsAsync();
        var made = await world.PinAsync("app", "a", operation: "one", condition: PinCondition.Absent);
        // As such a server notes it.
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"set\napp\n0\n{made.Path}\n\n")));
        await world.ExecuteAsync($"update pin_operation set operation = 'one', digest = '\\x{digest}'");

        Assert.Equal(made, await world.PinAsync("app", "a", operation: "one", condition: PinCondition.Absent));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_a_publisher_and_without_the_same_request_is_one_operation(bool isUnnamedFirst)
    {
        await using var world = await WithPathsAsync();
        var (named, unnamed) = (await AsAsync(world, Ci), await AsAsync(world, Caller.Unnamed));
        var (first, second) = isUnnamedFirst ? (unnamed, named) : (named, unnamed);
        foreach (var path in new[] { "a", "b", "c" })
            await world.PinAsync("app", path, keep: 3);

        var done = await Rollback(first);
        Assert.Equal((4, "b"), (done.Pin.Revision, done.Pin.Path.Name));
        Assert.Equal(done, await Rollback(second));
        var made = await world.PinAsync("gone", "a", operation: "two", condition: PinCondition.Absent, pins: first);
        Assert.Equal(made, await world.PinAsync("gone", "a", operation: "two", condition: PinCondition.Absent, pins: second));
        Assert.True(await Delete(first));
        Assert.True(await Delete(second));

        // Each has its own outcome still.
        Assert.Equal(done, await Rollback(first));
        Assert.Equal(4, (await world.ShowAsync("app")).Revision);
        Assert.Equal(["app"], await world.PinNamesAsync());

        Task<PinSet> Rollback(IPins pins) => pins.RollbackAsync(CacheName.Default, Name("app"), new RollbackPin(), PinCondition.None,
            Key("one"), Patience, CancellationToken.None);
        Task<bool> Delete(IPins pins) => pins.DeleteAsync(CacheName.Default, Name("gone"), PinCondition.None, Key("three"), Patience,
            CancellationToken.None);
    }

    [Fact]
    public async Task With_a_publisher_and_without_another_request_under_the_same_key_is_another_operation()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a", operation: "one", pins: await AsAsync(world, Ci));
        await world.PinAsync("app", "b", operation: "one", pins: await AsAsync(world, Caller.Unnamed));
        await world.PinAsync("other", "b", operation: "one", pins: await AsAsync(world, Ci with { Publisher = "token:8" }));

        Assert.Equal((2, "b"), ((await world.ShowAsync("app")).Revision, (await world.ShowAsync("app")).Path.Name));
        Assert.Equal("b", (await world.ShowAsync("other")).Path.Name);
    }

    [Fact]
    public async Task Two_publishers_with_the_same_request_and_key_do_it_both()
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a", operation: "one", pins: await AsAsync(world, Ci));
        await world.PinAsync("app", "b");

        var other = await world.PinAsync("app", "a", operation: "one", pins: await AsAsync(world, Ci with { Publisher = "token:8" }));

        Assert.Equal((3, "a"), (other.Revision, other.Path.Name));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_sendings_at_once_with_a_publisher_and_without_are_one_change(bool isUnnamedFirst)
    {
        await using var world = await WithPathsAsync();
        await world.PinAsync("app", "a");
        var row = await world.HoldAsync("select 1 from pin for update");

        // Of a deletion, as the others wait for the rows of their paths before.
        var first = DeleteAsync(isUnnamedFirst ? Caller.Unnamed : Ci);
        await world.UntilBlockedAsync(1);
        var second = DeleteAsync(isUnnamedFirst ? Ci : Caller.Unnamed);
        await world.UntilBlockedAsync(2);
        await row.DisposeAsync();

        Assert.True(await first);
        Assert.True(await second);

        async Task<bool> DeleteAsync(Caller caller) => await (await AsAsync(world, caller)).DeleteAsync(
            CacheName.Default, Name("app"), PinCondition.None, Key("one"), Patience, CancellationToken.None);
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

    private static Caller Ci { get; } = new("token:7", Caller.Anonymous.Group, 0);

    // In process: a grain's messages always name a publisher, but for those of a server that knows none.
    private static async Task<IPins> AsAsync(World world, Caller caller) => (await world.AddGatewayAsync(plain: true)).Pins.As(caller);

    private static OperationId Key(string text) => OperationId.TryParse(text, out var key) ? key : throw new FormatException(text);

    private static async Task<World> WithPathsAsync()
    {
        var world = await World.CreateAsync();
        foreach (var path in new[] { "a", "b", "c" })
            await world.PushAsync(World.Closure(World.Path(path)));
        return world;
    }
}
