using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Collect;

/// <summary>One run at a time over all processes: who owns it, cancels it, gives it up, and takes it over.</summary>
public sealed class CollectionOwnerTests
{
    [Fact]
    public async Task One_run_is_under_way_over_all_processes_and_its_request_joins_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var other = await world.AddGatewayAsync();
        var held = new TaskCompletionSource();
        world.Core.Database.BeforeStatement = (sql, cancellationToken) => sql == "snapshot" ? held.Task.WaitAsync(cancellationToken)
            : Task.CompletedTask;
        Assert.True(OperationId.TryParse("one", out var operation));

        var run = await world.Core.Collection.StartAsync(CacheName.Default, new GcRequest(), operation, CancellationToken.None);
        var again = await other.Collection.StartAsync(CacheName.Default, new GcRequest(), operation, CancellationToken.None);
        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => other.Collection.StartAsync(CacheName.Default, new GcRequest(),
            OperationId.New(), CancellationToken.None));
        held.SetResult();

        Assert.Equal(run.Id, again.Id);
        Assert.Equal(ProblemKind.GcRunning, refused.Kind);
        Assert.Equal(GcState.Done, (await world.EndOfRunAsync(run.Id)).State);
        Assert.Equal(run.Id, (await other.Collection.StatusAsync(CacheName.Default, CancellationToken.None)).Last!.Id);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_says_whether_what_it_deleted_stays_as_old_versions(bool versioned)
    {
        await using var world = await World.CreateAsync();
        world.Store.KeepsOldVersions = versioned;
        bool? expected = versioned ? true : null;

        var run = await world.Core.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);
        var ended = await world.EndOfRunAsync(run.Id);
        // Another server, which has begun none.
        var other = (await world.AddGatewayAsync()).Collection;
        var status = await other.StatusAsync(CacheName.Default, CancellationToken.None);
        var history = await other.HistoryAsync(CacheName.Default, 5, CancellationToken.None);

        Assert.Equal([expected, expected, expected, expected], [run.KeepsOldVersions, ended.KeepsOldVersions, status.Last!.KeepsOldVersions,
            history.Runs[0].KeepsOldVersions]);
    }

    [Fact]
    public async Task A_run_is_cancelled_from_another_process()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var other = await world.AddGatewayAsync();
        world.Core.Database.BeforeStatement = static (sql, cancellationToken) => sql == "snapshot"
            ? Task.Delay(Timeout.Infinite, cancellationToken)
            : Task.CompletedTask;
        var run = await world.Core.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);

        Assert.Equal(run.Id, (await other.Collection.CancelAsync(CacheName.Default, CancellationToken.None))!.Id);

        Assert.Equal(GcState.Cancelled, (await world.EndOfRunAsync(run.Id)).State);
        Assert.Equal("live", await world.StateOfAsync("a"));
        Assert.Null(await other.Collection.CancelAsync(CacheName.Default, CancellationToken.None));
    }

    [Fact]
    public async Task A_process_that_stops_gives_its_run_up_and_another_goes_on_at_once()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        // The run has to begin in this very process.
        var stopping = await world.AddGatewayAsync(plain: true);
        stopping.Database.BeforeStatement = static (sql, cancellationToken) => sql == "snapshot"
            ? Task.Delay(Timeout.Infinite, cancellationToken)
            : Task.CompletedTask;
        var run = await stopping.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);
        await world.StopAsync(stopping);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(GcState.Done, (await world.EndOfRunAsync(run.Id)).State);
        Assert.Equal("gone", await world.StateOfAsync("a"));
    }

    [Fact]
    public async Task A_run_that_changes_hands_in_the_middle_of_its_sweep_counts_what_all_its_owners_deleted()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Batch = 1 });
        await world.PushAsync(World.Chain("a", "b", "c"));
        // The run has to begin in this very process.
        var stopping = await world.AddGatewayAsync(plain: true);
        var (objects, held) = (0, new TaskCompletionSource());
        stopping.Database.BeforeStatement = (sql, cancellationToken) =>
        {
            // One NAR of three is swept and deleted.
            if (!sql.Contains("gc_sweep_objects", StringComparison.Ordinal) || ++objects < 2)
                return Task.CompletedTask;
            held.SetResult();
            return Task.Delay(Timeout.Infinite, cancellationToken);
        };
        var run = await stopping.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);
        await held.Task;
        await world.StopAsync(stopping);
        Assert.Equal(2, world.Store.Objects.Count);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        var ended = await world.EndOfRunAsync(run.Id);
        Assert.Equal((GcState.Done, 6, 0), (ended.State, ended.ObjectsDeletedAfterGracePeriod, ended.ObjectsFailedToDelete));
        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task A_run_whose_process_died_is_taken_over_and_the_zombie_changes_nothing()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        // The run has to begin in this very process.
        var zombie = await world.AddGatewayAsync(plain: true);
        var held = new TaskCompletionSource();
        zombie.Database.BeforeStatement = (sql, cancellationToken) => sql == "snapshot" || sql.Contains("gc_beat", StringComparison.Ordinal)
            ? held.Task.WaitAsync(cancellationToken) : Task.CompletedTask;
        var run = await zombie.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<long>("select g from gc_epoch") == 2);
        await world.TravelAsync(TimeSpan.FromMinutes(1));

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(GcState.Done, (await world.EndOfRunAsync(run.Id)).State);
        await world.PushAsync(World.Chain("a"));
        held.SetResult();
        await world.StopAsync(zombie);

        Assert.Equal("live", await world.StateOfAsync("a"));
        Assert.Equal(GcState.Done, (await world.EndOfRunAsync(run.Id)).State);
        await world.AssertSoundAsync();
    }
}
