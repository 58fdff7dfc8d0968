using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>Whose object is read next, and by which server.</summary>
public sealed class TurnTests
{
    [Fact]
    public async Task Publishers_take_turns_however_much_one_of_them_asks()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        await SendAsync(world, Mallory, [.. Enumerable.Range(0, 20).Select(i => new TextNar($"m{i}", $"m{i}"))]);
        await SendAsync(world, Victim, new TextNar("v", "v"));

        Assert.Contains("token:2", await TakeAsync(world, 2));
        Assert.Equal(["token:1", "token:1"], await TakeAsync(world, 2));
    }

    [Fact]
    public async Task What_somebody_waits_for_comes_before_the_scrub()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        await SendAsync(world, Victim, new TextNar("a", "a"), new TextNar("b", "b"));
        await world.ExecuteAsync("update verification set urgent = false, asked = asked - interval '1 hour' where object_id = (select min(object_id) from verification)");

        Assert.Single(await TakeAsync(world, 1));
        Assert.False(await world.QueryAsync<bool>("select urgent from verification where lease < clock_timestamp()"));
    }

    [Fact]
    public async Task Who_has_asked_for_very_many_brings_the_rest_himself()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        TextNar[] nars = [new("a", "a"), new("b", "b"), new("c", "c")];
        await SendAsync(world, Mallory, nars);
        await SendAsync(world, Victim, new TextNar("v", "v"));
        // All but one of those that may wait for his group.
        await world.ExecuteAsync("""
            insert into verification (cache_id, object_id, publisher, owner, urgent) select 1, -i, b.id, 0, true from publisher b, generate_series(1, 19999) i where b.name = 'token:2'
            """);

        var push = await world.BeginAsync(Victim, Closure(nars));

        Assert.Equal(1, push.Missing.Count(m => m.State == PathState.Wait));
        Assert.Equal(2, push.Missing.Count(m => m.State == PathState.Upload));
        // What he waits for he still waits for; others are asked for as ever.
        var waits = push.Missing.Single(m => m.State == PathState.Wait).Path;
        Assert.Equal(PathState.Wait, (await world.AskAsync(Victim, push, nars.Single(n => n.Hash == waits).Name)).Paths[0].State);
        Assert.All((await world.BeginAsync(Deployer, Closure(nars))).Missing, m => Assert.Equal(PathState.Wait, m.State));
    }

    [Fact]
    public async Task A_server_that_stops_is_succeeded_when_its_lease_is_over()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        await SendAsync(world, Victim, new TextNar("a", "a"));
        Assert.Single(await TakeAsync(world, 5));

        Assert.Equal(0, await world.VerifyAsync());
        await world.TravelAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(1, await world.VerifyAsync());
    }

    [Fact]
    public async Task A_reading_that_ends_in_the_objects_next_life_says_nothing_of_its_bytes()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        var a = new TextNar("a", "a");
        await SendAsync(world, Victim, a);
        world.Store.OnRead = async key =>
        {
            // Deleted and granted again while it is read: other bytes under the same key.
            if (key.ToString().StartsWith("nar/", StringComparison.Ordinal))
                await world.ExecuteAsync("update object set generation = generation + 1, verified = false");
        };

        await world.VerifyAsync();
        world.Store.OnRead = static _ => Task.CompletedTask;

        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from object where not verified"));
        Assert.Equal(1, await world.WaitingAsync());
        await world.TravelAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(1, await world.VerifyAsync());
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from object where verified"));
    }

    [Fact]
    public async Task A_server_reads_by_itself_what_comes_while_it_is_idle_and_while_it_is_busy()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        var core = await world.AddGatewayAsync(works: true);
        for (var round = 0; round < 2; round++)
        {
            TextNar[] nars = [.. Enumerable.Range(0, 50).Select(i => new TextNar($"r{round}-{i}", $"{round} {i}"))];
            var push = await SendAsync(world, Victim, nars);

            var committed = await core.Pushes.As(Victim).CommitAsync(CacheName.Default, World.Id(push), TimeSpan.FromSeconds(60),
                CancellationToken.None);
            Assert.Equal((PushState.Committed, 50), (committed.State, committed.Published));
        }
    }

    [Fact]
    public async Task What_is_asked_while_it_is_read_is_read_again()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Always);
        // A run of nix32 characters longer than a hash: what occurs in it is known only of what was looked for.
        var long_ = new TextNar("a", $"x{World.Hash("b")}{World.Hash("c")}x");
        var push = await world.SendAsync(Victim, World.Closure(new TextNar("b", "b").Path(), long_.Path("b")), new TextNar("b", "b"), long_);
        world.Store.OnRead = async key =>
        {
            if (key.ToString().StartsWith("nar/", StringComparison.Ordinal))
                await world.ExecuteAsync($"update verification set hashes = hashes || '\\x{Convert.ToHexString(World.Hash("c").ToArray())}'::bytea");
        };

        await world.VerifyAsync();
        world.Store.OnRead = static _ => Task.CompletedTask;

        Assert.Equal(0, await world.WaitingAsync());
        Assert.True(await world.QueryAsync<bool>(
            $"select partial and '\\x{Convert.ToHexString(World.Hash("b").ToArray())}'::bytea = any(occurring) from proof order by cardinality(occurring) desc limit 1"));
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, push, TimeSpan.FromSeconds(30))).State);
    }

    [Fact]
    public async Task A_reference_that_nobody_has_looked_for_is_looked_for_before_it_is_refused()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var (b, a) = (new TextNar("b", "b"), new TextNar("a", $"x{World.Hash("b")}x"));
        var first = await world.SendAsync(Victim, World.Closure(a.Path()), a);
        await world.CommitAsync(Victim, first, TimeSpan.FromSeconds(30));
        var second = await world.SendAsync(Mallory, World.Closure(a.Path()), a);
        await world.VerifyAsync();
        Assert.True(await world.QueryAsync<bool>("select partial and occurring = array[]::bytea[] or cardinality(occurring) = 0 from proof"));

        var more = await world.SendAsync(Deployer, World.Closure(b.Path(), a.Path("b")), b);
        Assert.Equal(PushState.Committing, (await world.CommitAsync(Deployer, more)).State);
        await world.VerifyAsync();
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Deployer, more, TimeSpan.FromSeconds(30))).State);
        Assert.Single(world.NarInfoOf("a")!.References);
        Assert.NotNull(second.Id);
    }

    private static Task<PushOpened> SendAsync(World world, Caller caller, params TextNar[] nars) =>
        world.SendAsync(caller, Closure(nars), nars);

    private static BeginPush Closure(TextNar[] nars) =>
        World.Closure([.. nars.Select(n => n.Path())]) with { Roots = [.. nars.Select(n => n.Hash)] };

    private static Task<List<string>> TakeAsync(World world, int max) => world.Core.Database.ListAsync(
        $"select publisher from @fn@.take_verifications(1, {max}, interval '1 minute', interval '0', '{{}}')", _ => { }, r => r.GetString(0), CancellationToken.None);
}
