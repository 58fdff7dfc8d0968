using System.Collections.Concurrent;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>Group commit over the real PostgreSQL: fewer statements, and every push its own outcome.</summary>
public sealed class GroupedPushTests
{
    private const int Many = 100;

    [Fact]
    public async Task A_hundred_small_pushes_at_once_cost_far_fewer_statements_than_a_hundred_times_one()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a", "b"));
        var before = world.Core.Database.StatementCount;

        var commits = await Task.WhenAll(Enumerable.Range(0, Many).Select(_ => world.PushAsync(World.Chain("a", "b"))));

        Assert.All(commits, c => Assert.Equal(PushState.Committed, c.State));
        // Begin, an empty report and commit, of each.
        Assert.InRange(world.Core.Database.StatementCount - before, 3, Many);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Pushes_of_paths_of_their_own_and_of_the_same_paths_are_all_published()
    {
        await using var world = await World.CreateAsync(grouped: true);
        var other = await world.AddGatewayAsync();

        await Task.WhenAll(Enumerable.Range(0, Many).Select(async i =>
        {
            var pushes = i % 2 == 0 ? world.Pushes : other.Pushes;
            var opened = await world.BeginAsync(World.Chain($"own{i % 60}", "shared", $"top{i}"), pushes: pushes);
            while (true)
            {
                await world.UploadAsync(opened, pushes: pushes);
                var waiting = opened.Missing.Where(m => m.State == PathState.Wait).Select(m => m.Path).ToList();
                if (waiting.Count == 0)
                    break;
                var answer = await pushes.WaitAsync(CacheName.Default, World.Id(opened),
                    new WaitRequest { Paths = waiting, TimeoutSeconds = 30 }, CancellationToken.None);
                opened = opened with { Missing = answer.Paths, Uploads = answer.Uploads };
            }

            while ((await world.CommitAsync(opened, pushes)).State != PushState.Committed)
            {
                // Another one publishes some of it.
            }
        }));

        Assert.Equal(60 + 1 + Many, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_row_that_somebody_holds_keeps_back_its_own_push_only()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a"));
        var pushes = new List<PushOpened>();
        for (var i = 0; i < 12; i++)
            pushes.Add(await world.BeginAsync(World.Chain("a")));

        Task<CommitAnswer> held;
        await using (await world.HoldAsync($"select 1 from push where public_id = '{pushes[5].Id}' for update"))
        {
            held = world.CommitAsync(pushes[5]);
            var others = pushes.Where((_, i) => i != 5).Select(p => world.CommitAsync(p)).ToList();
            Assert.All(await Task.WhenAll(others), c => Assert.Equal(PushState.Committed, c.State));
            Assert.False(held.IsCompleted);
        }

        Assert.Equal(PushState.Committed, (await held).State);
    }

    [Fact]
    public async Task What_is_wrong_with_one_push_is_told_to_that_one()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a"));
        var good = await world.BeginAsync(World.Chain("a"));
        var ended = await world.BeginAsync(World.Chain("a"));
        var missing = await world.BeginAsync(World.Chain("a", "b"));
        await world.Pushes.AbortAsync(CacheName.Default, World.Id(ended), CancellationToken.None);

        List<Task<CommitAnswer>> busy;
        Task<CommitAnswer> first, second, third, fourth;
        await using (await world.HoldAsync("select 1 from push for update"))
        {
            busy = [];
            for (var i = 0; i < 3; i++)
            {
                busy.Add(world.CommitAsync(good));
                await world.UntilBlockedAsync();
            }

            (first, second, third, fourth) = (world.CommitAsync(good), world.CommitAsync(ended), world.CommitAsync(missing),
                world.CommitAsync(good with { Id = "987654" }));
        }

        Assert.Equal(PushState.Committed, (await first).State);
        Assert.Equal(ProblemKind.PushEnded, (await Assert.ThrowsAsync<CacheProblemException>(() => second)).Kind);
        Assert.Equal([World.Hash("b")], (await Assert.ThrowsAsync<CacheProblemException>(() => third)).Paths);
        Assert.Equal(ProblemKind.UnknownPush, (await Assert.ThrowsAsync<CacheProblemException>(() => fourth)).Kind);
        await Task.WhenAll(busy);
    }

