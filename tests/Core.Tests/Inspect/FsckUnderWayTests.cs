using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Inspect.FilledCache;

namespace OrleansCache.Core.Tests.Inspect;

/// <summary>What pushes, collections and writes leave half done is no damage, whenever it is looked at; what they lost is.</summary>
public sealed class FsckUnderWayTests
{
    [Fact]
    public async Task A_narinfo_whose_signatures_are_being_added_is_right()
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync(
            "update store_path set recorded = false, unwritten = true, signatures = array_append(signatures, 'other-1:AAAA') where name = 'b'");

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Theory]
    [InlineData("update pin set revision = 2", true)]
    [InlineData("update pin set deleted = true, revision = 2", true)]
    [InlineData("update pin set deleted = true, revision = 2", false)]
    public async Task A_pin_that_is_being_written_or_deleted_is_right(string state, bool there)
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync(state);
        Put(world, "pins/main", World.Path("a").Path.ToString());
        if (!there)
            world.Store.Objects.Remove("pins/main", out _);

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task An_open_multipart_upload_without_a_row_is_found_and_one_that_is_about_to_be_noted_is_not()
    {
        await using var world = await FilledAsync(new PushOptions { SinglePutLimit = 500 });
        await world.BeginAsync(World.Chain("new"));
        var known = Assert.Single(world.Store.OpenMultiparts);
        world.Store.OpenMultiparts["young"] = known.Value;
        world.Store.OpenMultiparts["lost"] = "nar/0000000000000000000000000000000000000000000000000000.nar.zst";
        world.Store.OpenMultiparts["stranger"] = "backup/db.tar";

        await AssertFindingAsync(world, FsckKind.UnknownMultipart, world.Store.OpenMultiparts["lost"]);

        world.Store.MultipartsInitiated = DateTimeOffset.UtcNow.AddDays(-1);
        Assert.Equal(new HashSet<string> { known.Value, world.Store.OpenMultiparts["lost"] },
            (await CheckAsync(world)).Findings.Select(f => f.Key).ToHashSet());
    }

    [Fact]
    public async Task Uploads_under_way_and_deletions_under_way_are_right_whether_their_objects_are_there_or_not()
    {
        await using var world = await FilledAsync();
        await world.BeginAsync(World.Chain("claimed"));
        await world.UploadAsync(await world.BeginAsync(World.Chain("stored")));
        var arrived = await world.BeginAsync(World.Chain("arrived"));
        world.Store.Upload(arrived.Uploads[0].Url!, [1]);
        await world.ChangeAsync(
            "update store_path set state = 'deleting' where state = 'live'; update object set state = 'deleting' where state = 'live'; delete from pin");
        world.Store.Objects.Remove("pins/main", out _);
        world.Store.Objects.Remove(NarInfoKey("c"), out _);

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task A_recorded_upload_whose_bytes_are_lost_is_found_before_anybody_commits_it()
    {
        await using var world = await FilledAsync();
        var push = await world.BeginAsync(World.Chain("new"));
        await world.UploadAsync(push);
        var key = await world.QueryAsync<string>("select key from object where state = 'stored'");
        Assert.True(world.Store.Objects.Remove(key, out _));

        await AssertFindingAsync(world, FsckKind.MissingObject, key);
    }

    [Fact]
    public async Task A_push_that_commits_between_the_listing_and_the_look_gives_no_finding()
    {
        await using var world = await FilledAsync();
        world.Store.OnListed = async () =>
        {
            world.Store.OnListed = () => Task.CompletedTask;
            await world.PushAsync(World.Chain("a", "late"));
        };

        var (findings, tally) = await CheckAsync(world);

        Assert.Empty(findings);
        Assert.Equal(4, tally.Paths);
    }

    [Fact]
    public async Task A_path_that_is_swept_between_the_listing_and_the_look_gives_no_finding()
    {
        await using var world = await FilledAsync();
        world.Store.OnListed = async () =>
        {
            world.Store.OnListed = () => Task.CompletedTask;
            await world.ChangeAsync("update store_path set state = 'gone' where name = 'c'; delete from pin");
            world.Store.Objects.Remove(NarInfoKey("c"), out _);
            world.Store.Objects.Remove("pins/main", out _);
            await world.ChangeAsync("update object set state = 'gone' where kind = 'realisation'");
            world.Store.Objects.Remove(Realisation, out _);
        };

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task A_row_that_changes_while_its_object_is_looked_at_is_looked_at_again()
    {
        await using var world = await FilledAsync();
        var swept = world.Store.Objects[NarInfoKey("c")];
        Assert.True(world.Store.Objects.Remove(NarInfoKey("c"), out _));
        var looks = 0;
        world.Store.OnRead = async key =>
        {
            // The row was live when it was read; its object is gone when it is looked at; and all is well again at the second look.
            if (key.ToString() == NarInfoKey("c") && ++looks == 1)
                await world.ExecuteAsync("update store_path set generation = generation + 1 where name = 'c'");
            else if (looks == 2)
                world.Store.Objects[NarInfoKey("c")] = swept;
        };

        Assert.Empty((await CheckAsync(world)).Findings);
        Assert.Equal(2, looks);
    }

    [Fact]
    public async Task A_cache_that_was_collected_has_no_findings_at_any_time_of_the_collection()
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync("delete from pin; delete from root");
        world.Store.Objects.Remove("pins/main", out _);
        world.Store.OnWrite = async (_, _) =>
        {
            Assert.Empty((await CheckAsync(world)).Findings);
            return MemoryObjectStore.Answer.Normal;
        };

        var run = await world.Core.Collection.StartAsync(CacheName.Default, new GcRequest { Force = true }, OperationId.New(),
            CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () =>
            (run = await world.Core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State != GcState.Running);

        Assert.Equal((GcState.Done, 8), (run.State, run.ObjectsDeletedAfterGracePeriod));
        var (findings, tally) = await CheckAsync(world);
        Assert.Empty(findings);
        Assert.Equal((0, 0), (tally.Keys, tally.Paths));
    }
}
