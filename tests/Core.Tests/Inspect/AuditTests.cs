using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Inspect;

/// <summary>Each change leaves one line: who, what, when, and from where. A replay leaves none.</summary>
public sealed class AuditTests
{
    private const string Address = "192.0.2.7";
    private static readonly Caller Ci = Victim with { Address = Address };
    private static readonly Caller Deploy = Deployer with { Address = "2001:db8::1" };

    [Fact]
    public async Task A_push_is_a_line_with_who_published_it_what_and_from_where()
    {
        await using var world = await World.CreateAsync();

        await world.PushAsync(Ci, World.Chain("a", "b"));

        var line = Assert.Single(await LinesAsync(world));
        Assert.Equal((Ci.Publisher, Address, "commit", World.Path("b").Path.BaseName, """{"published": 2}"""),
            (line.Publisher, line.Address, line.Action, line.Path, line.Detail?.GetRawText()));
        Assert.InRange(line.At, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_warm_push_is_a_narrow_line_and_two_statements(bool grouped)
    {
        await using var world = await World.CreateAsync(grouped: grouped);
        await world.PushAsync(Victim, World.Chain("a"));
        var before = world.Core.Database.StatementCount;

        var push = await world.BeginAsync(Ci, World.Chain("a"));
        await world.CommitAsync(push, world.Of(Ci));

        Assert.Equal(2, world.Core.Database.StatementCount - before);
        var line = (await LinesAsync(world))[0];
        Assert.Equal((Ci.Publisher, Address, "commit", World.Path("a").Path.BaseName, false),
            (line.Publisher, line.Address, line.Action, line.Path, line.Detail.HasValue));
    }

    [Fact]
    public async Task Each_push_of_a_group_is_a_line_of_its_own_committer()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(Victim, World.Chain("a"));
        var pushes = new List<(Caller Caller, PushOpened Push)>();
        foreach (var caller in Enumerable.Range(10, 6).Select(i => new Caller($"token:{i}", Victim.Group, 0, Address: $"192.0.2.{i}")))
            pushes.Add((caller, await world.BeginAsync(caller, World.Chain("a"))));
        await world.ExecuteAsync("delete from audit");

        // The first stands before a lock, and the others become a group.
        Task[] commits;
        await using (await world.HoldAsync("select pg_advisory_xact_lock(20291, id) from cache"))
        {
            commits = [.. pushes.Select(p => world.CommitAsync(p.Push, world.Of(p.Caller)))];
            await world.UntilBlockedAsync();
        }

        await Task.WhenAll(commits);

        Assert.Equal(pushes.Select(p => (p.Caller.Publisher, p.Caller.Address)).Order(), (await LinesAsync(world))
            .Select(l => (l.Publisher, l.Address)).Order());
    }

    [Fact]
    public async Task Who_commits_for_another_stands_beside_who_opened_the_push()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Ci, Pinned(World.Chain("a")) with { Committers = [Deploy.Publisher] });
        await world.UploadAsync(push, pushes: world.Of(Ci));

        await world.CommitAsync(push, world.Of(Deploy));

