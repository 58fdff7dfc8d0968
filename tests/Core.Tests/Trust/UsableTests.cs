using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>Bytes that no server has read are relied on within the trust group of who uploaded them, and nowhere else.</summary>
public sealed class UsableTests
{
    private static readonly Caller VictimsTwin = new("token:22", Victim.Group, 0);

    [Fact]
    public async Task What_another_group_has_stored_is_uploaded_again()
    {
        await using var world = await World.CreateAsync();
        var theirs = await world.BeginAsync(Mallory, World.Chain("a"));
        await world.UploadAsync(theirs, pushes: world.Of(Mallory));

        var mine = await world.BeginAsync(Victim, World.Chain("a"));

        Assert.Equal(PathState.Upload, Assert.Single(mine.Missing).State);
        await world.UploadAsync(mine, pushes: world.Of(Victim));
        Assert.Equal(1, (await world.CommitAsync(mine, world.Of(Victim))).Published);
        Assert.Equal(KeyOf(mine), world.NarInfoOf("a")!.Url);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_the_own_group_has_stored_is_shared()
    {
        await using var world = await World.CreateAsync();
        var first = await world.BeginAsync(Victim, World.Chain("a"));
        await world.UploadAsync(first, pushes: world.Of(Victim));

        Assert.Equal(PathState.Stored, Assert.Single((await world.BeginAsync(VictimsTwin, World.Chain("a"))).Missing).State);
    }

    [Fact]
    public async Task Another_groups_upload_under_way_is_not_waited_for_and_the_own_groups_is()
    {
        await using var world = await World.CreateAsync();
        await world.BeginAsync(Mallory, World.Chain("a"));

        var first = await world.BeginAsync(Victim, World.Chain("a"));
        var second = await world.BeginAsync(VictimsTwin, World.Chain("a"));

        Assert.Equal(PathState.Upload, Assert.Single(first.Missing).State);
        Assert.Equal(PathState.Wait, Assert.Single(second.Missing).State);
        await world.UploadAsync(first, pushes: world.Of(Victim));
        var waited = await world.Of(VictimsTwin).WaitAsync(CacheName.Default, World.Id(second),
            new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 0 }, CancellationToken.None);
        Assert.Equal(PathState.Stored, Assert.Single(waited.Paths).State);
    }

    [Fact]
    public async Task A_size_that_somebody_claims_for_a_hash_holds_up_nobody_who_declares_another()
    {
        await using var world = await World.CreateAsync();
        await world.BeginAsync(VictimsTwin, World.Closure(World.Path("m", content: "a", size: 1L << 40)));

        var push = await world.BeginAsync(Victim, World.Chain("a"));

        Assert.Equal(PathState.Upload, Assert.Single(push.Missing).State);
    }

    [Fact]
    public async Task A_commit_adopts_its_own_groups_upload_and_not_the_first_one()
    {
        await using var world = await World.CreateAsync();
        var mine = await world.BeginAsync(Victim, World.Chain("a"));
        var theirs = await world.BeginAsync(Mallory, World.Closure(World.Path("m", content: "a")));
        await world.UploadAsync(theirs, pushes: world.Of(Mallory));
        await world.CommitAsync(theirs, world.Of(Mallory));

        var missing = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(mine, world.Of(Victim)));
        Assert.Equal(ProblemKind.MissingPaths, missing.Kind);

        await world.UploadAsync(mine, pushes: world.Of(Victim));
        await world.CommitAsync(mine, world.Of(Victim));
        Assert.Equal(KeyOf(mine), world.NarInfoOf("a")!.Url);
        Assert.Equal(KeyOf(theirs), world.NarInfoOf("m")!.Url);
    }

    [Fact]
    public async Task What_a_server_has_read_is_shared_by_all_and_taken_before_what_nobody_has()
    {
        await using var world = await World.CreateAsync();
        var theirs = await world.BeginAsync(Mallory, World.Chain("a"));
        await world.UploadAsync(theirs, pushes: world.Of(Mallory));
        await world.ExecuteAsync("update object set verified = true");

        var mine = await world.BeginAsync(Victim, World.Chain("a"));

        Assert.Equal(PathState.Stored, Assert.Single(mine.Missing).State);
        await world.CommitAsync(mine, world.Of(Victim));
        Assert.True(await world.QueryAsync<bool>(
            "select verified and publisher = (select id from publisher where name = 'token:2') from store_path"));
    }

    [Fact]
    public async Task A_path_that_another_group_published_unread_is_named_as_such_and_held()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("a"));

        var push = await world.BeginAsync(Victim, World.Chain("a", "b"));

        Assert.Equal([World.Hash("a")], push.Unverified);
        Assert.Empty(push.Conflicts);
        await world.CollectAsync(World.Everything);
        Assert.Equal("live", await world.StateOfAsync("a"));
    }

    [Fact]
    public async Task What_was_published_before_there_were_publishers_is_usable_unless_the_cache_distrusts_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("a"));
        await world.ExecuteAsync(
            "update store_path set publisher = null, trust_group = null, declared = null; update object set publisher = null, " +
            "trust_group = null");

        Assert.Empty((await world.BeginAsync(Victim, World.Chain("a"))).Unverified);
        // It has got its digest, and is not asked about again.
        Assert.True(await world.QueryAsync<bool>("select declared is not null from store_path"));
        await world.ExecuteAsync("update cache set distrust_legacy = true");
        Assert.Equal([World.Hash("a")], (await world.BeginAsync(Victim, World.Chain("a"))).Unverified);
    }

    [Fact]
    public async Task Another_build_of_what_is_from_before_there_were_publishers_is_as_one_of_the_own_group()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("a"));
        await world.ExecuteAsync(
            "update store_path set publisher = null, trust_group = null, declared = null, rank = 0; update object set publisher = null, " +
            "trust_group = null");
        // A rank vouches for it from now on, so that none of the same rank supersedes it.
        await world.PushAsync(Deployer, World.Chain("a"));
        var another = Pinned(World.Closure(World.Path("a", content: "built again")));

        var push = await world.BeginAsync(Deployer, another);

        Assert.Equal([World.Hash("a")], push.Conflicts);
        await world.CommitAsync(push, world.Of(Deployer));
        Assert.Equal("a", (await world.ShowAsync("app")).Path.Name);
        await world.ExecuteAsync("update cache set distrust_legacy = true");
        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(Deployer, another))).Kind);
    }

    [Fact]
    public async Task A_push_from_before_there_were_publishers_that_meets_another_build_is_to_be_begun_again_by_who_has_a_group()
    {
        await using var world = await World.CreateAsync();
        var another = Pinned(World.Closure(World.Path("a", content: "built again")));
        var push = await world.BeginAsync(Deployer, another);
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        // As a server from before leaves it to one of now.
        await world.ExecuteAsync("update push set publisher = null, trust_group = null, rank = 0, public_id = null");
        var old = push with { Id = await world.QueryAsync<string>("select id::text from push") };
        await world.PushAsync(Deployer, World.Chain("a"));

        Assert.Equal(ProblemKind.MissingPaths,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(old, world.Of(Deployer)))).Kind);
        await world.CommitAsync(await world.BeginAsync(Deployer, another), world.Of(Deployer));
        Assert.Equal("a", (await world.ShowAsync("app")).Path.Name);
    }

    private static string KeyOf(PushOpened push) => $"nar/{push.Uploads[0].Id.Split('~')[1]}";
}
