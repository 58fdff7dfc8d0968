using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Adapters.Attic;

/// <summary>Uploads at once, from several servers and publishers. Nothing is left to the housekeeper unless a test says so.</summary>
public sealed class AtticScheduleTests
{
    [Fact]
    public async Task Of_a_path_and_two_references_that_come_at_once_to_two_servers_none_is_left_behind()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        AtticClient[] clients = [new(world), new(world, "ci", other)];

        for (var round = 0; round < 40; round++)
        {
            var (a, b, top) = ($"a{round}", $"b{round}", $"top{round}");
            await Task.WhenAll(clients[round % 2].UploadAsync(top, a, b), clients[0].UploadAsync(a), clients[1].UploadAsync(b));
            Assert.True(world.NarInfoOf(top) is not null, $"round {round}: {await world.StateOfAsync(a)}, {await world.StateOfAsync(b)}");
        }

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from waiting_path"));
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_closure_that_several_publishers_put_in_any_order_to_two_servers_is_whole_at_every_moment_and_in_the_end(int seed)
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var random = new Random(seed);
        var references = Enumerable.Range(0, 60).Select(i => Enumerable.Range(0, i).Where(_ => random.Next(Math.Max(i / 3, 1)) == 0)
            .Select(r => $"p{r}").ToArray()).ToArray();
        var order = Enumerable.Range(0, references.Length).ToArray();
        random.Shuffle(order);
        AtticClient[] clients = [new(world), new(world, "ci", other), new(world, "second", other)];