    [Theory]
    [InlineData("raise exception 'a deadlock' using errcode = '40P01'")]
    [InlineData("raise exception 'not serialisable' using errcode = '40001'")]
    [InlineData("perform pg_terminate_backend(pg_backend_pid())")]
    public async Task A_group_that_the_database_gave_up_or_lost_is_sent_again_as_it_was(string trouble)
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a"));
        var pushes = new List<PushOpened>();
        for (var i = 0; i < 7; i++)
            pushes.Add(await world.BeginAsync(World.Chain("a")));
        // Once, and for one of the group: a sequence is not rolled back.
        await world.ExecuteAsync($"""
            create sequence trouble;
            create function trouble() returns trigger language plpgsql as $f$ begin if current_query() like '%commit_pushes(%' and nextval('trouble') = 1 then {trouble}; end if; return new; end $f$;
            create trigger trouble before update on push for each row when (old.public_id = '{pushes[5].Id}') execute function trouble();
            """);
        var (alone, release) = (new SemaphoreSlim(0), new TaskCompletionSource());
        world.Core.Database.BeforeStatement = async (sql, _) =>
        {
            if (!sql.Contains("commit_push(", StringComparison.Ordinal))
                return;
            alone.Release();
            await release.Task;
        };

        List<Task<CommitAnswer>> commits = [];
        foreach (var push in pushes)
        {
            commits.Add(world.CommitAsync(push));
            // As many as are under way at once, alone; the others are a group behind them.
            if (commits.Count <= 3)
                await alone.WaitAsync();
        }

        release.SetResult();

