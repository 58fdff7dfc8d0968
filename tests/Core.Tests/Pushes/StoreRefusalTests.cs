using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>A store that says no: whoever waits is told for what.</summary>
public sealed class StoreRefusalTests
{
    private static readonly StoreAnswer Denied = StoreAnswer.Of(403, "AccessDenied");
    private static readonly StoreAnswer Full = StoreAnswer.Of(403, "QuotaExceeded");

    [Fact]
    public async Task A_collection_names_what_the_store_refuses_to_delete_and_why()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        world.Store.Refusal = (call, _) => call == "delete" ? Denied : null;

        var run = await world.CollectAsync(World.Everything);

        Assert.Equal((GcState.Done, 0, 2), (run.State, run.ObjectsDeletedAfterGracePeriod, run.ObjectsFailedToDelete));
        Assert.Contains($"{World.Hash("b")}.narinfo (AccessDenied)", run.Error, StringComparison.Ordinal);
        Assert.Contains(Denied.Sentence, run.Error, StringComparison.Ordinal);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_collection_after_the_refusal_deletes_what_is_left()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        world.Store.Refusal = (call, _) => call == "delete" ? Denied : null;
        await world.CollectAsync(World.Everything);
        world.Store.Refusal = static (_, _) => null;

        var run = await world.CollectAsync(World.Everything);

        Assert.Null(run.Error);
        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task A_push_of_a_path_that_the_store_does_not_give_up_is_told_so_and_commits_once_it_is_deleted()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        world.Store.Refusal = (call, _) => call == "delete" ? Denied : null;
        await world.CollectAsync(World.Everything);
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);

        var told = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push));

        Assert.Equal(ProblemKind.Unavailable, told.Kind);
        Assert.Contains("AccessDenied", told.Message, StringComparison.Ordinal);
        Assert.Contains(Denied.Sentence, told.Message, StringComparison.Ordinal);
        world.Store.Refusal = static (_, _) => null;
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task An_eviction_that_waits_for_the_store_says_what_that_refuses()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        world.Store.Refusal = (call, _) => call == "delete" ? Denied : null;
        var (request, operation) = (new EvictRequest { Paths = [World.Hash("a")] }, OperationId.New());

        var running = await world.Core.Withdrawals.EvictAsync(CacheName.Default, request, Caller.Anonymous, operation,
            TimeSpan.FromSeconds(3), CancellationToken.None);

        Assert.Equal(EvictionState.Running, running.State);
        Assert.Contains($"{World.Hash("a")}.narinfo (AccessDenied)", running.Refusal, StringComparison.Ordinal);
        world.Store.Refusal = static (_, _) => null;
        await Eventually.BecomesTrueAsync(async () =>
            await world.Core.Withdrawals.EvictAsync(CacheName.Default, request, Caller.Anonymous, operation, TimeSpan.FromSeconds(3),
                CancellationToken.None) is { State: EvictionState.Done, Refusal: null });
    }

    [Fact]
    public async Task A_commit_that_the_store_has_no_room_for_says_so_and_goes_on_when_there_is_some()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);
        world.Store.Refusal = (_, _) => Full;

        var waiting = await world.CommitAsync(push);

        Assert.Equal(PushState.Committing, waiting.State);
        Assert.Contains("QuotaExceeded", waiting.WaitsFor, StringComparison.Ordinal);
        Assert.Contains(Full.Sentence, waiting.WaitsFor, StringComparison.Ordinal);
        Assert.Contains("QuotaExceeded", (await world.CommitAsync(push, patience: TimeSpan.Zero)).WaitsFor, StringComparison.Ordinal);
        world.Store.Refusal = static (_, _) => null;
        await world.ExecuteAsync("update push set lease = clock_timestamp() - interval '1 s'");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        var done = await world.CommitAsync(push);
        Assert.Equal((PushState.Committed, null), (done.State, done.WaitsFor));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_commit_whose_pin_the_store_refuses_says_so()
    {
        await using var world = await World.CreateAsync();
        Assert.True(PinName.TryParse("main", out var name));
        var push = await world.BeginAsync(World.Chain("a") with { Pin = new PushPin { Name = name } });
        await world.UploadAsync(push);
        world.Store.Refusal = (_, key) => key == ObjectKey.Pin(name) ? Full : null;

        var waiting = await world.CommitAsync(push);

        Assert.Equal(PushState.Committing, waiting.State);
        Assert.Contains("QuotaExceeded", waiting.WaitsFor, StringComparison.Ordinal);
        world.Store.Refusal = static (_, _) => null;
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
    }

    [Fact]
    public async Task A_commit_that_merely_takes_longer_says_what_it_waits_for()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);
        var gate = new TaskCompletionSource();
        world.Store.OnWrite = async (_, _) =>
        {
            await gate.Task;
            return MemoryObjectStore.Answer.Normal;
        };

        var waiting = await world.CommitAsync(push, patience: TimeSpan.Zero);

        Assert.Equal(PushState.Committing, waiting.State);
        Assert.NotEqual("", waiting.WaitsFor ?? "");
        gate.SetResult();
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
    }
}
