using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Adapters.NixCopy;

/// <summary>What stock Nix is told or gives, and a collection that comes in between: each schedule forced.</summary>
public sealed class NixCopyScheduleTests
{
    private const string ForgetRoots = "delete from root";

    [Theory]
    [InlineData("barrier")]
    [InlineData("mark")]
    [InlineData("condemn")]
    public async Task T4_A_path_that_was_said_to_be_there_right_after_a_step_of_a_collection_stays_until_the_hold_has_lapsed(string step)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var nix = new StockNix(world);
        var collector = new Collector(world);

        await collector.BarrierAsync();
        var there = step == "barrier" && await nix.AskAsync("b");
        await collector.MarkAsync();
        there |= step == "mark" && await nix.AskAsync("b");
        await collector.CondemnAsync();
        there |= step == "condemn" && await nix.AskAsync("b");
        await collector.SweepAsync();
        await new Collector(world).RunAsync();

        Assert.True(there);
        Assert.Equal(2, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();

        await world.TravelAsync(TimeSpan.FromHours(3));
        await new Collector(world).RunAsync();
        await collector.Deletions.RunAsync(1, CancellationToken.None);
        Assert.Empty(world.Store.NarInfos);
    }

    [Fact]
    public async Task T4_A_forced_collection_between_the_answer_about_a_NAR_and_its_narinfo_takes_nothing_of_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Closure(World.Path("reference")));
        await world.ExecuteAsync(ForgetRoots);
        var (first, second) = (new StockNix(world, "first"), new StockNix(world, "second"));
        // The NAR is live as that of another path, which nobody keeps any more.
        await first.PutNarAsync("twin", content: "shared");
        await first.PutInfoAsync("twin", content: "shared");
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(3));
        Assert.True(await second.AskAsync("reference"));
        Assert.True(await second.AskNarAsync("path", content: "shared"));

        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("gone", await world.StateOfAsync("twin"));

        Assert.Equal(NarInfoOutcome.Published, await second.PutInfoAsync("path", ["reference"], content: "shared"));
        await world.AssertSoundAsync();
        Assert.NotNull(world.NarInfoOf("path"));
    }

    [Fact]
    public async Task T4_A_NAR_that_was_accepted_outlives_forced_collections_and_goes_when_nobody_comes_for_it()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.PutNarAsync("a");

        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.True(await nix.AskNarAsync("a"));

        await world.TravelAsync(TimeSpan.FromHours(10));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.False(await nix.AskNarAsync("a"));
        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task T2_A_reference_that_is_condemned_when_the_narinfo_comes_is_brought_back_and_one_that_is_gone_is_named()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("dependency");
        await nix.PutNarAsync("a");
        await world.TravelAsync(TimeSpan.FromHours(3));
        await nix.AskNarAsync("a");
        await world.ExecuteAsync(ForgetRoots);
        await nix.PutNarAsync("a");
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
        Assert.Equal("condemned", await world.StateOfAsync("dependency"));

        Assert.Equal(NarInfoOutcome.Published, await nix.PutInfoAsync("a", ["dependency"]));
        await collector.SweepAsync();
        await world.AssertSoundAsync();
        Assert.NotNull(world.NarInfoOf("dependency"));

        await nix.PutNarAsync("b");
        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => nix.PutInfoAsync("b", ["a", "never-pushed"]));
        Assert.Equal(ProblemKind.MissingPaths, problem.Kind);
        Assert.Equal([World.Hash("never-pushed")], problem.Paths);
        Assert.Contains($"/nix/store/{World.Hash("never-pushed")}-never-pushed", problem.Message, StringComparison.Ordinal);
        Assert.Contains("--refresh", problem.Message, StringComparison.Ordinal);
        Assert.Null(world.NarInfoOf("b"));
    }

    [Fact]
    public async Task T2_A_reference_that_a_collection_has_taken_is_missing_and_the_copy_succeeds_once_it_was_put_again()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("dependency");
        var key = world.NarInfoOf("dependency")!.Url;
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(3));
        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await nix.PutNarAsync("a");
        Assert.Equal(ProblemKind.MissingPaths,
            (await Assert.ThrowsAsync<CacheProblemException>(() => nix.PutInfoAsync("a", ["dependency"]))).Kind);
        Assert.False(await nix.AskAsync("dependency"));
        // Two days later its former key is free, and readers that remember the narinfo find the NAR again.
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(NarInfoOutcome.Published, await nix.CopyAsync("dependency"));
        await nix.PutNarAsync("a");
        Assert.Equal(NarInfoOutcome.Published, await nix.PutInfoAsync("a", ["dependency"]));

        Assert.Equal(key, world.NarInfoOf("dependency")!.Url);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task One_narinfo_of_several_clients_at_once_is_published_once_and_all_are_answered()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var clients = Enumerable.Range(0, 8).Select(i => new StockNix(world, $"client-{i}", i % 2 == 0 ? null : other)).ToList();
        await Task.WhenAll(clients.Select(c => c.PutNarAsync("a")));

        var outcomes = await Task.WhenAll(clients.Select(c => c.PutInfoAsync("a")));

        Assert.Single(outcomes, o => o == NarInfoOutcome.Published);
        Assert.Equal(7, outcomes.Count(o => o == NarInfoOutcome.Present));
        Assert.Single(world.Store.Writes, w => w.EndsWith(".narinfo", StringComparison.Ordinal));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task The_hold_of_a_credential_keeps_what_it_put_through_a_forced_collection_and_when_it_has_lapsed_it_may_go()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("a");
        await nix.CopyAsync("b", "a");

        var run = await world.CollectAsync(World.Everything);
        Assert.Equal((GcState.Done, 0L), (run.State, run.ObjectsMarkedForDeletion));
        Assert.Equal(2, world.Store.NarInfos.Count());

        await world.TravelAsync(TimeSpan.FromHours(3));
        await world.CollectAsync(World.Everything);
        Assert.Empty(world.Store.NarInfos);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_hold_slides_with_the_traffic_of_its_credential_for_a_day_and_no_other_traffic_moves_it(bool puts)
    {
        await using var world = await World.CreateAsync();
        var (nix, other) = (new StockNix(world), new StockNix(world, "other"));
        await nix.CopyAsync("a");
        await other.CopyAsync("other");
        await nix.CopyAsync("put-again");
        await world.ExecuteAsync(ForgetRoots);

        for (var hour = 0; hour < 20; hour++)
        {
            await world.TravelAsync(TimeSpan.FromHours(1));
            if (puts)
                Assert.Equal(NarInfoOutcome.Present, await nix.PutInfoAsync("put-again"));
            else
                Assert.False(await nix.AskAsync("nothing"));
        }

        await new Collector(world).RunAsync();
        Assert.NotNull(world.NarInfoOf("a"));
        Assert.Null(world.NarInfoOf("other"));

        for (var hour = 0; hour < 8; hour++)
        {
            await world.TravelAsync(TimeSpan.FromHours(1));
            await nix.AskAsync("nothing");
        }

        await new Collector(world).RunAsync();
        Assert.Null(world.NarInfoOf("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task T4_A_path_that_was_put_is_a_root_and_asking_for_it_under_the_write_URL_is_pushing_it_again()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("asked-for");
        await nix.CopyAsync("put-again");
        await nix.CopyAsync("forgotten");
        await world.TravelAsync(TimeSpan.FromDays(29));
        await new Collector(world).RunAsync();
        Assert.Equal(3, world.Store.NarInfos.Count());

        Assert.True(await nix.AskAsync("asked-for"));
        Assert.Equal(NarInfoOutcome.Present, await nix.PutInfoAsync("put-again"));
        await world.TravelAsync(TimeSpan.FromDays(2));
        await new Collector(world).RunAsync();

        Assert.Equal(2, world.Store.NarInfos.Count());
        Assert.Null(world.NarInfoOf("forgotten"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_narinfo_whose_gateway_stopped_after_the_point_of_no_return_is_published_by_another_and_the_retry_succeeds()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.PutNarAsync("a");
        // The store does not answer the narinfo's write: it is not known whether it was done.
        world.Store.OnWrite = (_, key) => Task.FromResult(key.ToString().EndsWith(".narinfo", StringComparison.Ordinal)
            ? MemoryObjectStore.Answer.Lost : MemoryObjectStore.Answer.Normal);
        await Assert.ThrowsAnyAsync<Exception>(() => world.Core.NixCopy.PublishAsync(CacheName.Default, StockNix.Caller(),
            StockNix.Info("a"), TimeSpan.Zero, CancellationToken.None));
        Assert.Equal("publishing", await world.StateOfAsync("a"));
        await world.StopAsync(world.Core);
        world.Store.OnWrite = (_, _) => Task.FromResult(MemoryObjectStore.Answer.Normal);

        var next = await world.AddGatewayAsync();
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await next.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(NarInfoOutcome.Present, await nix.PutInfoAsync("a"));
        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Twenty_copies_of_overlapping_closures_beside_a_collector_without_grace_end_whole()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        using var done = new CancellationTokenSource();
        var collecting = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
                await world.CollectAsync(World.Everything);
        });

        await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            var nix = new StockNix(world, $"client-{i % 5}", i % 2 == 0 ? null : other);
            string[] names = [.. Enumerable.Range(0, 12).Select(n => $"p{(n + i) / 2 * 2}-{n}")];
            for (var n = 0; n < names.Length; n++)
            {
                if (await nix.AskAsync(names[n]))
                    continue;
                if (!await nix.AskNarAsync(names[n]))
                    await nix.PutNarAsync(names[n]);
                await nix.PutInfoAsync(names[n], n == 0 ? [] : [names[n - 1]]);
            }

            Assert.All(names, n => Assert.NotNull(world.NarInfoOf(n)));
        }));
        await done.CancelAsync();
        await collecting;

        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task A_log_that_is_put_again_is_not_locked_before_the_path_that_carries_it()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.PutNarAsync("a");
        await nix.PutInfoAsync("a", deriver: "a.drv");
        var log = new NixExtra(ObjectKey.Log(new StorePath(World.Hash("a.drv"), "a.drv")), NixExtraKind.Log, World.Hash("a.drv"), null,
            Zstd.Compress("log"u8));
        await nix.KeepAsync(log);

        // Whoever has the path's lock wants the log's next, as all do: it must be free, or the two wait for each other.
        Task again;
        await using (await world.HoldAsync("select 1 from store_path for update"))
        {
            again = nix.KeepAsync(log);
            await world.UntilBlockedAsync();
            await using var next = await world.HoldAsync("select 1 from object where kind = 'log' for update nowait");
        }

        await again;
        await world.AssertSoundAsync();
    }
}
