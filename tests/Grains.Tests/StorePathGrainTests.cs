using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>The grain of a store path shows its rows.</summary>
public sealed class StorePathGrainTests
{
    [Fact]
    public async Task It_shows_a_path_s_life_from_the_catalog()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));

        var life = await world.Core.Paths.GetAsync(CacheName.Default, World.Hash("a"), CancellationToken.None);

        Assert.Equal("live", life.State);
        Assert.Equal([World.Hash("b")], life.Referrers.Select(r => r.Hash).Concat(life.References.Select(r => r.Hash)));
        var grain = await ThreeSilos.GrainAsync<IStorePathGrain>(ThreeSilos.ScopeOf(world), World.Hash("a").ToString());
        Assert.True(await ThreeSilos.IsAwakeAsync(grain));
    }

    [Fact]
    public async Task A_hundred_who_ask_at_once_cost_one_reading_and_later_ones_see_what_has_changed()
    {
        await using var world = await World.CreateAsync();
        var opened = await world.BeginAsync(World.Chain("a"));
        Assert.Equal("gone", await StateAsync());
        var before = world.Core.Database.StatementCount;

        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => StateAsync()));
        Assert.InRange(world.Core.Database.StatementCount - before, 0, 3);

        await world.UploadAsync(opened);
        await world.CommitAsync(opened);
        await Eventually.BecomesTrueAsync(async () => await StateAsync() == "live");

        async Task<string> StateAsync() =>
            (await world.Core.Paths.GetAsync(CacheName.Default, World.Hash("a"), CancellationToken.None)).State;
    }

    [Fact]
    public async Task A_path_that_never_was_is_told_so()
    {
        await using var world = await World.CreateAsync();

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.Core.Paths.GetAsync(CacheName.Default, World.Hash("nothing"), CancellationToken.None));

        Assert.Equal(ProblemKind.UnknownPath, problem.Kind);
    }

    [Fact]
    public async Task No_push_wakes_the_grain_of_a_path()
    {
        await using var world = await World.CreateAsync();
        var closure = World.Chain("a", "b");
        await world.PushAsync(closure);
        await world.PushAsync(closure);

        foreach (var name in (string[])["a", "b"])
            Assert.False(await ThreeSilos.IsAwakeAsync(
                await ThreeSilos.GrainAsync<IStorePathGrain>(ThreeSilos.ScopeOf(world), World.Hash(name).ToString())));
    }
}
