using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>Writes of well-known keys that fail, stall, or whose answer is lost; processes that stop and go on.</summary>
public sealed class PublishingTests
{
    public static TheoryData<int, string> AnyCall()
    {
        var data = new TheoryData<int, string>();
        for (var call = 0; call < 5; call++)
        {
            foreach (var answer in new[] { Answer.Lost, Answer.Dropped, Answer.Refused })
                data.Add(call, answer.ToString());
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(AnyCall))]
    public async Task A_commit_succeeds_although_one_call_to_the_store_went_wrong(int call, string answer)
    {
        await using var world = await World.CreateAsync();
        var drv = StorePath.Parse($"{World.Hash("drv")}-a.drv");
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport
        {
            Logs = [new LogContent { Drv = drv, Path = World.Hash("a"), Content = [1] }],
            Listings = [new PathListing { Path = World.Hash("b"), Content = [2] }],
        }, CancellationToken.None);
        var calls = 0;
        world.Store.OnWrite = (_, _) => Task.FromResult(Interlocked.Increment(ref calls) - 1 == call ? Enum.Parse<Answer>(answer)
            : Answer.Normal);

        var commit = world.CommitAsync(push);
        await PassFencesUntilAsync(world, commit);

        Assert.Equal((PushState.Committed, 3), ((await commit).State, (await commit).Published));
        Assert.Equal(5, world.Store.Objects.Count(o => !o.Key.StartsWith("nar/", StringComparison.Ordinal)));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_the_disk_has_not_taken_yet_keeps_nothing_back_that_it_has()
    {
        await using var world = await World.CreateAsync(new PushOptions { PublishParallelism = 1 });
        var push = await world.BeginAsync(World.Closure([.. Enumerable.Range(0, 299).Select(i => World.Path($"n{i}")),
            World.Path("top", [.. Enumerable.Range(0, 299).Select(i => $"n{i}")])]));
        await world.UploadAsync(push);
        var log = new LogContent { Drv = StorePath.Parse($"{World.Hash("drv")}-top.drv"), Path = World.Hash("top"), Content = [1] };
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport { Logs = [log] }, CancellationToken.None);
        var written = new TaskCompletionSource();
        world.Store.OnWrite = (_, _) =>
        {
            written.TrySetResult();
            return Task.FromResult(Answer.Normal);
        };
        // More than one group of bodies: the one with the log is not ready before something of another was written.
        world.Store.OnStage = bodies => bodies.Any(b => b.Key == ObjectKey.Log(log.Drv)) ? written.Task.WaitAsync(TimeSpan.FromSeconds(30))
            : Task.CompletedTask;

        var commit = await world.CommitAsync(push);

