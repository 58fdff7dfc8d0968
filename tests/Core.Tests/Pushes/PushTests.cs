using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

public class PushTests
{
    // Both ways to the database: straight, and through a proxy that pools transactions.
    private protected virtual Task<World> CreateAsync() => World.CreateAsync();

    [Fact]
    public async Task A_path_that_somebody_called_wrongly_and_never_brought_is_published_under_its_name()
    {
        await using var world = await World.CreateAsync();
        await world.AbortAsync(
            await world.BeginAsync(World.Closure(World.Path("a") with { Path = new StorePath(World.Hash("a"), "wrong") })));

        await world.PushAsync(World.Chain("a"));

        Assert.Equal("a", world.NarInfoOf("a")!.StorePath.Name);
        Assert.True(world.NarInfoOf("a")!.Verify(World.Key.PublicKey));
    }

    [Fact]
    public async Task A_new_closure_is_uploaded_committed_and_visible_references_first()
    {
        await using var world = await CreateAsync();

        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        Assert.Equal(0, push.Present);
        Assert.Equal(3, push.Uploads.Count);
        Assert.All(push.Missing, m => Assert.Equal(PathState.Upload, m.State));
        Assert.Equal(3, (await world.UploadAsync(push)).Stored.Count);
        Assert.Empty(world.Store.NarInfos);
        var answer = await world.CommitAsync(push);

        Assert.Equal((PushState.Committed, 3), (answer.State, answer.Published));
        Assert.Equal(["a", "b", "c"], world.Store.Writes.Select(w => new[] { "a", "b", "c" }
            .Single(n => w.StartsWith(World.Hash(n).ToString(), StringComparison.Ordinal))));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_second_push_of_the_same_closure_finds_everything_present()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var before = world.Core.Database.StatementCount;

        var push = await world.BeginAsync(World.Chain("a", "b"));
        var answer = await world.CommitAsync(push);

        Assert.Equal(2, push.Present);
        Assert.Empty(push.Missing);
        Assert.Equal((PushState.Committed, 0), (answer.State, answer.Published));
        Assert.Equal(2, world.Core.Database.StatementCount - before);
    }

    [Fact]
    public async Task A_push_of_which_a_part_is_there_brings_the_rest_and_no_more()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(World.Chain("a"));

        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        Assert.Equal(1, push.Present);
        Assert.Equal([World.Hash("b"), World.Hash("c")], push.Missing.Select(m => m.Path));
        await world.UploadAsync(push);
        var answer = await world.CommitAsync(push);

        Assert.Equal((PushState.Committed, 2), (answer.State, answer.Published));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Commit_answers_the_same_again_after_a_lost_response()
    {
        await using var world = await CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);

        var first = await world.CommitAsync(push);
        var writes = world.Store.Writes.Count;

