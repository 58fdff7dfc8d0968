using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>Under <c>adopt</c>, what another trust group brought is read before anybody relies on it.</summary>
public sealed class AdoptTests
{
    private static readonly TextNar A = new("a", "alpha");

    [Fact]
    public async Task What_another_group_has_stored_is_read_and_shared()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.SendAsync(Mallory, World.Closure(A.Path()), A);

        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));

        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);
        Assert.Equal(PathState.Wait, (await world.WaitAsync(Victim, mine, "a")).State);
        Assert.Equal(1, await world.VerifyAsync());
        Assert.Equal(PathState.Stored, (await world.WaitAsync(Victim, mine, "a")).State);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, mine, TimeSpan.FromSeconds(30))).State);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from object"));
        Assert.True(await world.QueryAsync<bool>("select verified from store_path"));
        await AbortAsync(world, Mallory, theirs);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Noise_under_a_known_hash_is_refused_and_the_honest_upload_takes_its_place()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.BeginAsync(Mallory, World.Closure(A.Path()));
        await world.UploadAsync(Mallory, theirs, ("a", new TextNar("a", "noise").File));

        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);
        await world.VerifyAsync();

        await FailsAsync(ProblemKind.MissingPaths, world.CommitAsync(Mallory, theirs));
        await UploadMineAsync(world, mine);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, mine, TimeSpan.FromSeconds(30))).State);
        Assert.Equal(A.File, world.Store.Objects[world.NarInfoOf("a")!.Url]);
        Assert.Equal(1, await world.QueryAsync<long>(
            "select count(*) from audit where action = 'verify.refuse' and publisher = 'token:1'"));
    }

    [Fact]
    public async Task Noise_that_was_published_is_withdrawn_and_the_same_push_brings_the_path()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.BeginAsync(Mallory, World.Closure(A.Path()));
        await world.UploadAsync(Mallory, theirs, ("a", new TextNar("a", "noise").File));
        await world.CommitAsync(Mallory, theirs, TimeSpan.FromSeconds(30));

        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);
        await world.VerifyAsync();

        await UploadMineAsync(world, mine);
        await Eventually.BecomesTrueAsync(async () =>
        {
            try
            {
                return (await world.CommitAsync(Victim, mine, TimeSpan.FromSeconds(5))).State == PushState.Committed;
            }
            catch (CacheProblemException e) when (e.Kind == ProblemKind.Withdrawn)
            {
                // Promised before the eviction: begun again, as the client does.
                mine = await world.SendAsync(Victim, World.Closure(A.Path()), A);
                return false;
            }
        });
        Assert.Equal(A.File, world.Store.Objects[world.NarInfoOf("a")!.Url]);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_reading_that_does_not_come_is_waited_for_no_longer_than_an_upload()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await world.SendAsync(Mallory, World.Closure(A.Path()), A);
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));

        await world.TravelAsync(TimeSpan.FromSeconds(11));

        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, mine, "a")).State);
        Assert.Equal(PathState.Upload, Assert.Single((await world.BeginAsync(Deployer, World.Closure(A.Path()))).Missing).State);
    }

    [Fact]
    public async Task What_the_store_does_not_give_is_tried_again_and_never_refused()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await world.SendAsync(Mallory, World.Closure(A.Path()), A);
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        var (key, file) = Assert.Single(world.Store.Objects);
        world.Store.Objects.TryRemove(key, out _);

        await world.VerifyAsync();
        Assert.Equal("stored 1", await world.QueryAsync<string>("select o.state || ' ' || v.tries from verification v join object o on o.id = v.object_id"));

        world.Store.Objects[key] = file;
        await world.TravelAsync(TimeSpan.FromSeconds(2));
        await world.VerifyAsync();
        Assert.Equal(PathState.Stored, (await world.WaitAsync(Victim, mine, "a")).State);
    }

    [Fact]
    public async Task The_larger_set_of_references_wins_when_the_NAR_has_them()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var (b, a) = (new TextNar("b", "beta"), TextNar.Mentioning("a", "b"));
        var theirs = await world.SendAsync(Mallory, World.Closure(a.Path()), a);
        await world.CommitAsync(Mallory, theirs, TimeSpan.FromSeconds(30));

        var mine = await world.BeginAsync(Deployer, Pinned(World.Closure(a.Path("b"), b.Path()) with { Roots = [World.Hash("a")] }));
        await world.UploadAsync(Deployer, mine, ("b", b.File));
        await world.VerifyAsync();
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Deployer, mine, TimeSpan.FromSeconds(30))).State);

        Assert.Equal([World.Hash("b")], world.NarInfoOf("a")!.References.Select(r => r.Hash));
        await world.CollectAsync(World.Everything);
        Assert.Equal("live", await world.StateOfAsync("b"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task References_of_an_equal_rank_that_the_NAR_does_not_have_change_nothing()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var (b, a) = (new TextNar("b", "beta"), new TextNar("a", "alpha"));
        var theirs = await world.SendAsync(Victim, World.Closure(a.Path()), a);
        await world.CommitAsync(Victim, theirs, TimeSpan.FromSeconds(30));

        var lie = await world.BeginAsync(Mallory, World.Closure(b.Path(), a.Path("b")));
        await world.UploadAsync(Mallory, lie, ("b", b.File));
        await world.VerifyAsync();

        Assert.Equal([World.Hash("a")], (await world.CommitAsync(Mallory, lie, TimeSpan.FromSeconds(30))).Conflicts);
        Assert.Empty(world.NarInfoOf("a")!.References);
        // What was proved is known the next time.
        Assert.Equal([World.Hash("a")], (await world.BeginAsync(Mallory, World.Closure(b.Path(), a.Path("b")))).Conflicts);
    }

    private static Task AbortAsync(World world, Caller caller, PushOpened push) =>
        world.Of(caller).AbortAsync(CacheName.Default, World.Id(push), CancellationToken.None);

    private static async Task UploadMineAsync(World world, PushOpened mine)
    {
        var answer = await world.AskAsync(Victim, mine, "a");
        Assert.Equal(PathState.Upload, Assert.Single(answer.Paths).State);
        await world.UploadAsync(Victim, mine with { Missing = answer.Paths, Uploads = answer.Uploads }, ("a", A.File));
    }

    private static async Task FailsAsync(ProblemKind kind, Task action) =>
        Assert.Equal(kind, (await Assert.ThrowsAsync<CacheProblemException>(() => action)).Kind);
}
