using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;
using static OrleansCache.Core.Tests.Withdraw.Withdrawing;

namespace OrleansCache.Core.Tests.Withdraw;

/// <summary>What an admin may ask for, and what is answered and noted.</summary>
public sealed class EvictionRequestTests
{
    [Fact]
    public async Task An_eviction_and_a_lift_are_in_the_audit_log()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.EvictAsync(Of("a") with { Reason = "it was not built here" });
        var bar = Assert.Single(await world.BarsAsync());

        await world.Core.Withdrawals.LiftAsync(CacheName.Default, bar.Id, Admin, CancellationToken.None);
        await world.Core.Withdrawals.LiftAsync(CacheName.Default, bar.Id, Admin, CancellationToken.None);

        Assert.Equal(
            $"evict {Admin.Publisher} it was not built here, bar.lift {Admin.Publisher} ",
            await world.QueryAsync<string>(
                "select string_agg(format('%s %s %s', action, publisher, detail ->> 'reason'), ', ' order by id) from audit where action " +
                "in ('evict', 'bar.lift')"));
    }

    [Fact]
    public async Task A_dry_run_names_what_would_go_and_changes_nothing()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("a"));
        await world.PushAsync(Victim, World.Chain("a", "b"));
        await world.ExecuteAsync("update store_path set publisher = null where name = 'b'");
        await world.PinAsync("app", "b", pins: world.Core.Pins.As(Admin));

        var plan = await world.EvictAsync(Of("a") with { DryRun = true });

        Assert.Equal((EvictionState.Planned, 2), (plan.State, plan.Total));
        Assert.Equal(["a token:1 Selected", "b legacy Reference"], plan.Paths.Select(p => $"{p.Path.Name} {p.Publisher} {p.Because}"));
        Assert.Equal(["app"], plan.Pins.Select(p => p.Name.ToString()));
        Assert.Equal("live live", await world.StatesAsync("a", "b"));
        Assert.Empty(await world.BarsAsync());
        Assert.Equal(2, (await world.BeginAsync(Mallory, World.Chain("a", "b"))).Present);
    }

    [Fact]
    public async Task By_its_publisher_goes_what_that_one_published_since_a_time()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("old"));
        await world.PushAsync(Victim, World.Chain("theirs"));
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.PushAsync(Mallory, World.Chain("new"));
        await world.PushAsync(Victim, World.Chain("new", "on-it"));
        var since = DateTimeOffset.UtcNow - TimeSpan.FromDays(1);

        var first = await world.Core.Withdrawals.ListPathsAsync(CacheName.Default, Mallory.Publisher, null, null, 1,
            CancellationToken.None);
        var second = await world.Core.Withdrawals.ListPathsAsync(CacheName.Default, Mallory.Publisher, null, first.Next, 1,
            CancellationToken.None);
        Assert.Equal(["old", "new"], first.Paths.Concat(second.Paths).Select(p => p.Path.Name));
        Assert.Null(second.Next);
        Assert.Equal(["new"], (await world.Core.Withdrawals.ListPathsAsync(CacheName.Default, Mallory.Publisher, since, null, 9,
            CancellationToken.None)).Paths.Select(p => p.Path.Name));

        await world.EvictAsync(new EvictRequest { By = Mallory.Publisher, Since = since });

        Assert.Equal("live live gone gone", await world.StatesAsync("old", "theirs", "new", "on-it"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task What_is_asked_twice_is_done_once_and_one_key_is_for_one_eviction()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var operation = OperationId.New();
        var first = await world.EvictAsync(Of("a"), operation: operation);
        await world.PushAsync(World.Closure(World.Path("a", content: "another")));

        var second = await world.EvictAsync(Of("a"), operation: operation);

        Assert.Equal((first.Id, EvictionState.Done), (second.Id, second.State));
        Assert.Equal("live", await world.StateOfAsync("a"));
        await PinSteps.FailsAsync(ProblemKind.KeyReused, world.EvictAsync(Of("a") with { Reason = "another" }, operation: operation));
    }

    [Fact]
    public async Task An_eviction_that_is_long_over_is_forgotten_and_its_bar_stands()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.EvictAsync("a");

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from eviction where finished is not null"));
        await world.ExecuteAsync("update eviction set finished = finished - interval '91 days'");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from eviction"));
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from bar where lifted is null"));
    }

    [Fact]
    public async Task What_never_was_is_named()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));

        Assert.Equal([World.Hash("nothing")],
            (await PinSteps.FailsAsync(ProblemKind.UnknownPath, world.EvictAsync(Of("a", "nothing")))).Paths);
        await PinSteps.FailsAsync(ProblemKind.UnknownPath, world.EvictAsync(new EvictRequest { By = "token:99" }));
        await PinSteps.FailsAsync(ProblemKind.UnknownBar, world.Core.Withdrawals.LiftAsync(CacheName.Default, 99, Admin,
            CancellationToken.None));
        Assert.Equal("live", await world.StateOfAsync("a"));
    }
}
