using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Collect;

public sealed class GcPaceTests
{
    private static readonly List<long> Ids = [.. Enumerable.Range(0, 1_000).Select(i => (long)(i * 7 % 1_000))];

    [Fact]
    public async Task While_pushes_come_through_any_process_steps_are_small()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"), (await world.AddGatewayAsync()).Pushes);
        var pace = new GcPace(world.Core.Database);

        await pace.LookAsync(CancellationToken.None);

        Assert.True(pace.PushesCome);
        Assert.Equal(125, pace.Step(1_000));
        Assert.Equal(1, pace.Step(1));
    }

    [Fact]
    public async Task When_no_pushes_come_steps_are_whole()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        var pace = new GcPace(world.Core.Database);

        await pace.LookAsync(CancellationToken.None);

        Assert.False(pace.PushesCome);
        Assert.Equal(1_000, pace.Step(1_000));
    }

    [Fact]
    public async Task A_push_that_comes_during_a_run_makes_its_next_steps_small_and_none_is_left_out()
    {
        await using var world = await World.CreateAsync();
        var pace = new GcPace(world.Core.Database);
        var steps = new List<long[]>();

        foreach (var step in pace.Steps(Ids, 100))
        {
            steps.Add(step);
            if (steps.Count == 3)
            {
                await world.PushAsync(World.Chain("a"));
                await pace.LookAsync(CancellationToken.None);
            }
        }

        Assert.Equal([100, 100, 100, 12], steps[..4].ConvertAll(s => s.Length));
        Assert.Equal(Ids, steps.SelectMany(s => s));
    }

    [Fact]
    public async Task A_collection_while_pushes_come_deletes_what_one_alone_does()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Batch = 8 });
        await world.PushAsync(World.Chain([.. Enumerable.Range(0, 20).Select(i => $"p{i}")]));
        await world.PushAsync(World.Chain("a"));

        var run = await world.CollectAsync(World.Everything);

        Assert.Equal((GcState.Done, 42L, 0L), (run.State, run.ObjectsDeletedAfterGracePeriod, run.ObjectsFailedToDelete));
        Assert.Empty(world.Store.Objects);
        await world.AssertSoundAsync();
    }
}
