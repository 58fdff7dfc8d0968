using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Caches;

/// <summary>How a process follows the list of caches, whoever asks, and whatever fails.</summary>
public sealed class CacheRegistryTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Who_asks_for_a_new_cache_may_go_and_it_is_opened_all_the_same()
    {
        await using var world = await CreateAsync();
        var other = await world.AddCoreAsync();
        await world.MakeAsync(A);
        await world.MakeAsync(B);
        using var gate = new Gate(world, B);
        using var gone = new CancellationTokenSource();
        // An unknown name is looked up once a second at most.
        await Task.Delay(1100);

        var asked = Task.Run(async () => await other.FindCacheAsync(A, gone.Token));
        await gate.Reached.WaitAsync(Patience);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked.WaitAsync(Patience));
        // Everybody else waits for the same look.
        var waits = Task.Run(async () => await other.FindCacheAsync(B, None));
        gate.Open();

        Assert.NotNull(await waits.WaitAsync(Patience));
        Assert.NotNull(other.FindCache(A));
        Assert.Equal(1, gate.Count);
    }

    [Fact]
    public async Task What_a_look_that_fails_has_opened_is_closed()
    {
        await using var world = await CreateAsync();
        var other = await world.AddCoreAsync();
        await world.MakeAsync(A);
        await world.MakeAsync(B);
        var (a, b) = (world.Places.StoreOf(A), world.Places.StoreOf(B));
        using var gate = new Gate(world, B, fails: true);

        var looks = Task.Run(() => other.LookAtCachesAsync(None));
        await gate.Reached.WaitAsync(Patience);
        // Rows come by their ids, so A is open.
        var stops = world.StopAsync(other);
        await Eventually.BecomesTrueAsync(async () => await Record.ExceptionAsync(() => other.LookAtCachesAsync(None)
            .WaitAsync(TimeSpan.FromSeconds(1))) is CacheProblemException { Kind: ProblemKind.Unavailable });
        gate.Open();
        await stops;

        await Assert.ThrowsAsync<CacheProblemException>(() => looks);
        Assert.Equal((1, 0), (a.Disposals, b.Disposals));
    }

    [Fact]
    public async Task A_process_that_has_stopped_says_so_and_a_call_that_nobody_waits_for_ends()
    {
        await using var world = await CreateAsync(A);
        var other = await world.AddCoreAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other.Pushes.BeginAsync(A, World.Chain("x"), OperationId.New(),
            new CancellationToken(canceled: true)));

        await world.StopAsync(other);

        await RefusedAsync(ProblemKind.Unavailable, () => world.BeginAsync(A, World.Chain("x"), other).WaitAsync(Patience));
    }

    [Fact]
    public async Task A_store_that_was_replaced_is_read_on_and_disposed_of_at_the_end()
    {
        var world = await CreateAsync(A);
        var store = world.Places.StoreOf(A);
        await using (world)
        {
            await world.SetAsync(A, new JsonObject { ["gcOlderThan"] = "48h" });
            Assert.Equal(2, world.Places.Opened.Count);
            await Task.Delay(500);
            Assert.Equal(0, store.Disposals);
        }

        Assert.Equal(2, store.Disposals);
    }

    [Fact]
    public async Task Former_services_go_on_while_new_ones_cannot_be_started_and_those_are_tried_again_not_at_once()
    {
        await using var world = await CreateAsync(A);
        var tries = 0;
        world.Places.OnOpen = _ =>
        {
            tries++;
            throw new CacheProblemException(ProblemKind.BadRequest, "The bucket does not answer.");
        };

        var shown = await world.SetAsync(A, new JsonObject { ["gcOlderThan"] = "48h", ["private"] = true });

        // The row is the new one, and what needs no services holds at once.
        Assert.Equal(("The bucket does not answer.", "48h"), (shown.Trouble, shown.Settings.GcOlderThan));
        Assert.True(world.Core.FindCache(A)!.Settings!.Private);
        await world.PushAsync(A, World.Chain("x"));
        await world.Core.LookAtCachesAsync(None);
        Assert.Equal(1, tries);
        // Back to what they were started for, nothing is wrong.
        Assert.Null((await world.SetAsync(A, new JsonObject { ["gcOlderThan"] = null })).Trouble);
        Assert.Equal(1, tries);
        // Another change may mend it, and is tried at once.
        world.Places.OnOpen = static _ => { };
        Assert.Null((await world.SetAsync(A, new JsonObject { ["gcOlderThan"] = "72h" })).Trouble);
        Assert.Equal(3 * 24 * 3600, (await world.Core.Collection.StartAsync(A, new GcRequest { DryRun = true }, OperationId.New(), None)).OlderThanSeconds);
    }

    [Fact]
    public async Task Services_whose_keys_are_others_by_now_sign_nothing_any_more()
    {
        await using var world = await CreateAsync(A);
        world.Places.OnOpen = static _ => throw new CacheProblemException(ProblemKind.BadRequest, "The bucket does not answer.");

        await world.Core.Caches.AddKeyAsync(A, new AddKey(), Caller.Server, None);

        await RefusedAsync(ProblemKind.Unavailable, () => world.BeginAsync(A, World.Chain("x")));
        Assert.Equal("The bucket does not answer.", (await world.Core.Caches.ShowAsync(A, None)).Trouble);
    }

    [Fact]
    public async Task A_look_that_failed_is_one_too_and_the_database_is_not_asked_for_each_name()
    {
        await using var world = await CreateAsync();
        var other = await world.AddCoreAsync();
        var asked = 0;
        other.Database.BeforeStatement = (_, _) =>
        {
            asked++;
            throw new CacheProblemException(ProblemKind.Unavailable, "The database does not answer.");
        };
        await Task.Delay(1100);

        for (var i = 0; i < 20; i++)
            await RefusedAsync(ProblemKind.Unavailable, async () => await other.FindCacheAsync(Name($"no-{i}"), None));

        Assert.InRange(asked, 1, 2);
    }

    /// <summary>Holds the opening of a cache.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly ManualResetEventSlim _open = new();
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;

        public Gate(CachesWorld world, CacheName cache, bool fails = false) => world.Places.OnOpen = opened =>
        {
            if (opened.Name != cache)
                return;
            Interlocked.Increment(ref _count);
            _reached.TrySetResult();
            _open.Wait(Patience);
            if (fails)
                throw new CacheProblemException(ProblemKind.BadRequest, "The bucket does not answer.");
        };

        public Task Reached => _reached.Task;

        public int Count => Volatile.Read(ref _count);

        public void Open() => _open.Set();

        public void Dispose() => _open.Dispose();
    }
}
