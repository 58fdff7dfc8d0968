using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Subjects;

/// <summary>Blocks over the real catalog.</summary>
public sealed class SubjectsTests
{
    private const string Address = "192.0.2.9";

    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly Caller Job = new("oidc:ci/1296269", "builds", 0);
    private static readonly Caller OtherJob = new("oidc:ci/7", "builds", 0);

    [Theory]
    [InlineData("oidc:ci/1296269", "oidc:ci/1296269", true)]
    [InlineData("oidc:ci/1296269", "oidc:ci/12962690", false)]
    [InlineData("oidc:ci/1296269", "xoidc:ci/1296269", false)]
    [InlineData("oidc:*/1296269", "oidc:ci+main/1296269", true)]
    [InlineData("oidc:ci/129626?", "oidc:ci/1296269", true)]
    [InlineData("oidc:ci/129626?", "oidc:ci/129626", false)]
    [InlineData("oidc:c_i/*", "oidc:cxi/1", false)]
    [InlineData("oidc:c_i/*", "oidc:c_i/1", true)]
    [InlineData("oidc:a/x%2F*", "oidc:a/x%2Fy", true)]
    [InlineData("oidc:a/x%2F*", "oidc:a/xyz2Fy", false)]
    [InlineData("oidc:CI/*", "oidc:ci/1", false)]
    [InlineData("*", "token:7", true)]
    public async Task A_pattern_means_whole_names(string pattern, string publisher, bool expected)
    {
        await using var world = await World.CreateAsync();
        await BlockAsync(world, pattern, "why");

        var found = await world.Core.Subjects.FindAsync(CacheName.Default, publisher, None);

        Assert.Equal(expected ? new SubjectBlock(pattern, "why") : null, found);
    }

