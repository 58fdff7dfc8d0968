using System.Collections.Concurrent;
using OrleansCache.Contracts;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Collect.ScheduleSteps;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Collect;

/// <summary>Schedules that have broken systems of this kind, each forced. Which test stands for which: docs/verification.md.</summary>
public sealed class ScheduleTests
{
    [Fact]
    public async Task Schedule_3_A_commit_between_a_deletion_in_the_bucket_and_its_record_revives_nothing_and_publishes_anew()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.ExecuteAsync(ForgetRoots);
        PushOpened? push = null;
        CommitAnswer? early = null;
        world.Store.OnWrite = async (what, key) =>
        {
            if (what == "delete" && push is null)
            {
                world.Store.Objects.TryRemove(key.ToString(), out _);
                push = await world.BeginAsync(World.Chain("a"));
                await world.UploadAsync(push);
                early = await world.CommitAsync(push, patience: TimeSpan.Zero);
            }

            return Answer.Normal;
        };

        await new Collector(world).RunAsync();
        await world.CommitAsync(push!);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal((0, PushState.Committing), (push!.Present, early!.State));
        Assert.NotNull(world.NarInfoOf("a"));
        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_4_Keys_that_were_not_answered_are_not_listed_again_before_others_and_a_silent_store_is_asked_for_one_batch_a_pass()
    {
        await using var world = await World.CreateAsync();
        await world.ChangeAsync(
            """
            insert into object (cache_id, key, kind, state, nar_hash, url_expires)
            select 1, 'nar/' || lpad(i::text, 52, '0') || '.nar.zst', 'nar', 'deleting', '', clock_timestamp() from generate_series(1, 2500) i
            """);
        var deletions = new Collector(world).Deletions;
        var sent = new ConcurrentDictionary<string, int>();
        var answer = Answer.Dropped;
        world.Store.OnWrite = (_, key) =>
        {
            sent.AddOrUpdate(key.ToString(), 1, static (_, n) => n + 1);
            return Task.FromResult(answer);
        };

        await deletions.RunAsync(1, CancellationToken.None);
        Assert.Equal(1_000, sent.Count);
        answer = Answer.Normal;
        await deletions.RunAsync(1, CancellationToken.None);
        Assert.Equal((2_500, 1), (sent.Count, sent.Values.Max()));
        Assert.Equal(1_500, await world.QueryAsync<long>("select count(*) from object where state = 'tombstone'"));
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await deletions.RunAsync(1, CancellationToken.None);

        Assert.Equal(1_000, sent.Values.Count(n => n == 2));
        Assert.Equal(2_500, await world.QueryAsync<long>("select count(*) from object where state = 'tombstone' and fence is null"));
    }

