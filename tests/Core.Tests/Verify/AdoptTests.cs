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
            (await world.CommitAsync(Victim, mine, TimeSpan.FromSeconds(5))).State == PushState.Committed);
        Assert.Equal(A.File, world.Store.Objects[world.NarInfoOf("a")!.Url]);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_reading_that_does_not_come_is_waited_for_no_longer_than_an_upload()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await world.SendAsync(Mallory, World.Closure(A.Path()), A);
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));

        await world.TravelAsync(TimeSpan.FromSeconds(31));

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

        var mine = await world.BeginAsync(Victim, World.Closure(a.Path("b"), b.Path()) with { Roots = [World.Hash("a")] });
        await world.UploadAsync(Victim, mine, ("b", b.File));
        await world.VerifyAsync();
        // What is added to a path of theirs is read first, too.
        Assert.Equal(1, (await world.CommitAsync(Victim, mine)).Unread!.Nars);
        await world.VerifyAsync();
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, mine, TimeSpan.FromSeconds(30))).State);

        Assert.Equal([World.Hash("b")], world.NarInfoOf("a")!.References.Select(r => r.Hash));
        // The path is theirs still.
        Assert.Equal("token:1", await world.QueryAsync<string>(
            "select b.name from store_path s join publisher b on b.id = s.publisher where s.name = 'a'"));
        await world.Core.Pins.As(Deployer).SetAsync(CacheName.Default, PinName.Parse("app"), new SetPin { Path = a.Path().Path },
            PinCondition.None, OperationId.New(), TimeSpan.FromSeconds(5), CancellationToken.None);
        await world.CollectAsync(World.Everything);
        Assert.Equal("live", await world.StateOfAsync("b"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task No_reference_is_added_to_what_a_higher_rank_has_published()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var (b, a) = (new TextNar("b", "beta"), TextNar.Mentioning("a", "b"));
        await world.CommitAsync(Deployer, await world.SendAsync(Deployer, World.Closure(a.Path()), a), TimeSpan.FromSeconds(30));

        var lie = await world.SendAsync(Mallory, World.Closure(b.Path(), a.Path("b")), b);
        await world.VerifyAsync();

        Assert.Equal([World.Hash("a")], lie.Conflicts);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Mallory, lie, TimeSpan.FromSeconds(30))).State);
        Assert.Empty(world.NarInfoOf("a")!.References);
    }

    [Fact]
    public async Task Noise_delays_nobody_who_outranks_it()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.BeginAsync(Mallory, World.Closure(A.Path()));
        await world.UploadAsync(Mallory, theirs, ("a", new TextNar("a", "noise").File));
        await world.CommitAsync(Mallory, theirs, TimeSpan.FromSeconds(30));

        var mine = await world.SendAsync(Deployer, Pinned(World.Closure(A.Path())), A);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Deployer, mine, TimeSpan.FromSeconds(30))).State);

        Assert.Equal(A.File, world.Store.Objects[world.NarInfoOf("a")!.Url]);
    }

    [Fact]
    public async Task A_superseded_NAR_that_is_refused_goes_with_the_next_collection()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.BeginAsync(Mallory, World.Closure(A.Path()));
        await world.UploadAsync(Mallory, theirs, ("a", new TextNar("a", "noise").File));
        await world.CommitAsync(Mallory, theirs, TimeSpan.FromSeconds(30));
        var noise = world.NarInfoOf("a")!.Url;
        // Asked for before it is superseded, and read afterwards.
        var asking = await world.BeginAsync(Victim, World.Closure(A.Path()));
        var mine = await world.SendAsync(Deployer, World.Closure(A.Path()), A);
        await world.CommitAsync(Deployer, mine, TimeSpan.FromSeconds(30));
        await AbortAsync(world, Victim, asking);
        await world.CollectAsync(World.Everything);
        Assert.True(world.Store.Objects.ContainsKey(noise));

        await world.VerifyAsync();
        Assert.True(world.Store.Objects.ContainsKey(noise));
        await world.CollectAsync(World.Everything);

        Assert.False(world.Store.Objects.ContainsKey(noise));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task However_many_objects_are_noise_a_push_waits_once()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        for (var i = 0; i < 3; i++)
        {
            var theirs = await world.BeginAsync(new Caller($"token:9{i}", $"token:9{i}", 0), World.Closure(A.Path()));
            var status = Assert.Single(theirs.Missing);
            if (status.Upload is null)
                break;
            await world.UploadAsync(new Caller($"token:9{i}", $"token:9{i}", 0), theirs, ("a", new TextNar("a", $"noise {i}").File));
        }

        await world.ExecuteAsync("delete from verification");
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);
        await world.ExecuteAsync("update push_path set waiting = waiting - interval '31 seconds'; delete from verification");

        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, mine, "a")).State);
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