        await Parallel.ForEachAsync(order, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            await clients[i % clients.Length].UploadAsync($"p{i}", references[i]);
            await world.AssertSoundAsync();
        });

        Assert.Equal(references.Length, world.Store.NarInfos.Count());
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from waiting_path"));
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task One_path_that_many_send_at_once_is_published_once()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        await new AtticClient(world).UploadAsync("top", "a");

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(i => new AtticClient(world, $"ci-{i % 3}", i % 2 == 0 ? other : null).UploadAsync("a")));

        Assert.All(outcomes, o => Assert.True(o is AtticOutcome.Published or AtticOutcome.Present, o.ToString()));
        Assert.NotNull(world.NarInfoOf("top"));
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from waiting_path"));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task A_reference_that_comes_while_a_path_is_moved_on_to_it_is_seen()
    {
        await using var world = await World.CreateAsync();
        await new AtticClient(world).UploadAsync("top", "a", "b");
        var awaited = await world.QueryAsync<byte[]>("select awaits from waiting_path");
        var (first, second) = awaited.AsSpan().SequenceEqual(World.Hash("a").ToArray()) ? ("a", "b") : ("b", "a");
        await world.ExecuteAsync("""
            create function wait_for_turn() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(7); return null; end $$;
            create trigger turn after update on waiting_path for each row execute function wait_for_turn()
            """);

        // The path has looked for the second reference, and awaits it for others when that has come already.
        Task moving;
        await using (await world.HoldAsync("select pg_advisory_xact_lock(7)"))
        {
            moving = new AtticClient(world, "first").UploadAsync(first);
            await world.UntilBlockedAsync();
            await new AtticClient(world, "second").UploadAsync(second);
            Assert.NotNull(world.NarInfoOf(second));
            Assert.Null(world.NarInfoOf("top"));
        }

        await moving;
        Assert.NotNull(world.NarInfoOf("top"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_server_that_stops_between_a_path_and_what_waits_for_it_leaves_that_to_another()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var attic = new AtticClient(world);
        await attic.UploadAsync("top", "middle");
        await attic.UploadAsync("middle", "base");
        other.Database.BeforeStatement = (sql, _) => sql.Contains("attic_move", StringComparison.Ordinal)
            ? throw new InvalidOperationException("the server stops") : Task.CompletedTask;
        await new AtticClient(world, "ci", other).UploadAsync("base");
        Assert.NotNull(world.NarInfoOf("base"));
        Assert.Null(world.NarInfoOf("middle"));

        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.NotNull(world.NarInfoOf("top"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_server_that_stops_with_a_path_that_is_ready_leaves_it_to_another()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        await new AtticClient(world).UploadAsync("top", "base");
        other.Database.BeforeStatement = (sql, _) => sql.Contains("nix_put", StringComparison.Ordinal)
            ? throw new InvalidOperationException("the server stops") : Task.CompletedTask;
        await new AtticClient(world, "ci", other).UploadAsync("base");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.NarInfos);

        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.NotNull(world.NarInfoOf("top"));
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from waiting_path"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_whose_hold_was_ended_by_a_server_that_knows_no_such_paths_goes()
    {
        await using var world = await World.CreateAsync();
        await new AtticClient(world).UploadAsync("top", "base");
        await new AtticClient(world, "second").UploadAsync("other", "base");
        await world.ExecuteAsync("update push set state = 'aborted' where holder = 'ci'");

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal("second", await world.QueryAsync<string>("select holder from waiting_path"));
        await new AtticClient(world, "second").UploadAsync("base");
        Assert.Null(world.NarInfoOf("top"));
        Assert.NotNull(world.NarInfoOf("other"));
    }

    [Fact]
    public async Task A_reference_that_goes_again_before_its_referrer_is_published_is_awaited_anew()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        await attic.UploadAsync("base");
        // The reference is there at the first look, and gone at the second.
        world.Core.Database.BeforeStatement = async (sql, _) =>
        {
            if (!sql.Contains("nix_put", StringComparison.Ordinal))
                return;
            world.Core.Database.BeforeStatement = null;
            await world.ExecuteAsync("with r as (delete from root) update push set paths = '{}' where holder = 'ci'");
            await world.CollectAsync(World.Everything);
        };

        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("top", "base"));
        Assert.Empty(world.Store.NarInfos);
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(["base"], await attic.MissingAsync("top", "base"));

        await attic.UploadAsync("base");

        Assert.NotNull(world.NarInfoOf("top"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_client_that_goes_before_its_answer_has_its_path_published_all_the_same()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        await attic.UploadAsync("top", "base");
        using var gone = new CancellationTokenSource();
        world.Core.Database.BeforeStatement = (sql, _) =>
        {
            if (sql.Contains("attic_move", StringComparison.Ordinal))
                gone.Cancel();
            return Task.CompletedTask;
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attic.SendAsync("base", cancellationToken: gone.Token));

        await Eventually.BecomesTrueAsync(() => world.NarInfoOf("top") is not null);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_reference_that_comes_between_the_look_for_it_and_the_commit_of_its_referrer_is_looked_for_once_more()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        Task<AtticOutcome> recording;
        // The row is somebody else's until that one gives it up.
        await using (var holder = await world.HoldAsync(
            $"insert into waiting_path (cache_id, holder, hash, push_id, digest, refs, info, object_id, file_hash, weight, trust_group, rank, reads_others) values (1, 'ci', '\\x{Convert.ToHexString(World.Hash("top").ToArray())}', 0, '', '{{}}', '', 0, '', 0, '', 0, true)"))
        {
            recording = new AtticClient(world).UploadAsync("top", "base");
            await world.UntilBlockedAsync();
            Assert.Equal(AtticOutcome.Published, await new AtticClient(world, "second", other).UploadAsync("base"));
            Assert.Null(world.NarInfoOf("top"));
            await holder.ExecuteAsync("delete from waiting_path");
        }

        Assert.Equal(AtticOutcome.Published, await recording);
        Assert.NotNull(world.NarInfoOf("top"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_collection_without_grace_while_paths_wait_takes_nothing_that_was_promised()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        await attic.UploadAsync("base");
        await attic.UploadAsync("top", "base", "late");
        await world.ExecuteAsync("delete from root");
        Assert.Equal(["late"], await attic.MissingAsync("top", "base", "late"));

        await world.CollectAsync(World.Everything);
        await world.CollectAsync(World.Everything);

        Assert.Equal(AtticOutcome.Published, await attic.UploadAsync("late"));
        Assert.NotNull(world.NarInfoOf("top"));
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Who_may_not_read_a_private_cache_is_told_of_nothing_that_others_put_and_completes_by_what_it_sends()
    {
        await using var world = await World.CreateAsync();
        var blind = new AtticClient(world, Publishers.Mallory with { ReadsOthers = false });
        var victim = new AtticClient(world, Publishers.Victim);
        await victim.UploadAsync("base");
        await victim.UploadAsync("theirs", "never");

        Assert.Equal(["base", "theirs", "top"], await blind.MissingAsync("base", "theirs", "top"));
        var top = await blind.SendAsync("top", ["base"]);
        Assert.Equal((AtticOutcome.Waiting, false), (top.Outcome, top.WasStored));
        Assert.Null(world.NarInfoOf("top"));
        Assert.False((await blind.SendAsync("base")).WasStored);

        Assert.NotNull(world.NarInfoOf("top"));
        Assert.Empty(await blind.MissingAsync("top"));
        Assert.Equal(["theirs"], await blind.MissingAsync("theirs"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_waits_is_there_for_its_own_publisher_alone()
    {
        await using var world = await World.CreateAsync();
        await new AtticClient(world, Publishers.Victim).UploadAsync("top", "never");

        Assert.Equal(["top"], await new AtticClient(world, Publishers.Mallory).MissingAsync("top"));
        Assert.Empty(await new AtticClient(world, Publishers.Victim).MissingAsync("top"));
    }

    [Fact]
    public async Task A_waiting_path_of_one_publisher_is_completed_by_another_and_stays_its_publishers()
    {
        await using var world = await World.CreateAsync();
        await new AtticClient(world, Publishers.Victim).UploadAsync("top", "base");
        await new AtticClient(world, Publishers.Mallory).UploadAsync("top", "base", "mallory");

        await new AtticClient(world, Publishers.Deployer).UploadAsync("base");

        Assert.Equal([World.Hash("base")], world.NarInfoOf("top")!.References.Select(r => r.Hash));
        Assert.Equal(Publishers.Victim.Publisher, await world.QueryAsync<string>(
            $"select p.name from store_path s join publisher p on p.id = s.publisher where s.hash = '\\x{Convert.ToHexString(World.Hash("top").ToArray())}'"));
        await world.AssertSoundAsync();
    }
}