        Assert.All(await Task.WhenAll(commits), c => Assert.Equal(PushState.Committed, c.State));
        // Not alone, which the trigger does not count.
        Assert.Equal(2, await world.QueryAsync<long>("select last_value from trouble"));
    }

    [Fact]
    public async Task Begins_of_one_group_have_an_answer_each()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a"));
        var known = await world.BeginAsync(World.Chain("a"), "known");
        await world.BeginAsync(World.Chain("a"), "taken");
        var drv = StorePath.Parse($"{World.Hash("drv")}-a.drv");
        var sent = new ConcurrentBag<string>();
        world.Core.Database.BeforeStatement = (sql, _) => { sent.Add(sql); return Task.CompletedTask; };

        List<Task<PushOpened>> busy;
        Task<PushOpened> warm, replay, reused, missing, shared, log;
        await using (await world.HoldAsync("select pg_advisory_xact_lock(20291, id) from cache"))
        {
            busy = [];
            for (var i = 0; i < 3; i++)
            {
                busy.Add(world.BeginAsync(World.Chain("a")));
                await world.UntilBlockedAsync();
            }

            (warm, replay, reused) = (world.BeginAsync(World.Chain("a")), world.BeginAsync(World.Chain("a"), "known"),
                world.BeginAsync(World.Chain("b"), "taken"));
            (missing, shared) = (world.BeginAsync(World.Chain("a", "c")), world.BeginAsync(World.Chain("c", "d")));
            log = world.BeginAsync(World.Chain("a") with { Logs = [new LogDeclaration { Drv = drv, Path = World.Hash("a") }] });
        }

        Assert.Equal((1, 0), ((await warm).Present, (await warm).Missing.Count));
        Assert.Equal((known.Id, 1), ((await replay).Id, (await replay).Present));
        Assert.Equal(ProblemKind.KeyReused, (await Assert.ThrowsAsync<CacheProblemException>(() => reused)).Kind);
        Assert.Equal((1, World.Hash("c")), ((await missing).Present, Assert.Single((await missing).Missing).Path));
        Assert.Equal([World.Hash("c"), World.Hash("d")], (await shared).Missing.Select(m => m.Path).Order());
        Assert.Single((await missing).Missing.Concat((await shared).Missing), m => m.Path == World.Hash("c")
            && m.State == PathState.Upload);
        Assert.Equal([drv], (await log).MissingLogs);
        Assert.Equal("a", await NamesAsync(await warm, "paths"));
        Assert.Equal("a", await NamesAsync(await missing, "paths"));
        Assert.Equal(World.Hash("c"), await RootOfAsync(await missing));
        Assert.Equal(World.Hash("d"), await RootOfAsync(await shared));
        Assert.Contains(sent, sql => sql.Contains("open_pushes", StringComparison.Ordinal));
        await Task.WhenAll(busy);

        Task<string> NamesAsync(PushOpened push, string column) =>
            world.QueryAsync<string>(
                $"select string_agg(s.name, ' ' order by s.name) from push u join store_path s on s.id = any(u.{column}) where " +
                $"u.public_id = '{push.Id}'");

        // A name comes with the commit that publishes its path.
        async Task<StorePathHash> RootOfAsync(PushOpened push) =>
            StorePathHash.FromBytes(await world.QueryAsync<byte[]>(
                $"select s.hash from push u join store_path s on s.id = u.roots[1] where u.public_id = '{push.Id}'"));
    }

    [Fact]
    public async Task Pushes_that_bring_nothing_end_together_each_with_its_root_and_its_pin()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a", "b"));
        var pinned = await world.BeginAsync(World.Chain("a") with { Pin = new PushPin { Name = PinName.Parse("web") } });
        var pushes = new List<PushOpened>();
        for (var i = 0; i < 8; i++)
            pushes.Add(await world.BeginAsync(i < 4 ? World.Chain("a") : World.Chain("a", "b")));
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        var touched = await world.CollectAsync(new GcRequest { OlderThanSeconds = 3600 });
        Assert.Equal(GcState.Done, touched.State);

        List<Task<CommitAnswer>> commits = [];
        await using (await world.HoldAsync("select 1 from push for update"))
        {
            foreach (var push in pushes.Append(pinned))
            {
                commits.Add(world.CommitAsync(push));
                if (commits.Count <= 3)
                    await world.UntilBlockedAsync();
            }
        }

        Assert.All(await Task.WhenAll(commits), c => Assert.Equal((PushState.Committed, 0), (c.State, c.Published)));
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from root where pushed > clock_timestamp() - interval '30 seconds'"));
        Assert.Equal(0,
            await world.QueryAsync<long>("select count(*) from push where state <> 'committed' or finished is null or lease is not null"));
        // Promised anew: what a collection that began before them may not take.
        Assert.Equal(2,
            await world.QueryAsync<long>(
            "select count(*) from store_path s join gc_epoch e on e.cache_id = s.cache_id where s.touched = e.g"));
        Assert.Equal(World.Hash("a"),
            (await world.Core.Pins.ShowAsync(CacheName.Default, PinName.Parse("web"), CancellationToken.None)).Path.Hash);
    }

    [Fact]
    public async Task A_group_does_not_lock_a_realisation_that_is_there_before_the_path_that_carries_it()
    {
        await using var world = await World.CreateAsync();
        var a = await WithRealisationAsync();
        var b = await WithRealisationAsync();

        // As ConcurrentPushTests has it for a push that is committed alone.
        Task commit;
        await using (await world.HoldAsync("select 1 from store_path for update"))
        {
            commit = world.ExecuteAsync(
                $"select * from @fn@.commit_pushes((select id from cache), @fn@.pushes_of((select id from cache), '{{{a.Id}, {b.Id}}}', " +
                $"'{{x, x}}', '{{t, t}}'), 500, '1 minute')");
            await world.UntilBlockedAsync();
            await using var next = await world.HoldAsync("select 1 from object where kind = 'realisation' for update nowait");
        }

        await commit;
        Assert.Equal(PushState.Committed, (await world.CommitAsync(a)).State);
        await world.AssertSoundAsync();

        async Task<PushOpened> WithRealisationAsync()
        {
            var id = Nix.RealisationId.Parse($"sha256:{new string('0', 64)}!out");
            var push = await world.BeginAsync(
                World.Closure(World.Path("a")) with { Realisations = [new RealisationDeclaration { Id = id, Path = World.Hash("a") }] });
            await world.UploadAsync(push);
            await world.Pushes.ReportAsync(
                CacheName.Default, World.Id(push),
                new UploadReport { Realisations = [new RealisationContent { Id = id, Path = World.Hash("a"), Content = "{}" }] },
                CancellationToken.None);
            if (push.Missing.Count == 0)
                return push;
            await world.CommitAsync(push);
            return await WithRealisationAsync();
        }
    }

    [Fact]
    public async Task Groups_that_claim_the_same_in_another_order_are_given_up_before_they_deadlock()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var pushes = new List<PushOpened>();
        for (var i = 0; i < 4; i++)
            pushes.Add(await world.BeginAsync(World.Chain("a")));
        // Each group stops after its first claim, until both have one.
        await world.ExecuteAsync("""
            insert into store_path (cache_id, hash, name) select c.id, substr(sha256(u.n::bytea), 1, 20), '' from cache c, unnest('{x, y}'::text[]) u(n);
            create sequence stopped;
            create function stop() returns trigger language plpgsql as $f$ begin
              perform nextval('stopped');
              while not pg_try_advisory_xact_lock_shared(99) loop perform pg_sleep(0.01); end loop;
              return new;
            end $f$;
            create trigger stop after insert on object for each row execute function stop();
            """);

        Task<string?> one, other;
        await using (await world.HoldAsync("select pg_advisory_xact_lock(99)"))
        {
            (one, other) = (ClaimAsync("x", "y", pushes[0], pushes[1]), ClaimAsync("y", "x", pushes[2], pushes[3]));
            await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<long>("select last_value from stopped") == 2);
        }

        var answers = new[] { await one, await other };
        Assert.Contains("55P03", answers);
        Assert.DoesNotContain("40P01", answers);

        async Task<string?> ClaimAsync(string first, string second, params PushOpened[] of)
        {
            await using var connection = new NpgsqlConnection(world.ConnectionString);
            await connection.OpenAsync();
#pragma warning disable CA2100 // A test's own text.
            await using var claim = new NpgsqlCommand($$"""
                with given as materialized (
                  select c.id as cache, u.ord, u.name, u.push, s.id, sha256(u.name::bytea) as nar_hash
                  from cache c, unnest('{{{first}}, {{second}}}'::text[], '{{{of[0].Id}}, {{of[1].Id}}}'::uuid[]) with ordinality u(name, push, ord)
                  join store_path s on s.hash = substr(sha256(u.name::bytea), 1, 20))
                select count(*) from (
                  select min(cache) as cache, array_agg(p.id order by ord) as pushes, array_agg(g.id order by ord) as ids, array_agg(g.name order by ord) as names,
                    array_agg(g.nar_hash order by ord) as hashes, array_agg('nar/' || p.id || '.nar.zst' order by ord) as keys
                  from given g join push p on p.public_id = g.push) g
                cross join lateral {{world.Core.Database.Functions}}.claim_pushes(g.cache, g.pushes, '{1,1}', g.ids, g.names, g.hashes, '{100,100}', '{0,0}', '{0,0}', '{}', '{null,null}', '{null,null}',
                  '{s,s}', '{null,null}', '{f,f}', g.keys, '1 hour', 1000000) c
                """, connection);
#pragma warning restore CA2100
            try
            {
                Assert.Equal(2L, await claim.ExecuteScalarAsync());
                return null;
            }
            catch (PostgresException e)
            {
                return e.SqlState;
            }
        }
    }

    [Fact]
    public async Task A_large_push_in_the_midst_of_small_ones_is_committed_as_well()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a"));
        var large = await world.BeginAsync(World.Closure([.. Enumerable.Range(0, 699).Select(i => World.Path($"n{i}")),
            World.Path("top", [.. Enumerable.Range(0, 699).Select(i => $"n{i}")])]));
        await world.UploadAsync(large);
        var small = new List<PushOpened>();
        for (var i = 0; i < 10; i++)
            small.Add(await world.BeginAsync(World.Chain("a")));

        var commits = await Task.WhenAll(small.Append(large).Concat(small).Select(p => world.CommitAsync(p)));

        Assert.All(commits, c => Assert.Equal(PushState.Committed, c.State));
        Assert.Equal(701, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }
}