    [Fact]
    public async Task A_block_ends_the_open_pushes_of_those_that_it_names_and_of_nobody_else()
    {
        await using var world = await World.CreateAsync();
        var (mine, theirs, file) = (await world.BeginAsync(Job, World.Chain("a")), await world.BeginAsync(Victim, World.Chain("b")),
            await world.BeginAsync(Admin, World.Chain("c")));
        await world.BeginAsync(OtherJob, World.Chain("d"));

        var blocked = await BlockAsync(world, "oidc:ci/*");

        Assert.Equal((2, "oidc:ci/*"), (blocked.EndedPushes, blocked.Block.Pattern));
        Assert.Equal(ProblemKind.PushEnded,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(mine, world.Of(Job)))).Kind);
        await world.UploadAsync(theirs, pushes: world.Of(Victim));
        Assert.Equal(PushState.Committed, (await world.CommitAsync(theirs, world.Of(Victim))).State);
        await BlockAsync(world, "*");
        await world.UploadAsync(file, pushes: world.Of(Admin));
        Assert.Equal(PushState.Committed, (await world.CommitAsync(file, world.Of(Admin))).State);
    }

    [Fact]
    public async Task A_push_with_a_request_under_way_ends_after_it_and_one_that_was_begun_meanwhile_by_the_housekeeper()
    {
        await using var world = await World.CreateAsync();
        await world.BeginAsync(Job, World.Chain("a"));
        var busy = await world.BeginAsync(Job, World.Chain("b"));
        Task<Blocked> blocking;
        await using (await world.HoldAsync($"select 1 from push where id = (select max(id) from push) for update"))
        {
            blocking = BlockAsync(world, "oidc:ci/*");
            await Eventually.BecomesTrueAsync(async () => await OpenAsync(world) == 1);
        }

        Assert.Equal(2, (await blocking).EndedPushes);
        Assert.Equal(ProblemKind.PushEnded,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(busy, world.Of(Job)))).Kind);

        // The way of a begin that was let in before the block stood.
        await world.BeginAsync(Job, World.Chain("c"));
        await world.Core.RunHousekeepingAsync(None);
        Assert.Equal(0, await OpenAsync(world));
    }

    [Fact]
    public async Task What_only_blocked_publishers_have_pushed_is_not_kept_and_what_others_have_pushed_or_pinned_is()
    {
        await using var world = await World.CreateAsync();
        foreach (var name in (string[])["own", "shared", "pinned", "later"])
            await PushAsync(Job, name);
        await PushAsync(Victim, "shared");
        await world.PinAsync("kept", "pinned", pins: world.Core.Pins.As(Job with { Rank = 1 }));
        var block = await BlockAsync(world, "oidc:ci/1296269");

        Assert.Equal("later own", await DoomedAsync());

        await PushAsync(Victim, "later");
        Assert.Equal("own", await DoomedAsync());
        await world.Core.Subjects.UnblockAsync(CacheName.Default, block.Block.Id, Admin, None);
        Assert.Equal("", await DoomedAsync());

        async Task PushAsync(Caller caller, string name)
        {
            var push = await world.BeginAsync(caller, World.Chain(name));
            await world.UploadAsync(push, pushes: world.Of(caller));
            Assert.Equal(PushState.Committed, (await world.CommitAsync(push, world.Of(caller))).State);
        }

        Task<string> DoomedAsync() => world.QueryAsync<string>(
            $"""
            select coalesce(string_agg(s.name, ' ' order by s.name), '') from store_path s where s.state = 'live' and not exists (
              select from {world.Core.Database.Functions}.gc_roots(1, interval '1 day') g where s.id = any(g.paths))
            """);
    }

    [Fact]
    public async Task A_blocked_token_is_found_with_its_block_by_the_one_statement_that_finds_it()
    {
        await using var world = await World.CreateAsync();
        var made = await world.Core.Tokens.CreateAsync(CacheName.Default, new CreateToken { Name = "ci", Scopes = [TokenScope.Push] }, None);
        await world.Core.Tokens.FindAsync(made.Secret, None);
        var block = (await BlockAsync(world, $"token:{made.Token.Id}", "lost")).Block;

        var before = world.Core.Database.StatementCount;
        var found = await world.Core.Tokens.FindAsync(made.Secret, None);

        Assert.Equal(before + 1, world.Core.Database.StatementCount);
        Assert.Equal(new SubjectBlock(block.Pattern, "lost"), found!.Block);
        await world.Core.Subjects.UnblockAsync(CacheName.Default, block.Id, Admin, None);
        Assert.Null((await world.Core.Tokens.FindAsync(made.Secret, None))!.Block);
    }

    [Fact]
    public async Task A_block_is_made_and_lifted_once_and_each_leaves_a_line()
    {
        await using var world = await World.CreateAsync();
        var first = (await BlockAsync(world, "oidc:ci/*", "first")).Block;
        var second = (await BlockAsync(world, "oidc:ci/*", "second")).Block;
        for (var i = 0; i < 2; i++)
            await world.Core.Subjects.UnblockAsync(CacheName.Default, first.Id, Admin with { Address = Address }, None);
        var third = (await BlockAsync(world, "oidc:ci/*")).Block;

        Assert.Equal((first.Id, "first"), (second.Id, second.Reason));
        Assert.NotEqual(first.Id, third.Id);
        Assert.Equal([third.Id], (await world.Core.Subjects.ListAsync(CacheName.Default, false, None)).Blocks.Select(b => b.Id));
        var all = (await world.Core.Subjects.ListAsync(CacheName.Default, true, None)).Blocks;
        Assert.Equal([(third.Id, null), (first.Id, Admin.Publisher)], all.Select(b => (b.Id, b.LiftedBy)));
        var lines = (await world.Core.Audit.ReadAsync(CacheName.Default, new AuditQuery(Action: "subject"), None)).Lines;
        Assert.Equal(["subject.block", "subject.unblock", "subject.block"], lines.Select(l => l.Action));
        Assert.All(lines, l => Assert.Equal(("oidc:ci/*", Admin.Publisher, Address), (l.Subject, l.Publisher, l.Address)));
        Assert.Equal("first", lines[2].Detail!.Value.GetProperty("reason").GetString());
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("oidc:ci/a b", null)]
    [InlineData("oidc:ci/ä", null)]
    [InlineData("oidc:ci/\0", null)]
    [InlineData("file:*", null)]
    [InlineData("oidc:ci/*", "two\nlines")]
    public async Task What_blocks_nobody_is_refused(string pattern, string? reason)
    {
        await using var world = await World.CreateAsync();

        Assert.Equal(ProblemKind.BadRequest,
            (await Assert.ThrowsAsync<CacheProblemException>(() => BlockAsync(world, pattern, reason))).Kind);
    }

    [Fact]
    public async Task A_block_that_never_was_cannot_be_lifted_and_of_an_unknown_cache_nobody_is_blocked()
    {
        await using var world = await World.CreateAsync();
        await BlockAsync(world, "*");

        Assert.Equal(ProblemKind.UnknownBlock, (await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.Core.Subjects.UnblockAsync(CacheName.Default, 99, Admin, None))).Kind);
        Assert.Null(await world.Core.Subjects.FindAsync(default, "oidc:ci/1", None));
    }

    private static Task<long> OpenAsync(World world) => world.QueryAsync<long>("select count(*) from push where state = 'open'");

    private static Task<Blocked> BlockAsync(World world, string pattern, string? reason = null) =>
        world.Core.Subjects.BlockAsync(CacheName.Default, new BlockSubjects { Pattern = pattern, Reason = reason },
            Admin with { Address = Address }, None);
}
