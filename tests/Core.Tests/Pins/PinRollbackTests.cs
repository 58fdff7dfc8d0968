using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;

namespace OrleansCache.Core.Tests.Pins;

public sealed class PinRollbackTests
{
    [Fact]
    public async Task A_rollback_is_a_new_revision_with_the_path_before()
    {
        await using var world = await ThreeRevisionsAsync();

        var pin = await world.RollbackAsync("app");

        Assert.Equal((4, "b", true), (pin.Revision, pin.Path.Name, pin.Written));
        Assert.Equal("b", world.BucketPin("app"));
        Assert.Equal([4, 3, 2, 1], (await world.ShowAsync("app")).History!.Select(r => r.Revision));
    }

    [Fact]
    public async Task A_rollback_to_a_revision_takes_that_ones_path_and_leaves_expiry_and_kept_revisions_alone()
    {
        await using var world = await ThreeRevisionsAsync();
        var before = await world.PinAsync("app", "c", life: TimeSpan.FromDays(1));

        var pin = await world.RollbackAsync("app", 1);

        Assert.Equal((4, "a", 3), (pin.Revision, pin.Path.Name, pin.KeepRevisions));
        Assert.Equal(before.Expires, pin.Expires);
    }

    [Fact]
    public async Task A_rollback_without_a_target_is_refused()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PinAsync("app", "a");

        await FailsAsync(ProblemKind.UnknownPin, world.RollbackAsync("app"));
        await FailsAsync(ProblemKind.UnknownPin, world.RollbackAsync("app", 7));

        Assert.Equal(1, (await world.ShowAsync("app")).Revision);
    }

    [Fact]
    public async Task Every_kept_revision_survives_a_collection_and_can_be_rolled_back_to()
    {
        await using var world = await ThreeRevisionsAsync();
        await world.ExecuteAsync("delete from root");

        await new Collector(world).RunAsync();

        foreach (var (revision, path) in new[] { (1, "a"), (2, "b"), (3, "c") })
            Assert.Equal(path, (await world.RollbackAsync("app", revision)).Path.Name);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_revision_that_is_not_kept_can_be_rolled_back_to_until_it_is_collected()
    {
        await using var world = await ThreeRevisionsAsync();
        await world.ExecuteAsync("delete from root");
        await world.PinAsync("app", "c", keep: 1);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
        Assert.Equal("condemned", await world.StateOfAsync("a"));

        Assert.Equal("a", (await world.RollbackAsync("app", 1)).Path.Name);
        await collector.SweepAsync();

        Assert.Equal("live", await world.StateOfAsync("a"));
        var problem = await FailsAsync(ProblemKind.PathNotInCache, world.RollbackAsync("app", 2));
        Assert.Contains("no longer kept", problem.Message, StringComparison.Ordinal);
        Assert.Equal([World.Hash("b")], problem.Paths!);
        Assert.Equal([("a", true), ("c", true), ("b", false), ("a", true)],
            (await world.ShowAsync("app")).History!.Select(r => (r.Path.Name, r.Present)));
    }

    private static async Task<World> ThreeRevisionsAsync()
    {
        var world = await World.CreateAsync();
        foreach (var path in new[] { "a", "b", "c" })
        {
            await world.PushAsync(World.Closure(World.Path(path)));
            await world.PinAsync("app", path, keep: 3);
        }

        return world;
    }
}
