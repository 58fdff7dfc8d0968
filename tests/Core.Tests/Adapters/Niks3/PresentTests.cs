using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Adapters.Niks3;

/// <summary>What a client is told is present it does not push.</summary>
public sealed class PresentTests
{
    private static readonly GcRequest OlderThanAWeek = new() { OlderThanSeconds = 7 * 86_400, Force = true };

    [Fact]
    public async Task What_is_answered_stays_with_all_that_it_needs_whatever_is_collected_for_two_hours()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("c"));

        Assert.Equal([World.Hash("b")], await PresentAsync(world, Caller.Anonymous, "b"));
        await world.TravelAsync(TimeSpan.FromHours(2));
        await world.CollectAsync(World.Everything);

        Assert.Equal(["live", "live", "gone"], [await world.StateOfAsync("a"), await world.StateOfAsync("b"), await world.StateOfAsync("c")]);
        await world.AssertSoundAsync();
        await world.TravelAsync(TimeSpan.FromMinutes(11));
        await world.CollectAsync(World.Everything);
        Assert.Equal("gone", await world.StateOfAsync("b"));
    }

    [Fact]
    public async Task What_is_answered_counts_as_pushed_now()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("b"));
        await world.TravelAsync(TimeSpan.FromDays(6));

        Assert.Equal([World.Hash("a")], await PresentAsync(world, Caller.Anonymous, "a"));
        await world.TravelAsync(TimeSpan.FromDays(6));
        await world.CollectAsync(OlderThanAWeek);

        Assert.Equal(["live", "gone"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
    }

    [Fact]
    public async Task Only_roots_are_answered_as_nothing_else_would_be_kept_as_long_as_a_push_of_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));

        Assert.Equal([World.Hash("b")], await PresentAsync(world, Caller.Anonymous, "a", "b", "never pushed"));
        await world.PushAsync(World.Chain("a"));
        Assert.Equal(2, (await PresentAsync(world, Caller.Anonymous, "a", "b")).Count);
    }

    [Fact]
    public async Task What_is_condemned_is_brought_back_and_what_is_being_deleted_is_not_answered()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("c"));
        await world.ChangeAsync("update store_path set state = 'condemned', condemned_at = now() where name in ('a', 'b')");
        await world.ChangeAsync("update store_path set state = 'deleting' where name = 'c'");

        Assert.Equal([World.Hash("b")], await PresentAsync(world, Caller.Anonymous, "b", "c"));

        Assert.Equal(["live", "live"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
    }

    [Fact]
    public async Task A_root_that_a_collection_forgets_before_it_is_held_is_not_answered()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        Task<IReadOnlySet<StorePathHash>> asked;
        await using (var collection = await world.HoldAsync("delete from root"))
        {
            asked = PresentAsync(world, Caller.Anonymous, "a");
            await world.UntilBlockedAsync();
        }

        Assert.Empty(await asked);
    }

    [Fact]
    public async Task Another_group_is_answered_only_what_a_server_has_read()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Victim, World.Chain("a"));

        Assert.Empty(await PresentAsync(world, Mallory, "a"));
        Assert.Equal([World.Hash("a")], await PresentAsync(world, Victim, "a"));
        await world.ExecuteAsync("update object set verified = true; update store_path set verified = true");
        Assert.Equal([World.Hash("a")], await PresentAsync(world, Mallory, "a"));
        // A pinner sends its own, and that is compared.
        Assert.Empty(await PresentAsync(world, Deployer, "a"));
    }

    [Fact]
    public async Task Who_may_not_read_a_private_cache_is_answered_only_what_its_own_group_has_put()
    {
        await using var world = await World.CreateAsync();
        var blind = Mallory with { ReadsOthers = false };
        await world.PushAsync(Victim, World.Chain("a"));
        await world.PushAsync(blind, World.Chain("b"));
        await world.ExecuteAsync("update object set verified = true; update store_path set verified = true");

        Assert.Equal([World.Hash("b")], await PresentAsync(world, blind, "a", "b"));
        Assert.Equal([World.Hash("a")], await PresentAsync(world, Mallory, "a"));
    }

    [Fact]
    public async Task A_root_that_another_publisher_is_answered_is_that_ones_too()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Victim, World.Chain("a"));
        await world.ExecuteAsync("update object set verified = true; update store_path set verified = true");
        await PresentAsync(world, Victim, "a");
        Assert.False(await world.QueryAsync<bool>("select shared from root"));

        await PresentAsync(world, Mallory, "a");

        Assert.True(await world.QueryAsync<bool>("select shared from root"));
    }

    [Fact]
    public async Task Many_at_once_are_few_statements()
    {
        await using var world = await World.CreateAsync();
        var closure = World.Closure([.. Enumerable.Range(0, 700).Select(i => World.Path($"p{i}"))]);
        await world.PushAsync(closure with { Roots = [.. closure.Paths.Select(p => p.Path.Hash)] });
        var before = world.Core.Database.StatementCount;

        var present = await PresentAsync(world, Caller.Anonymous, [.. Enumerable.Range(0, 800).Select(i => $"p{i}")]);

        Assert.Equal(700, present.Count);
        Assert.InRange(world.Core.Database.StatementCount - before, 1, 2);
    }

    private static Task<IReadOnlySet<StorePathHash>> PresentAsync(World world, Caller caller, params string[] names) =>
        world.Core.Niks3Pushes.As(caller).PresentAsync(CacheName.Default, [.. names.Select(World.Hash)], CancellationToken.None);
}