        Assert.Equal(first, await world.CommitAsync(push));
        Assert.Equal(writes, world.Store.Writes.Count);
    }

    [Fact]
    public async Task A_commit_with_something_not_uploaded_publishes_nothing_and_says_what_is_missing()
    {
        await using var world = await CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push, [push.Uploads[0]]);

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push));

        Assert.Equal(ProblemKind.MissingPaths, problem.Kind);
        Assert.Equal([push.Missing.Single(m => m.Upload == push.Uploads[1].Id).Path], problem.Paths);
        Assert.Empty(world.Store.NarInfos);
    }

    [Fact]
    public async Task A_closure_with_an_undeclared_reference_is_refused()
    {
        await using var world = await CreateAsync();

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.BeginAsync(World.Closure(World.Path("a", ["not-there"]))));

        Assert.Equal(ProblemKind.ClosureIncomplete, problem.Kind);
        Assert.Equal([World.Hash("not-there")], problem.Paths);
    }

    [Fact]
    public async Task A_cycle_of_references_is_refused_but_a_path_may_refer_to_itself()
    {
        await using var world = await CreateAsync();

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.BeginAsync(World.Closure(World.Path("a", ["b"]), World.Path("b", ["a"]))));
        Assert.Equal(ProblemKind.BadRequest, problem.Kind);

        Assert.Equal(PushState.Committed, (await world.PushAsync(World.Closure(World.Path("self", ["self"])))).State);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_replayed_begin_joins_the_push_it_opened_and_hands_out_the_same_grants()
    {
        await using var world = await CreateAsync();

        var first = await world.BeginAsync(World.Chain("a", "b"), "op-1");
        var again = await world.BeginAsync(World.Chain("a", "b"), "op-1");

        Assert.Equal(first.Id, again.Id);
        Assert.Equal(first.Uploads.Select(u => u.Id), again.Uploads.Select(u => u.Id));
        var reused = await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(World.Chain("a"), "op-1"));
        Assert.Equal(ProblemKind.KeyReused, reused.Kind);
        await world.AbortAsync(first);
        var ended = await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(World.Chain("a", "b"), "op-1"));
        Assert.Equal(ProblemKind.PushEnded, ended.Kind);
    }

    [Fact]
    public async Task Two_paths_with_one_NAR_share_one_upload()
    {
        await using var world = await CreateAsync();

        var push = await world.BeginAsync(World.Closure(World.Path("a", content: "same"), World.Path("b", ["a"], content: "same")));
        Assert.Single(push.Uploads);
        await world.UploadAsync(push);
        await world.CommitAsync(push);

        Assert.Equal(world.NarInfoOf("a")!.Url, world.NarInfoOf("b")!.Url);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Two_pushes_of_one_missing_path_cause_one_upload_and_both_commit()
    {
        await using var world = await CreateAsync();
        var first = await world.BeginAsync(World.Chain("a"));
        var second = await world.BeginAsync(World.Closure(World.Path("a"), World.Path("b", ["a"])));

        Assert.Equal(PathState.Wait, second.Missing.Single(m => m.Path == World.Hash("a")).State);
        Assert.Equal(PathState.Wait, (await world.WaitAsync(second, "a")).Paths.Single().State);
        await world.UploadAsync(first);
        Assert.Equal(PathState.Stored, (await world.WaitAsync(second, "a")).Paths.Single().State);
        await world.UploadAsync(second);
        await Task.WhenAll(world.CommitAsync(first), world.CommitAsync(second));

        Assert.Equal(2, world.Store.Objects.Keys.Count(k => k.StartsWith("nar/", StringComparison.Ordinal)));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_recorded_upload_outlives_the_push_that_made_it_while_another_holds_it()
    {
        await using var world = await CreateAsync();
        var first = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(first);
        var second = await world.BeginAsync(World.Chain("a"));
        Assert.Equal(PathState.Stored, (await world.WaitAsync(second, "a")).Paths.Single().State);

        await world.AbortAsync(first);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(1, (await world.CommitAsync(second)).Published);

        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task An_upload_whose_pusher_died_is_taken_up_by_the_next_push_and_else_collected()
    {
        await using var world = await CreateAsync();
        var dead = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(dead);

        var next = await world.BeginAsync(World.Chain("a"));
        Assert.Equal(PathState.Stored, (await world.WaitAsync(next, "a")).Paths.Single().State);
        await world.TravelAsync(TimeSpan.FromHours(7));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(world.Store.Objects);
        Assert.Equal("tombstone", await world.QueryAsync<string>("select state::text from object"));
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from object"));
    }

    [Fact]
    public async Task A_stalled_claim_is_overtaken_and_the_first_to_record_wins()
    {
        await using var world = await CreateAsync();
        var slow = await world.BeginAsync(World.Chain("a"));
        var waiting = await world.BeginAsync(World.Chain("a"));
        await world.TravelAsync(TimeSpan.FromSeconds(11));

        var answer = await world.WaitAsync(waiting, "a");
        Assert.Equal(PathState.Upload, answer.Paths.Single().State);
        Assert.NotEqual(slow.Uploads.Single().Id, answer.Uploads.Single().Id);
        await world.UploadAsync(waiting, answer.Uploads);
        await world.UploadAsync(slow);
        await Task.WhenAll(world.CommitAsync(waiting), world.CommitAsync(slow));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await world.AssertSoundAsync();
        Assert.Single(world.Store.Objects.Keys, k => k.StartsWith("nar/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_claims_of_an_aborted_push_pass_to_who_waits_for_them()
    {
        await using var world = await CreateAsync();
        var first = await world.BeginAsync(World.Chain("a"));
        var second = await world.BeginAsync(World.Chain("a"));

        await world.AbortAsync(first);
        await world.AbortAsync(first);

        Assert.Equal(PathState.Upload, (await world.WaitAsync(second, "a")).Paths.Single().State);
    }

    [Fact]
    public async Task A_path_that_is_live_with_other_contents_is_kept_and_named_as_a_conflict()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(World.Closure(World.Path("a", content: "one")));

        var push = await world.BeginAsync(World.Closure(World.Path("a", content: "two")));

        Assert.Equal([World.Hash("a")], push.Conflicts);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        Assert.Equal(World.Path("a", content: "one").NarHash, world.NarInfoOf("a")!.NarHash);
    }

    [Fact]
    public async Task Two_builders_who_disagree_both_commit_and_the_first_one_counts()
    {
        await using var world = await CreateAsync();
        var one = await world.BeginAsync(World.Closure(World.Path("x"), World.Path("a", ["x"], content: "one")));
        var two = await world.BeginAsync(World.Closure(World.Path("a", content: "two")));
        await world.UploadAsync(one);
        await world.UploadAsync(two);

        await world.CommitAsync(one);
        await world.CommitAsync(two);

        Assert.Equal(World.Path("a", content: "one").NarHash, world.NarInfoOf("a")!.NarHash);
        Assert.Single(world.NarInfoOf("a")!.References);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(2, world.Store.Objects.Keys.Count(k => k.StartsWith("nar/", StringComparison.Ordinal)));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_lapsed_push_may_still_commit()
    {
        await using var world = await CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);
        await world.TravelAsync(TimeSpan.FromHours(2));

        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        Assert.Empty((await world.Pushes.RenewAsync(CacheName.Default, World.Id(push), CancellationToken.None)).Lost);
    }

    [Fact]
    public async Task Logs_realisations_and_listings_are_published_with_the_closure()
    {
        await using var world = await CreateAsync();
        var drv = Nix.StorePath.Parse($"{World.Hash("drv")}-a.drv");
        var id = Nix.RealisationId.Parse($"sha256:{new string('a', 64)}!out");
        var closure = World.Closure(World.Path("a")) with
        {
            Logs = [new LogDeclaration { Drv = drv, Path = World.Hash("a") }],
            Realisations = [new RealisationDeclaration { Id = id, Path = World.Hash("a") }]
        };

        var push = await world.BeginAsync(closure);
        Assert.Equal([drv], push.MissingLogs);
        Assert.Equal([id], push.MissingRealisations);
        await world.UploadAsync(push);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport
        {
            Listings = [new PathListing { Path = World.Hash("a"), Content = [1] }],
            Logs = [new LogContent { Drv = drv, Path = World.Hash("a"), Content = [2] }],
            Realisations = [new RealisationContent { Id = id, Path = World.Hash("a"), Content = "{}" }],
        }, CancellationToken.None);
        await world.CommitAsync(push);

        Assert.Equal([1], world.Store.Objects[$"{World.Hash("a")}.ls"]);
        Assert.Equal([2], world.Store.Objects[$"log/{drv.BaseName}"]);
        Assert.Equal("{}"u8.ToArray(), world.Store.Objects[$"realisations/{id}.doi"]);
        Assert.Equal(3, await world.QueryAsync<int>("select cardinality(objects) from store_path"));
        var warm = await world.BeginAsync(closure);
        Assert.Empty(warm.MissingLogs);
        Assert.Empty(warm.MissingRealisations);
    }

    [Fact]
    public async Task A_log_that_comes_after_its_path_is_attached_to_it()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var drv = Nix.StorePath.Parse($"{World.Hash("drv")}-a.drv");

        var push = await world.BeginAsync(World.Chain("a") with { Logs = [new LogDeclaration { Drv = drv, Path = World.Hash("a") }] });
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push),
            new UploadReport { Logs = [new LogContent { Drv = drv, Path = World.Hash("a"), Content = [2] }] }, CancellationToken.None);
        await world.CommitAsync(push);

        Assert.True(world.Store.Objects.ContainsKey($"log/{drv.BaseName}"));
        Assert.Equal(2, await world.QueryAsync<int>("select cardinality(objects) from store_path"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_signature_that_a_client_sends_is_merged_into_a_live_path()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var other = Nix.SecretKey.Generate("builder-1");
        var path = World.Path("a");
        var signature = other.Sign(Nix.NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, []));

        var push = await world.BeginAsync(
            World.Closure(path with { Signatures = [signature, "test-1:" + Convert.ToBase64String(new byte[64]), "nonsense", null!] }));
        await world.CommitAsync(push);

        Assert.Equal(2, world.NarInfoOf("a")!.Signatures.Count);
        Assert.True(world.NarInfoOf("a")!.Verify(other.PublicKey));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Missing_names_what_is_absent_in_the_order_asked()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(World.Chain("a"));

        var answer = await world.Pushes.MissingAsync(CacheName.Default,
            new MissingRequest { Paths = [World.Hash("z"), World.Hash("a"), World.Hash("b")] }, CancellationToken.None);

        Assert.Equal([World.Hash("z"), World.Hash("b")], answer.Missing);
    }

    [Fact]
    public async Task A_large_NAR_gets_parts_and_more_of_them_on_demand()
    {
        await using var world = await CreateAsync();
        var push = await world.BeginAsync(World.Closure(World.Path("big", size: 6L << 30)));
        var grant = push.Uploads.Single();

        var more = await world.Pushes.UrlsAsync(CacheName.Default, World.Id(push), grant.Id,
            new UrlsRequest { FirstPart = 700, Count = 50 }, CancellationToken.None);

        Assert.Equal(8 << 20, grant.PartSize);
        Assert.EndsWith("part=700", more.Grant.Parts[0].Query, StringComparison.Ordinal);
        Assert.Equal(50, more.Grant.Parts.Count);
        Assert.Single(world.Store.OpenMultiparts);
        await world.AbortAsync(push);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.OpenMultiparts);
    }
}