        var lines = await LinesAsync(world);
        var commit = Assert.Single(lines, l => l.Action == "commit");
        Assert.Equal((Deploy.Publisher, Deploy.Address, Ci.Publisher, "app"), (commit.Publisher, commit.Address, Detail(commit, "opened"),
            Detail(commit, "pin")));
        var pin = Assert.Single(lines, l => l.Action == "pin.set");
        Assert.Equal((Deploy.Publisher, Deploy.Address, "app", World.Path("a").Path.BaseName),
            (pin.Publisher, pin.Address, pin.Subject, pin.Path));
        Assert.Equal(2, lines.Count);
    }

    [Fact]
    public async Task A_commit_that_is_sent_again_adds_no_line()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Ci, Pinned(World.Chain("a")));
        await world.UploadAsync(push, pushes: world.Of(Ci));
        await world.CommitAsync(push, world.Of(Ci));
        var lines = await LinesAsync(world);

        await world.CommitAsync(push, world.Of(Ci));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(lines, await LinesAsync(world), Same);
    }

    [Fact]
    public async Task A_commit_that_is_refused_adds_no_line()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Ci, World.Chain("a"));

        await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Ci)));

        Assert.Empty(await LinesAsync(world));
    }

    [Fact]
    public async Task A_pin_of_a_push_that_another_process_finishes_is_still_the_committers()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Deploy, Pinned(World.Chain("a")));
        await world.UploadAsync(push, pushes: world.Of(Deploy));
        var fn = world.Core.Database.Functions;
        await world.ExecuteAsync(
            $"select {fn}.commit_push(1, {fn}.push_of(1, '{push.Id}', null, true), interval '0 s', '{Deploy.Publisher}', " +
            $"'{Deploy.Address}')");

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await Testing.Eventually.BecomesTrueAsync(async () => (await LinesAsync(world)).Count == 2);

        var pin = Assert.Single(await LinesAsync(world), l => l.Action == "pin.set");
        Assert.Equal((Deploy.Publisher, Deploy.Address), (pin.Publisher, pin.Address));
    }

    [Fact]
    public async Task A_pin_that_an_equal_rank_kept_from_moving_is_told_of()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(World.Path("a", content: "lie")));
        var push = await world.BeginAsync(Deploy, Pinned(World.Chain("a")));
        await world.UploadAsync(push, pushes: world.Of(Deploy));
        var fn = world.Core.Database.Functions;
        await world.ExecuteAsync(
            $"select {fn}.commit_push(1, {fn}.push_of(1, '{push.Id}', null, true), interval '0 s', '{Deploy.Publisher}', " +
            $"'{Deploy.Address}')");
        await world.PushAsync(OtherDeployer, World.Closure(World.Path("a", content: "other")));

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await Testing.Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<bool>("select bool_and(state = 'committed') from push"));

        var pin = Assert.Single(await LinesAsync(world, action: "pin"));
        Assert.Equal(("pin.refuse", "app", Deploy.Publisher, Deploy.Address), (pin.Action, pin.Subject, pin.Publisher, pin.Address));
    }

    [Fact]
    public async Task A_repeated_push_with_a_pin_that_stays_is_one_line()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Deploy, Pinned(World.Chain("a")));
        await world.ExecuteAsync("delete from audit");

        await world.PushAsync(Deploy, Pinned(World.Chain("a")));

        Assert.Equal("app", Detail(Assert.Single(await LinesAsync(world)), "pin"));
    }

    [Fact]
    public async Task Superseded_paths_and_conflicts_are_counted()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("a"));
        var conflicting = await world.BeginAsync(Ci, World.Closure(World.Path("b")));
        await world.UploadAsync(conflicting, pushes: world.Of(Ci));
        await world.PushAsync(Mallory, World.Closure(World.Path("b", content: "other")));
        await world.CommitAsync(conflicting, world.Of(Ci));
        await world.PushAsync(Deploy, World.Closure(World.Path("a", content: "true")));

        var lines = await LinesAsync(world);

        Assert.Equal(("1", Deploy.Publisher), (Detail(lines[0], "superseded"), lines[0].Publisher));
        Assert.Equal(("1", Ci.Publisher), (Detail(lines[1], "conflicts"), lines[1].Publisher));
    }

    [Fact]
    public async Task Pins_are_audited_from_being_set_to_their_end()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("b"));
        await world.ExecuteAsync("delete from audit");
        var (pins, app, operation) = (world.Core.Pins.As(Deploy with { IsAdmin = true }), PinName.Parse("app"), OperationId.New());

        for (var i = 0; i < 2; i++)
            await pins.SetAsync(CacheName.Default, app, new SetPin { Path = World.Path("a").Path, KeepRevisions = 5 }, PinCondition.None,
                operation, TimeSpan.Zero, CancellationToken.None);
        await pins.SetAsync(CacheName.Default, app, new SetPin { Path = World.Path("b").Path }, PinCondition.None, OperationId.New(),
            TimeSpan.Zero, CancellationToken.None);
        await pins.RollbackAsync(CacheName.Default, app, new RollbackPin(), PinCondition.None, OperationId.New(), TimeSpan.Zero,
            CancellationToken.None);
        await Assert.ThrowsAsync<CacheProblemException>(() => pins.SetAsync(
            CacheName.Default, app, new SetPin { Path = World.Path("b").Path }, PinCondition.Absent, OperationId.New(), TimeSpan.Zero,
            CancellationToken.None));
        await pins.DeleteAsync(CacheName.Default, app, PinCondition.None, OperationId.New(), TimeSpan.Zero, CancellationToken.None);
        await pins.SetAsync(CacheName.Default, PinName.Parse("pr"), new SetPin { Path = World.Path("b").Path, ExpiresSeconds = 1 },
            PinCondition.None, OperationId.New(), TimeSpan.Zero, CancellationToken.None);
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        var lines = await LinesAsync(world);

        var (a, b) = (World.Path("a").Path.BaseName, World.Path("b").Path.BaseName);
        Assert.Equal(
            [("pin.expire", "pr", b, "server"), ("pin.set", "pr", b, Deploy.Publisher), ("pin.delete", "app", a, Deploy.Publisher),
                ("pin.rollback", "app", a, Deploy.Publisher), ("pin.move", "app", b, Deploy.Publisher),
                ("pin.set", "app", a, Deploy.Publisher)],
            lines.Select(l => (l.Action, l.Subject, l.Path, l.Publisher)));
        Assert.All(lines.Skip(1), l => Assert.Equal(Deploy.Address, l.Address));
    }

    [Fact]
    public async Task Tokens_are_audited_without_their_secrets()
    {
        await using var world = await World.CreateAsync();
        var tokens = world.Core.Tokens.As(Admin with { Address = Address });

        var created = await tokens.CreateAsync(CacheName.Default, new CreateToken { Name = "ci", Scopes = [TokenScope.Push] },
            CancellationToken.None);
        for (var i = 0; i < 2; i++)
            await tokens.RevokeAsync(CacheName.Default, created.Token.Id, CancellationToken.None);

        var lines = await LinesAsync(world);
        var publisher = ValidToken.PublisherOf(created.Token.Id);
        Assert.Equal([("token.revoke", publisher, Admin.Publisher, Address), ("token.create", publisher, Admin.Publisher, Address)],
            lines.Select(l => (l.Action, l.Subject, l.Publisher, l.Address)));
        Assert.Equal("ci", Detail(lines[1], "name"));
        Assert.True(
            await world.QueryAsync<bool>(
            $"select bool_and(position('{created.Secret[4..]}' in a::text) = 0 and position(encode(t.digest, 'hex') in a::text) = 0) " +
            "from audit a, token t"));
    }

    [Fact]
    public async Task A_collection_is_audited_with_who_started_it_and_its_end()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var (caller, operation) = (Admin with { Address = Address }, OperationId.New());

        var run = await world.Core.Collection.StartAsync(CacheName.Default, caller, World.Everything, operation, CancellationToken.None);
        await world.EndOfRunAsync(run.Id);
        await world.Core.Collection.StartAsync(CacheName.Default, caller, World.Everything, operation, CancellationToken.None);

        var lines = await LinesAsync(world, action: "gc");
        Assert.Equal([("gc.end", "server", null), ("gc.start", Admin.Publisher, Address)],
            lines.Select(l => (l.Action, l.Publisher, l.Address)));
        Assert.All(lines, l => Assert.Equal($"{run.Id}", l.Subject));
        Assert.Equal(("done", "2"), (Detail(lines[0], "state"), Detail(lines[0], "deleted")));
    }

    [Fact]
    public async Task An_admins_abort_of_anothers_push_is_audited_and_ones_own_is_not()
    {
        await using var world = await World.CreateAsync();
        var (theirs, mine) = (await world.BeginAsync(Mallory, World.Chain("m")), await world.BeginAsync(Ci, World.Chain("a")));

        await world.Of(Ci).AbortAsync(CacheName.Default, World.Id(mine), CancellationToken.None);
        for (var i = 0; i < 2; i++)
            await world.Of(Admin).AbortAsync(CacheName.Default, World.Id(theirs), CancellationToken.None);

        var line = Assert.Single(await LinesAsync(world));
        Assert.Equal(("push.abort", Admin.Publisher, Mallory.Publisher), (line.Action, line.Publisher, Detail(line, "opened")));
    }

    [Fact]
    public async Task Stock_Nixs_pushes_are_audited_as_all_others()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("a");

        var line = Assert.Single(await LinesAsync(world));
        Assert.Equal((StockNix.Caller().Publisher, "commit", World.Path("a").Path.BaseName), (line.Publisher, line.Action, line.Path));
    }

    [Fact]
    public async Task Pages_follow_one_another_to_the_end_and_filters_find_what_is_far_back()
    {
        await using var world = await World.CreateAsync();
        await world.ExecuteAsync("""
            insert into audit (cache_id, at, publisher, action) select 1, clock_timestamp() - make_interval(mins => i / 3), 'token:' || i % 2, case when i = 119999 then 'evict' else 'commit' end from generate_series(1, 120000) i
            """);

        var (seen, after) = (new List<AuditLine>(), (string?)null);
        do
        {
            var page = await world.Core.Audit.ReadAsync(CacheName.Default, new AuditQuery(DateTimeOffset.UtcNow.AddHours(-2), By: "token:1",
                After: after, Limit: 50), CancellationToken.None);
            (after, seen) = (page.Next, [.. seen, .. page.Lines]);
        }
        while (after is not null);

        Assert.InRange(seen.Count, 178, 180);
        Assert.Equal(seen.OrderByDescending(l => l.At), seen);
        Assert.Equal("evict", Assert.Single(await LinesAsync(world, action: "evict")).Action);
        Assert.Empty(await LinesAsync(world, action: "evi"));
    }

    [Fact]
    public async Task Old_lines_are_deleted_in_batches_and_young_ones_stay()
    {
        await using var world = await World.CreateAsync();
        await world.ExecuteAsync("""
            insert into audit (cache_id, at, publisher, action) select 1, clock_timestamp() - case when i <= 6000 then interval '401 days' else interval '399 days' end, 'x', 'commit' from generate_series(1, 6010) i
            """);

        var left = new List<long>();
        for (var i = 0; i < 3; i++)
        {
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
            left.Add(await world.QueryAsync<long>("select count(*) from audit"));
        }

        Assert.Equal([1010, 10, 10], left);
    }

    [Fact]
    public async Task A_position_that_no_page_told_is_refused()
    {
        await using var world = await World.CreateAsync();

        foreach (var after in (string[])["", "x", "1-", "-1-1", "ffffffffffffffff-1", "7fffffffffffffff-1"])
            Assert.Equal(ProblemKind.BadRequest,
                (await Assert.ThrowsAsync<CacheProblemException>(() =>
                world.Core.Audit.ReadAsync(CacheName.Default, new AuditQuery(After: after), CancellationToken.None))).Kind);
    }

    /// <summary>All of them, newest first.</summary>
    private static async Task<List<AuditLine>> LinesAsync(World world, string? action = null)
    {
        var (lines, after) = (new List<AuditLine>(), (string?)null);
        do
        {
            var page = await world.Core.Audit.ReadAsync(CacheName.Default, new AuditQuery(Action: action, After: after),
                CancellationToken.None);
            lines.AddRange(page.Lines);
            after = page.Next;
        }
        while (after is not null);
        return lines;
    }

    private static string? Detail(AuditLine line, string name) => line.Detail is { } detail && detail.TryGetProperty(name, out var value)
        ? value.ToString() : null;

    private static bool Same(AuditLine one, AuditLine other) => JsonSerializer.Serialize(one) == JsonSerializer.Serialize(other);
}
