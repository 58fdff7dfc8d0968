using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Caches;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>A cache that one process has made, through grains that live in any.</summary>
public sealed class ManyCachesTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_cache_that_one_process_has_made_is_served_by_the_others_and_their_grains()
    {
        var scope = $"caches-{Guid.NewGuid():n}";
        await using var world = await CachesWorld.CreateAsync();
        var first = await world.AddCoreAsync(engine: ThreeSilos.Engine(scope));
        var second = await world.AddCoreAsync(engine: ThreeSilos.Engine(scope));
        var a = CachesWorld.A;
        await first.Caches.CreateAsync(a, [], Caller.Server, None);
        // An unknown name is looked up once a second at most.
        await Eventually.BecomesTrueAsync(async () => await second.FindCacheAsync(a, None) is not null, TimeSpan.FromSeconds(5));

        // 1. One uploads at one process, the other waits at the other, by the news of grains.
        var uploads = await world.BeginAsync(a, World.Chain("x", "y"), second);
        var waits = await world.BeginAsync(a, World.Chain("x", "y"), first);
        Assert.Empty(waits.Uploads);
        var wait = first.Pushes.WaitAsync(a, World.Id(waits),
            new WaitRequest { Paths = [World.Hash("x"), World.Hash("y")], TimeoutSeconds = 60 }, None);
        await world.UploadAsync(a, uploads, second);
        await wait.WaitAsync(TimeSpan.FromSeconds(30));
        foreach (var (push, core) in new[] { (uploads, second), (waits, first) })
            Assert.Equal(PushState.Committed, (await core.Pushes.CommitAsync(a, World.Id(push), TimeSpan.FromSeconds(30), None)).State);
        Assert.NotNull(world.NarInfoOf(a, "y"));
        Assert.Empty(world.DefaultStore.NarInfos);

        // 2. A pin, a collection and a schedule.
        await second.Pins.As(Caller.Server).SetAsync(a, PinName.Parse("main"), new SetPin { Path = World.Path("y").Path },
            PinCondition.None, OperationId.New(), TimeSpan.FromSeconds(10), None);
        Assert.Equal(World.Path("y").Path, (await first.Pins.ShowAsync(a, PinName.Parse("main"), None)).Path);
        var run = await second.Collection.StartAsync(a, new GcRequest { DryRun = true }, OperationId.New(), None);
        await Eventually.BecomesTrueAsync(async () => (await first.Collection.RunAsync(a, run.Id, None)).State == GcState.Done);
        await first.Caches.SetAsync(a, new JsonObject { ["gcSchedule"] = "30 3 * * *" }, isOperator: true, Caller.Server, None);
        await Eventually.BecomesTrueAsync(async () => await RemindersAsync(scope) is ["schedule"]);
        Assert.Equal("", await CachesWorld.FsckAsync(second, a));

        // 3. Its end leaves neither reminder nor document.
        var grain = (await ThreeSilos.Cluster).Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>().GetGrain<IGcGrain>($"{scope}:{a}/gc");
        await grain.ReceiveReminder("schedule", default);
        Assert.Equal(["schedule"], await RemindersAsync(scope));
        Assert.Equal(run.Id, (await grain.GetMemoryAsync()).Started!.Run);
        await first.Caches.DeleteAsync(a, force: true, Caller.Server, None);
        await grain.ReceiveReminder("schedule", default);
        Assert.Empty(await RemindersAsync(scope));
        Assert.Null((await grain.GetMemoryAsync()).Started);
        // A second server that has it in mind still comes to the same.
        await grain.ReceiveReminder("schedule", default);
    }

    private static async Task<string[]> RemindersAsync(string scope)
    {
        var services = (await ThreeSilos.Cluster).Silos[0].ServiceProvider;
        var grain = services.GetRequiredService<IGrainFactory>().GetGrain<IGcGrain>($"{scope}:{CachesWorld.A}/gc");
        return [.. (await services.GetRequiredService<IReminderTable>().ReadRows(grain.GetGrainId())).Reminders.Select(r => r.ReminderName)];
    }
}
