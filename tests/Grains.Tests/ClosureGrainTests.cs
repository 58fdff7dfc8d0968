using Microsoft.Extensions.DependencyInjection;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>Many that push the same closure at once: one goes first.</summary>
public sealed class ClosureGrainTests
{
    // Longer than the cluster waits for an answer: who is let go too late is told so by an exception.
    private static readonly TimeSpan Forever = TimeSpan.FromHours(1);
    private static readonly TimeSpan NotWaited = TimeSpan.Zero;
    private static readonly PushId Push = PushId.New();
    private static readonly byte[] Closure = [1, 2, 3];

    [Fact]
    public async Task One_of_a_hundred_goes_first_and_the_others_are_told_when_its_push_has_ended()
    {
        var (first, engine) = await FirstAsync("turn");
        var others = Enumerable.Range(0, 100).Select(async i =>
        {
            Assert.False(await first.TakeAsync($"other{i}", Forever));
            await first.WaitAsync(Forever);
        }).ToList();
        engine.News.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddHours(1));

        engine.Leadership.Opened(CacheName.Default, Closure, first: true, Opened(World.Hash("a")));
        ThreeSilos.Engine("turn").News.Ended(CacheName.Default, Push);

        await Task.WhenAll(others);
    }

    [Fact]
    public async Task The_others_are_told_when_the_first_push_lapses()
    {
        var (first, engine) = await FirstAsync("turn-lapse");
        engine.News.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddSeconds(1));
        engine.Leadership.Opened(CacheName.Default, Closure, first: true, Opened(World.Hash("a")));

        await first.WaitAsync(Forever);
    }

    [Fact]
    public async Task A_push_that_has_ended_before_it_was_known_to_go_first_keeps_nobody_waiting()
    {
        var (first, engine) = await FirstAsync("turn-late");
        engine.News.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddHours(1));
        engine.News.Ended(CacheName.Default, Push);

        engine.Leadership.Opened(CacheName.Default, Closure, first: true, Opened(World.Hash("a")));

        await first.WaitAsync(Forever);
    }

    [Fact]
    public async Task What_was_told_of_a_push_before_its_end_and_comes_after_it_keeps_nobody_waiting()
    {
        var (first, engine) = await FirstAsync("turn-order");
        var push = await ThreeSilos.GrainAsync<IPushGrain>("turn-order", Push.ToString());
        await push.EndedAsync();
        await Eventually.BecomesTrueAsync(async () => (await push.NewsAsync(Guid.Empty, 0)).Ended);
        engine.News.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddHours(1));

        engine.Leadership.Opened(CacheName.Default, Closure, first: true, Opened(World.Hash("a")));

        await first.WaitAsync(Forever);
    }

    [Fact]
    public async Task An_activation_that_was_asked_for_no_turn_lets_everybody_go()
    {
        var grain = await ThreeSilos.GrainAsync<IClosureGrain>("turn-fresh", "010203");

        // Longer than this machine is up, by which a grain that knows of no turn might reckon.
        await grain.WaitAsync(TimeSpan.FromDays(10_000));
    }

    [Fact]
    public async Task A_closure_that_the_first_finds_whole_is_waited_for_by_nobody()
    {
        var (first, engine) = await FirstAsync("turn-whole");

        engine.Leadership.Opened(CacheName.Default, Closure, first: true, Opened());

        await first.WaitAsync(Forever);
        // And is asked of nobody: the turn is still to be had.
        Assert.False(await engine.Leadership.TakeAsync(CacheName.Default, Closure, OperationId.New(), CancellationToken.None));
    }

    [Fact]
    public async Task The_first_may_ask_again_and_one_that_takes_too_long_is_first_no_longer()
    {
        var (first, _) = await FirstAsync("turn-again");

        Assert.True(await first.TakeAsync("first", Forever));
        await first.WaitAsync(NotWaited);
        Assert.True(await first.TakeAsync("second", NotWaited));
        Assert.False(await first.TakeAsync("first", Forever));
    }

    [Fact]
    public async Task Once_it_has_ended_the_grain_goes_and_the_next_is_the_first()
    {
        var (first, engine) = await FirstAsync("turn-next");

        engine.Leadership.Opened(CacheName.Default, Closure, first: true, opened: null);

        await Eventually.BecomesTrueAsync(() => first.TakeAsync("next", Forever));
    }

    [Fact]
    public async Task At_two_activations_two_go_first_and_both_are_committed()
    {
        await using var world = await World.CreateAsync();
        var scope = ThreeSilos.ScopeOf(world);
        var gateways = new[] { await world.AddGatewayAsync(engine: ThreeSilos.Engine(scope, Forever)),
            await world.AddGatewayAsync(engine: ThreeSilos.Engine($"{scope}-second", Forever)) };

        // Neither waits for the other's turn, which would be for an hour.
        var opened = await Task.WhenAll(gateways.Select(g => world.BeginAsync(World.Chain("a", "b"), pushes: g.Pushes)));
        var uploads = opened.Sum(o => o.Uploads.Count);
        for (var i = 0; i < 2; i++)
            await world.UploadAsync(opened[i], pushes: gateways[i].Pushes);
        for (var i = 0; i < 2; i++)
            Assert.Equal(PushState.Committed, (await world.CommitAsync(opened[i], gateways[i].Pushes)).State);

        Assert.Equal(2, uploads);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Without_a_cluster_that_answers_nobody_waits()
    {
        var engine = ThreeSilos.Engine("turn-alone");
        engine.Attach(Unreachable.Grains);

        Assert.False(await engine.Leadership.TakeAsync(CacheName.Default, Closure, OperationId.New(), CancellationToken.None));
        engine.Leadership.Opened(CacheName.Default, Closure, first: true, Opened(World.Hash("a")));
    }

    [Fact]
    public async Task Who_begins_a_closure_while_it_is_pushed_at_another_silo_finds_all_of_it_there_with_one_statement()
    {
        await using var world = await World.CreateAsync();
        var scope = ThreeSilos.ScopeOf(world);
        var gateways = new List<CacheCore>();
        for (var i = 0; i < 4; i++)
            gateways.Add(await world.AddGatewayAsync(engine: ThreeSilos.Engine(scope, TimeSpan.FromSeconds(20))));
        var first = await world.BeginAsync(World.Chain("a", "b"), pushes: gateways[0].Pushes);
        var before = gateways.Skip(1).Sum(g => g.Database.StatementCount);

        var others = gateways.Skip(1).Select(g => world.BeginAsync(World.Chain("a", "b"), pushes: g.Pushes)).ToList();
        await world.UploadAsync(first, pushes: gateways[0].Pushes);
        await world.CommitAsync(first, gateways[0].Pushes);

        Assert.All(await Task.WhenAll(others), o => Assert.Equal((2, 0), (o.Present, o.Missing.Count)));
        Assert.Equal(others.Count, gateways.Skip(1).Sum(g => g.Database.StatementCount) - before);
        Assert.Equal(1 + others.Count, await world.QueryAsync<long>("select count(*) from push"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task When_the_first_is_aborted_the_next_uploads()
    {
        await using var world = await World.CreateAsync();
        var engine = ThreeSilos.Engine(ThreeSilos.ScopeOf(world), TimeSpan.FromSeconds(20));
        var other = await world.AddGatewayAsync(engine: engine);
        var first = await world.BeginAsync(World.Chain("a", "b"), pushes: other.Pushes);

        var next = world.BeginAsync(World.Chain("a", "b"), pushes: other.Pushes);
        await world.Pushes.AbortAsync(CacheName.Default, World.Id(first), CancellationToken.None);

        Assert.Equal(2, (await next).Uploads.Count);
    }

    private static PushOpened Opened(params StorePathHash[] missing) => new()
    {
        Id = Push.ToString(),
        Expires = DateTimeOffset.UtcNow.AddHours(1),
        RenewAfterSeconds = 60,
        Present = 0,
        Missing = [.. missing.Select(hash => new PathStatus { Path = hash, State = PathState.Wait })],
    };

    private static async Task<(IClosureGrain Closure, ClusterEngine Engine)> FirstAsync(string scope)
    {
        var cluster = await ThreeSilos.Cluster;
        var grain = cluster.Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>()
            .GetGrain<IClosureGrain>(GrainKey.Of(scope, CacheName.Default, Closure).ToString());
        Assert.True(await grain.TakeAsync("first", Forever));
        return (grain, ThreeSilos.Engine(scope));
    }
}