        Assert.Equal((PushState.Committed, 300), (commit.State, commit.Published));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Nothing_is_visible_before_what_it_refers_to_when_a_write_is_not_answered()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);
        world.Store.OnWrite = (_, key) => Task.FromResult(key.ToString().StartsWith(World.Hash("b").ToString(), StringComparison.Ordinal)
            ? Answer.Dropped : Answer.Normal);

        Assert.Equal(PushState.Committing, (await world.CommitAsync(push, patience: TimeSpan.Zero)).State);
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<bool>("select count(*) filter (where recorded) = 1 from store_path"));

        Assert.NotNull(world.NarInfoOf("a"));
        Assert.Null(world.NarInfoOf("c"));
        Assert.Equal("publishing", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task An_intent_that_led_to_no_attempt_does_not_stand_until_its_fence()
    {
        await using var world = await World.CreateAsync(new PushOptions
        {
            Fence = TimeSpan.FromHours(1),
            CommitLease = TimeSpan.FromHours(1)
        });
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);
        var calls = 0;
        world.Store.OnWrite = (_, _) => Task.FromResult(Interlocked.Increment(ref calls) == 1 ? Answer.Refused : Answer.Normal);

        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
    }

    [Fact]
    public async Task An_unanswered_write_is_not_sent_again_before_its_fence()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);
        var calls = 0;
        world.Store.OnWrite = (_, _) => Task.FromResult(Interlocked.Increment(ref calls) == 1 ? Answer.Lost : Answer.Normal);

        Assert.Equal(PushState.Committing, (await world.CommitAsync(push, patience: TimeSpan.Zero)).State);
        await Eventually.BecomesTrueAsync(() => Volatile.Read(ref calls) == 1);
        var other = await world.AddGatewayAsync();
        await world.ExecuteAsync("update push set lease = clock_timestamp() - interval '1 s'");
        await other.RunHousekeepingAsync(CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<bool>("select lease > clock_timestamp() from push"));
        Assert.Equal(1, Volatile.Read(ref calls));

        await PassFencesUntilAsync(world, world.CommitAsync(push));
        Assert.Equal(2, calls);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_that_the_store_refuses_for_good_does_not_keep_the_others_from_being_recorded()
    {
        await using var world = await World.CreateAsync(new PushOptions { Fence = TimeSpan.FromHours(1) });
        var push = await world.BeginAsync(World.Closure(World.Path("a"), World.Path("bad"), World.Path("c", ["a", "bad"])));
        await world.UploadAsync(push);
        var mend = false;
        world.Store.OnWrite = (_, key) => !Volatile.Read(ref mend) && key.ToString()
            .StartsWith(World.Hash("bad").ToString(), StringComparison.Ordinal)
            ? throw new ObjectStoreException("no space", isTransient: false)
            : Task.FromResult(Answer.Normal);

        await world.CommitAsync(push, patience: TimeSpan.Zero);
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<bool>(
            "select count(*) filter (where recorded) = 1 and bool_and(fence is null) and bool_and(generation = 1) from store_path"));
        Volatile.Write(ref mend, true);
        await PassFencesUntilAsync(world, world.CommitAsync(push));

        Assert.Single(world.Store.Writes, w => w.StartsWith(World.Hash("a").ToString(), StringComparison.Ordinal));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_publisher_that_was_stopped_between_its_intent_and_its_write_changes_nothing_when_it_goes_on()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);
        var stopped = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        var calls = 0;
        world.Store.OnWrite = async (_, _) =>
        {
            if (Interlocked.Increment(ref calls) > 1)
                return Answer.Normal;
            stopped.SetResult();
            await goOn.Task;
            // Long past the fence: the store refuses.
            return Answer.Refused;
        };
        var first = world.CommitAsync(push);
        await stopped.Task;

        var other = await world.AddGatewayAsync();
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await other.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push, other.Pushes)).State);
        goOn.SetResult();

        Assert.Equal((PushState.Committed, 2), ((await first).State, (await first).Published));
        Assert.Equal(2, world.Store.Writes.Count);
        Assert.Equal(2,
            await world.QueryAsync<long>("select count(*) from store_path where state = 'live' and recorded and fence is null"));
    }

    [Fact]
    public async Task What_was_read_before_a_path_was_published_collected_and_published_anew_is_not_written()
    {
        await using var world = await World.CreateAsync();
        var fn = world.Core.Database.Functions;
        var old = await world.BeginAsync(World.Closure(World.Path("a", content: "old")));
        var renewed = await world.BeginAsync(World.Closure(World.Path("b"), World.Path("a", ["b"], content: "new")));
        await world.UploadAsync(old);
        await world.UploadAsync(renewed);
        await world.ExecuteAsync($"select {fn}.commit_push(1, {fn}.push_of(1, '{old.Id}', null, true), interval '1 day')");
        var publisher = new Publisher(new PublishCatalog(world.Core.Database), world.Store, new PathSigner([World.Key], [], []), world.Options,
            NullLogger.Instance);
        Task stale;
        await using (var meanwhile =
            await world.HoldAsync($"select from store_path where hash = '\\x{Convert.ToHexString(World.Hash("a").ToArray())}' for update"))
        {
            stale = publisher.PublishAsync(1, World.Id(old), CancellationToken.None);
            // It has read what to write and is about to open its intent.
            await world.UntilBlockedAsync();
            await meanwhile.ExecuteAsync($$"""
                select {{fn}}.publish_record(array_agg(i.id), array_agg(i.generation), '{t}', '{}', '{}', '{}')
                  from store_path s cross join {{fn}}.publish_intend(array[s.id], array[s.generation], '{}', '{}', interval '20 s', interval '3 s') i where s.state = 'publishing';
                select {{fn}}.finish_push(1, {{fn}}.push_of(1, '{{old.Id}}', null, true));
                delete from root;
                update store_path set state = 'gone', recorded = false, refs = '{}', objects = '{}' where state = 'live';
                update object set state = 'deleting' where state = 'live';
                {{Lists.Write}}
                select {{fn}}.commit_push(1, {{fn}}.push_of(1, '{{renewed.Id}}', null, true), interval '1 day');
                """);
        }

        await stale;
        Assert.Empty(world.Store.NarInfos);
        await publisher.PublishAsync(1, World.Id(renewed), CancellationToken.None);
        Assert.Equal(World.Path("a", content: "new").NarHash, world.NarInfoOf("a")!.NarHash);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_push_whose_publisher_died_is_finished_by_another_gateway_with_no_client()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);
        // The process dies right after the first half of the commit.
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{push.Id}', null, true), interval '15 s')");

        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<string>("select state::text from push") == "committed");

        Assert.Equal(2, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_committing_push_neither_lapses_nor_can_be_aborted()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{push.Id}', null, true), interval '1 day')");

        await world.TravelAsync(TimeSpan.FromHours(3));
        await world.AbortAsync(push);
        await world.ExecuteAsync("delete from root");
        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("publishing", await world.StateOfAsync("a"));
        await world.ExecuteAsync("update push set lease = clock_timestamp()");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);

        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Signatures_that_come_while_a_narinfo_is_being_written_are_written_again_after_its_fence()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var keys = new[] { SecretKey.Generate("one-1"), SecretKey.Generate("two-1") };
        var late = new ConcurrentQueue<Answer>([Answer.Lost]);
        world.Store.OnWrite = (_, _) => Task.FromResult(late.TryDequeue(out var answer) ? answer : Answer.Normal);
        foreach (var key in keys)
        {
            var path = World.Path("a");
            await world.CommitAsync(await world.BeginAsync(
                World.Closure(path with { Signatures = [key.Sign(NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, []))] })));
        }

        Assert.False(world.NarInfoOf("a")!.Verify(keys[1].PublicKey));
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.All(keys, k => Assert.True(world.NarInfoOf("a")!.Verify(k.PublicKey)));
        Assert.Equal(3, world.NarInfoOf("a")!.Signatures.Count);
    }

    [Fact]
    public async Task A_commit_whose_database_connections_are_cut_is_answered_all_the_same()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);
        world.Store.OnWrite = async (_, _) =>
        {
            await using var killer = await world.HoldAsync(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
            return Answer.Normal;
        };

        Assert.Equal((PushState.Committed, 3), ((await world.CommitAsync(push)).State, (await world.CommitAsync(push)).Published));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_commit_in_whose_middle_PostgreSQL_is_killed_succeeds_when_it_is_asked_again()
    {
        await using var server = await PostgresServer.StartAsync();
        await using var world = await World.CreateAsync(on: server);
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);
        var calls = 0;
        world.Store.OnWrite = async (_, _) =>
        {
            if (Interlocked.Increment(ref calls) == 2)
            {
                await server.Kill9Async();
                await server.RestartAsync();
            }

            return Answer.Normal;
        };

        CommitAnswer? answer = null;
        await Eventually.BecomesTrueAsync(async () =>
            (answer = await world.CommitAsync(push, patience: TimeSpan.FromSeconds(5))).State == PushState.Committed);

        Assert.Equal(3, answer!.Published);
        await world.AssertSoundAsync();
    }

    // Time is the database's; what waits for a fence polls.
    private static Task PassFencesUntilAsync(World world, Task commit) => Eventually.BecomesTrueAsync(async () =>
    {
        if (!commit.IsCompleted)
            await world.TravelAsync(TimeSpan.FromSeconds(30));
        return commit.IsCompleted;
    });
}