    [Fact]
    public async Task Schedule_7_A_lapsed_push_that_commits_between_mark_and_condemn_keeps_what_it_made_reachable()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(2));
        var collector = new Collector(world);

        await collector.BarrierAsync();
        await collector.MarkAsync();
        await world.CommitAsync(push);
        await collector.CondemnAsync();
        await collector.SweepAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(["live", "live"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
        Assert.Equal(2, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_10_A_commit_whose_transaction_is_open_holds_up_no_commit_of_other_paths()
    {
        await using var world = await World.CreateAsync();
        var slow = await world.BeginAsync(World.Chain("a"));
        var quick = await world.BeginAsync(World.Chain("b"));
        await world.UploadAsync(slow);
        await world.UploadAsync(quick);

        await using (
            await world.HoldAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{slow.Id}', null, true), interval '0 s')"))
            Assert.Equal(PushState.Committed, (await world.CommitAsync(quick).WaitAsync(TimeSpan.FromSeconds(20))).State);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(slow)).State);
    }

    [Fact]
    public async Task Schedule_11_A_forced_collection_between_the_two_halves_of_a_begin_takes_nothing_that_it_calls_present()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var collected = false;
        world.Core.Database.BeforeStatement = async (sql, _) =>
        {
            if (!sql.Contains("claim_paths", StringComparison.Ordinal) || collected)
                return;
            collected = true;
            await new Collector(world).RunAsync();
        };

        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);
        await world.CommitAsync(push);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.True(collected);
        Assert.Equal(2, push.Present);
        Assert.Equal(3, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_12_What_fails_or_is_given_up_leaves_neither_a_connection_nor_a_transaction_behind()
    {
        await using var world = await World.CreateAsync(through: static c => c + ";Maximum Pool Size=2;Timeout=5");
        var catalog = new GcCatalog(world.Core.Database);
        for (var i = 0; i < 4; i++)
        {
            var push = await world.BeginAsync(World.Chain("a", $"b{i}"));
            await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push));
            await Assert.ThrowsAnyAsync<Exception>(() => world.ExecuteAsync("select 1 / 0"));
            await Assert.ThrowsAsync<InvalidDataException>(() =>
                world.Core.Database.SnapshotAsync<bool>(static _ => throw new InvalidDataException(), CancellationToken.None));

            using var giveUp = new CancellationTokenSource();
            await using (await world.HoldAsync("lock table object"))
            {
                var snapshot = catalog.MarkAsync(1, TimeSpan.Zero, trace: false, GcPace.Full, giveUp.Token);
                await world.UntilBlockedAsync();
                await giveUp.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => snapshot);
            }
        }

        // The server sees a moment later that a connection was given up.
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<long>(
                "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'") == 0);
        await world.PushAsync(World.Chain("c", "d"));
        Assert.Equal(GcState.Done, (await world.CollectAsync(World.Everything)).State);
    }

    [Fact]
    public async Task Schedule_20_Pushes_pins_and_collections_rely_on_no_state_of_a_session()
    {
        await using var world = await World.ThroughPgBouncerAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("c"));
        await world.PinAsync("app", "b");

        var runs = new List<GcRun>();
        for (var i = 0; i < 3; i++)
        {
            runs.Add(await world.CollectAsync(World.Everything));
            await Task.WhenAll(Enumerable.Range(0, 12).Select(n => world.BeginAsync(World.Chain("a", "b", $"d{n}"))));
        }

        Assert.All(runs, r => Assert.Equal(GcState.Done, r.State));
        Assert.Equal(["live", "live", "gone"], [await world.StateOfAsync("a"), await world.StateOfAsync("b"),
            await world.StateOfAsync("c")]);
        Assert.Equal(0,
            await world.QueryAsync<long>(
            "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = " +
            "current_database())"));
        await world.AssertSoundAsync();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-2)]
    public async Task Schedule_21_A_gateway_whose_clock_is_hours_off_ends_nothing_and_takes_over_nothing_before_its_time(int hours)
    {
        await using var world = await World.CreateAsync();
        await using var skewed = await StartAsync(world, new ManualClock(DateTimeOffset.UtcNow + TimeSpan.FromHours(hours)));
        await world.PushAsync(World.Chain("a"));
        await world.PinAsync("app", "a", life: TimeSpan.FromHours(1));
        var open = await world.BeginAsync(World.Chain("a", "b"));
        var publishing = await world.BeginAsync(World.Chain("c"));
        await world.UploadAsync(publishing);
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{publishing.Id}', null, " +
            "true), interval '1 hour')");

        await skewed.RunHousekeepingAsync(CancellationToken.None);
        var run = await world.CollectAsync(new GcRequest
        {
            OlderThanSeconds = 3600,
            FailedUploadsOlderThanSeconds = 3600,
            GraceSeconds = 3600
        }, skewed);

        Assert.Equal((0, 0, 0), (run.FailedUploadsDeleted, run.OldClosuresDeleted, run.ObjectsMarkedForDeletion));
        Assert.Equal("publishing", await world.StateOfAsync("c"));
        Assert.Equal(["app"], await world.PinNamesAsync());
        await world.UploadAsync(open);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(open, skewed.Pushes)).State);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_26_A_deletion_that_was_stopped_between_its_intent_and_its_write_changes_nothing_a_minute_later()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await CondemnAllAsync(world);
        await SweepPathsAsync(world);
        var stopped = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        var calls = 0;
        world.Store.OnWrite = async (_, _) =>
        {
            switch (Interlocked.Increment(ref calls))
            {
                case 1:
                    stopped.SetResult();
                    await goOn.Task;
                    // Long past the fence: the store refuses.
                    return Answer.Refused;
                case 2:
                    return Answer.Dropped;
                default:
                    return Answer.Normal;
            }
        };
        var zombie = new Collector(world).Deletions.RunAsync(1, CancellationToken.None);
        await stopped.Task;
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await new Collector(world).Deletions.RunAsync(1, CancellationToken.None);

        goOn.SetResult();
        await zombie;
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from store_path where state = 'deleting' and fence is not null"));
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("gone", await world.StateOfAsync("a"));
        await world.PushAsync(World.Chain("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_28_Of_two_builders_who_disagree_one_stalls_in_its_commit_and_the_other_takes_over_without_mixing_them()
    {
        await using var world = await World.CreateAsync();
        var first = await world.BeginAsync(World.Closure(World.Path("x"), World.Path("a", ["x"], content: "one")));
        var second = await world.BeginAsync(World.Closure(World.Path("y"), World.Path("a", ["y"], content: "two")));
        await world.UploadAsync(first);
        await world.UploadAsync(second);
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{first.Id}', null, " +
            "true), interval '15 s')");

        var other = await world.AddGatewayAsync();
        Assert.Equal(PushState.Committing, (await world.CommitAsync(second, other.Pushes, TimeSpan.Zero)).State);
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await other.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(second, other.Pushes)).State);

        Assert.Equal(World.Path("a", content: "one").NarHash, world.NarInfoOf("a")!.NarHash);
        Assert.Equal([World.Hash("x")], world.NarInfoOf("a")!.References.Select(r => r.Hash));
        await world.CollectAsync(new GcRequest { Force = true });
        Assert.Equal("live", await world.StateOfAsync("x"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Schedule_33_A_narinfo_that_the_store_refuses_to_delete_keeps_only_what_it_refers_to()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("c"));
        await CondemnAllAsync(world);
        await SweepPathsAsync(world);
        var refused = $"{World.Hash("b")}.narinfo";
        world.Store.OnWrite = (_, key) => Task.FromResult(key.ToString() == refused ? Answer.Refused : Answer.Normal);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(["deleting", "deleting", "gone"], [await world.StateOfAsync("a"), await world.StateOfAsync("b"),
            await world.StateOfAsync("c")]);
        await world.AssertSoundAsync();
        world.Store.OnWrite = static (_, _) => Task.FromResult(Answer.Normal);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(world.Store.NarInfos);
    }
}
