using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>A push, its grants and its key of idempotency are its publisher's.</summary>
public sealed class OwnershipTests
{
    [Fact]
    public async Task The_id_of_a_push_is_random_and_tells_nothing_of_others()
    {
        await using var world = await World.CreateAsync();
        var ids = new HashSet<string>();
        for (var i = 0; i < 3; i++)
            ids.Add((await world.BeginAsync(Victim, World.Chain("a"))).Id);

        Assert.Equal(3, ids.Count);
        Assert.All(ids, id => Assert.Equal(32, id.Length));
    }

    [Theory]
    [InlineData("report")]
    [InlineData("wait")]
    [InlineData("urls")]
    [InlineData("commit")]
    [InlineData("renew")]
    [InlineData("abort")]
    public async Task Who_knows_the_id_of_anothers_push_can_do_nothing_with_it(string what)
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Chain("a"));
        var (id, others) = (World.Id(push), world.Of(Mallory));

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => what switch
        {
            "report" => world.UploadAsync(push, pushes: others),
            "wait" => others.WaitAsync(CacheName.Default, id, new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 0 },
                CancellationToken.None),
            "urls" => others.UrlsAsync(CacheName.Default, id, push.Uploads[0].Id, new UrlsRequest(), CancellationToken.None),
            "commit" => world.CommitAsync(push, others),
            "renew" => others.RenewAsync(CacheName.Default, id, CancellationToken.None),
            _ => others.AbortAsync(CacheName.Default, id, CancellationToken.None),
        });

        Assert.Equal(what == "urls" ? ProblemKind.PushEnded : ProblemKind.UnknownPush, problem.Kind);
        await world.UploadAsync(push, pushes: world.Of(Victim));
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push, world.Of(Victim))).State);
    }

    [Fact]
    public async Task Another_commits_a_push_only_where_begin_has_named_it()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Chain("a") with { Committers = [Deployer.Publisher] });
        await world.UploadAsync(push, pushes: world.Of(Victim));

        Assert.Equal(ProblemKind.UnknownPush,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Mallory)))).Kind);
        Assert.Equal(ProblemKind.UnknownPush, (await Assert.ThrowsAsync<CacheProblemException>(() => world.Of(Deployer)
            .RenewAsync(CacheName.Default, World.Id(push), CancellationToken.None))).Kind);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push, world.Of(Deployer))).State);
    }

    [Fact]
    public async Task An_admin_can_end_anybodys_push()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Mallory, World.Chain("a"));

        await world.Of(Admin).AbortAsync(CacheName.Default, World.Id(push), CancellationToken.None);

        Assert.Equal(ProblemKind.PushEnded,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Mallory)))).Kind);
    }

    [Fact]
    public async Task The_same_key_of_idempotency_opens_a_push_for_each_publisher()
    {
        await using var world = await World.CreateAsync();

        var first = await world.BeginAsync(Mallory, World.Chain("x"), "build-42");
        var second = await world.BeginAsync(Victim, World.Chain("a"), "build-42");

        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(second.Id, (await world.BeginAsync(Victim, World.Chain("a"), "build-42")).Id);
        Assert.Equal(ProblemKind.KeyReused,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(Victim, World.Chain("b"), "build-42"))).Kind);
    }

    [Fact]
    public async Task A_grant_of_another_push_is_none_of_this_one()
    {
        await using var world = await World.CreateAsync();
        var theirs = await world.BeginAsync(Victim, World.Chain("a"));
        var mine = await world.BeginAsync(Mallory, World.Chain("m"));

        var report = await world.Of(Mallory).ReportAsync(
            CacheName.Default, World.Id(mine),
            new UploadReport
            {
                Uploads = [new UploadedNar { Upload = theirs.Uploads[0].Id, FileHash = Nix.Sha256Hash.Compute([1]),
            FileSize = 1 }]
            }, CancellationToken.None);

        Assert.Equal("ended", Assert.Single(report.Rejected).Reason);
        Assert.Equal(PushState.Committed, (await FinishAsync(world, theirs)).State);
    }

    [Fact]
    public async Task A_revoked_tokens_open_pushes_end()
    {
        await using var world = await World.CreateAsync();
        var token = (await world.Core.Tokens.CreateAsync(CacheName.Default, new CreateToken { Name = "ci", Scopes = [TokenScope.Push] },
            CancellationToken.None)).Token;
        var caller = new Caller(ValidToken.PublisherOf(token.Id), "ci", 0);
        var push = await world.BeginAsync(caller, World.Chain("a"));
        var other = await world.BeginAsync(Victim, World.Chain("b"));

        await world.Core.Tokens.RevokeAsync(CacheName.Default, token.Id, CancellationToken.None);

        Assert.Equal(ProblemKind.PushEnded,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(caller)))).Kind);
        Assert.Equal(PushState.Committed, (await FinishAsync(world, other)).State);
    }

    private static async Task<CommitAnswer> FinishAsync(World world, PushOpened push)
    {
        await world.UploadAsync(push, pushes: world.Of(Victim));
        return await world.CommitAsync(push, world.Of(Victim));
    }
}
