using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Collect;

public sealed class CollectionTests
{
    [Fact]
    public async Task A_closure_that_was_not_pushed_for_longer_than_the_retention_leaves_the_bucket_after_the_grace()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        await world.TravelAsync(TimeSpan.FromDays(20));
        await world.PushAsync(World.Chain("a", "d"));
        await world.TravelAsync(TimeSpan.FromDays(15));

        var first = await world.CollectAsync(new GcRequest());

        Assert.Equal((1, 4, 0), (first.OldClosuresDeleted, first.ObjectsMarkedForDeletion, first.ObjectsDeletedAfterGracePeriod));
        Assert.Equal("condemned", await world.StateOfAsync("c"));
        Assert.NotNull(world.NarInfoOf("c"));
        await world.AssertSoundAsync();

        await world.TravelAsync(TimeSpan.FromHours(7));
        var second = await world.CollectAsync(new GcRequest());

        Assert.Equal((0, 0, 4), (second.OldClosuresDeleted, second.ObjectsMarkedForDeletion, second.ObjectsDeletedAfterGracePeriod));
        Assert.Equal(0, second.ObjectsFailedToDelete);
        Assert.True(second.BytesFreed > 0);
        Assert.Equal(["gone", "gone", "live", "live"], [await world.StateOfAsync("c"), await world.StateOfAsync("b"),
            await world.StateOfAsync("a"), await world.StateOfAsync("d")]);
        Assert.Equal(4, world.Store.Objects.Count);
        await world.AssertSoundAsync();
    }

    [Theory]
    [InlineData("refs")]
    [InlineData("objects")]
    public async Task By_a_graph_that_mentions_what_is_not_there_nothing_is_condemned(string column)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PinAsync("app", "a");
        await world.PushAsync(World.Chain("c"));
        await world.ExecuteAsync($"update store_path set {column} = {column} || 4711::bigint where id = (select path_id from pin)");

        var run = await world.CollectAsync(World.Everything);

        Assert.Equal(GcState.Failed, run.State);
        Assert.Contains("4711, which is not there", run.Error, StringComparison.Ordinal);
        Assert.Equal(["live", "live", "live"], [await world.StateOfAsync("a"), await world.StateOfAsync("b"),
            await world.StateOfAsync("c")]);
    }

    [Fact]
    public async Task A_warm_push_counts_as_a_push()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.TravelAsync(TimeSpan.FromDays(20));
        await world.PushAsync(World.Chain("a"));
        await world.TravelAsync(TimeSpan.FromDays(20));

        Assert.Equal(0, (await world.CollectAsync(new GcRequest { Force = true })).ObjectsMarkedForDeletion);
    }

    [Fact]
    public async Task Narinfos_leave_the_bucket_referrers_first_and_each_key_is_sent_once()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        var deleted = new List<string>();
        world.Store.OnWrite = (what, key) =>
        {
            if (what == "delete")
                deleted.Add(key.ToString());
            return Task.FromResult(MemoryObjectStore.Answer.Normal);
        };

        await world.CollectAsync(World.Everything);

        Assert.Equal([.. new[] { "c", "b", "a" }.Select(n => $"{World.Hash(n)}.narinfo")], deleted[..3]);
        Assert.Equal(6, deleted.Count);
        Assert.All(deleted[3..], k => Assert.StartsWith("nar/", k, StringComparison.Ordinal));
        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task A_NAR_whose_URLs_expired_long_ago_is_deleted_once_and_its_key_is_free()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.TravelAsync(TimeSpan.FromDays(2));
        var deleted = 0;
        world.Store.OnWrite = (what, key) =>
        {
            deleted += what == "delete" && key.ToString().StartsWith("nar/", StringComparison.Ordinal) ? 1 : 0;
            return Task.FromResult(MemoryObjectStore.Answer.Normal);
        };

        await world.CollectAsync(World.Everything);

        Assert.Equal(1, deleted);
        Assert.Equal("gone", await world.QueryAsync<string>("select state::text from object"));
    }

    [Fact]
    public async Task What_is_condemned_comes_back_by_a_push_without_an_upload()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.CollectAsync(new GcRequest { OlderThanSeconds = 0 });
        Assert.Equal("condemned", await world.StateOfAsync("a"));

        var push = await world.BeginAsync(World.Chain("a", "b"));
        Assert.Equal(2, push.Present);
        await world.CommitAsync(push);
        await world.CollectAsync(new GcRequest { Force = true });

        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_that_was_swept_comes_back_under_its_former_key_once_no_URL_for_it_works()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var (id, url) = (await world.QueryAsync<long>("select id from store_path"), world.NarInfoOf("a")!.Url);
        await world.CollectAsync(World.Everything);
        Assert.Empty(world.Store.Objects);

        await world.PushAsync(World.Chain("a"));
        Assert.NotEqual(url, world.NarInfoOf("a")!.Url);
        // Until then who remembers the former key is led to the new one.
        Assert.Equal(world.NarInfoOf("a")!.Url,
            $"{await world.Core.Contents.FindMovedNarAsync(CacheName.Default, ObjectKey.Parse(url), CancellationToken.None)}");
        Assert.Null(await world.Core.Contents.FindMovedNarAsync(CacheName.Default, ObjectKey.Parse(world.NarInfoOf("a")!.Url),
            CancellationToken.None));
        await world.CollectAsync(World.Everything);
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.PushAsync(World.Chain("a"));

        Assert.Equal(url, world.NarInfoOf("a")!.Url);
        Assert.Equal(id, await world.QueryAsync<long>("select id from store_path"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_an_open_push_was_promised_stays_however_old_it_is()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));

        await world.CollectAsync(World.Everything);
        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.UploadAsync(push);
        await world.CommitAsync(push);

        await world.AssertSoundAsync();
        Assert.Equal("live", await world.StateOfAsync("c"));
    }

    [Fact]
    public async Task A_shared_NAR_lives_while_any_path_has_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Closure(World.Path("a", content: "same")));
        await world.TravelAsync(TimeSpan.FromDays(1));
        await world.PushAsync(World.Closure(World.Path("b", content: "same")));

        await world.CollectAsync(new GcRequest { OlderThanSeconds = 3600, Force = true });

        Assert.Equal(["gone", "live"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
        await world.AssertSoundAsync();
        await world.CollectAsync(World.Everything);
        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task A_dry_run_counts_and_changes_nothing()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var before = await world.QueryAsync<long>("select g from gc_epoch");

        var run = await world.CollectAsync(World.Everything with { DryRun = true });

        Assert.Equal((1, 4, 4), (run.OldClosuresDeleted, run.ObjectsMarkedForDeletion, run.ObjectsDeletedAfterGracePeriod));
        Assert.Equal(before, await world.QueryAsync<long>("select g from gc_epoch"));
        Assert.Equal(["live", "live"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
        Assert.Equal(4, world.Store.Objects.Count);
    }

    [Fact]
    public async Task Failed_uploads_are_deleted_and_pushes_that_are_alive_are_not()
    {
        await using var world = await World.CreateAsync();
        var dead = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(dead);
        await world.TravelAsync(TimeSpan.FromHours(2));
        var alive = await world.BeginAsync(World.Chain("b"));
        await world.UploadAsync(alive);

        var kept = await world.CollectAsync(new GcRequest());
        Assert.Equal(0, kept.FailedUploadsDeleted);
        var run = await world.CollectAsync(new GcRequest { FailedUploadsOlderThanSeconds = 3600, Force = true });

        Assert.Equal(1, run.FailedUploadsDeleted);
        Assert.Single(world.Store.Objects);
        await world.CommitAsync(alive);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_deletion_that_was_not_answered_is_done_again_after_its_fence_and_holds_back_what_depends_on_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var b = $"{World.Hash("b")}.narinfo";
        world.Store.OnWrite = (what, key) => Task.FromResult(key.ToString() == b ? MemoryObjectStore.Answer.Dropped
            : MemoryObjectStore.Answer.Normal);
        var collector = new Collector(world, TimeSpan.Zero);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
        await world.ChangeAsync("update store_path set state = 'deleting'");

        await collector.Deletions.RunAsync(1, CancellationToken.None);
        Assert.Equal(["deleting", "deleting"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
        Assert.NotNull(world.NarInfoOf("a"));
        world.Store.OnWrite = static (_, _) => Task.FromResult(MemoryObjectStore.Answer.Normal);
        await collector.Deletions.RunAsync(1, CancellationToken.None);
        Assert.NotNull(world.NarInfoOf("b"));
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(["gone", "gone"], [await world.StateOfAsync("a"), await world.StateOfAsync("b")]);
        Assert.Empty(world.Store.NarInfos);
    }

    [Fact]
    public async Task A_graph_that_mentions_what_is_not_there_stops_the_run_before_anything_is_condemned()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("b"));
        await world.TravelAsync(TimeSpan.FromHours(2));
        await world.PushAsync(World.Chain("a"));
        await world.ExecuteAsync(
            $"update store_path set refs = '{{4711}}' where hash = '\\x{Convert.ToHexStringLower(World.Hash("a").ToArray())}'");

        var run = await world.CollectAsync(new GcRequest { OlderThanSeconds = 3600, Force = true });

        Assert.Equal(GcState.Failed, run.State);
        Assert.Contains("4711", run.Error, StringComparison.Ordinal);
        Assert.Equal("live", await world.StateOfAsync("b"));
    }

    [Theory]
    [InlineData(-1d, null, null, false, "olderThanSeconds is -1")]
    [InlineData(null, 1e300, null, false, "failedUploadsOlderThanSeconds is 1E+300")]
    [InlineData(null, null, -0.5, false, "graceSeconds is -0.5")]
    [InlineData(null, null, double.NaN, false, "graceSeconds is NaN")]
    [InlineData(null, null, 5d, true, "send one of them")]
    public async Task A_request_that_makes_no_sense_is_refused(double? older, double? failed, double? grace, bool force, string hint)
    {
        await using var world = await World.CreateAsync();
        var request = new GcRequest
        {
            OlderThanSeconds = older,
            FailedUploadsOlderThanSeconds = failed,
            GraceSeconds = grace,
            Force = force
        };

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => world.Core.Collection.StartAsync(CacheName.Default, request,
            OperationId.New(), CancellationToken.None));

        Assert.Equal(ProblemKind.BadRequest, refused.Kind);
        Assert.Contains(hint, refused.Message, StringComparison.Ordinal);
        Assert.Empty((await world.Core.Collection.HistoryAsync(CacheName.Default, 10, CancellationToken.None)).Runs);
    }

    [Fact]
    public async Task Status_says_when_the_schedule_is_next_due()
    {
        await using var world = await World.CreateAsync(gc: new GcOptions { Schedule = "30 3 * * *" });

        var status = await world.Core.Collection.StatusAsync(CacheName.Default, CancellationToken.None);

        Assert.Equal(("30 3 * * *", new TimeSpan(3, 30, 0)), (status.Schedule, status.Next?.UtcDateTime.TimeOfDay));
        Assert.InRange(status.Next!.Value, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1.01));
    }

    [Fact]
    public async Task Why_names_the_chain_from_a_root_or_since_when_the_path_is_condemned()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));

        var kept = await world.Core.Collection.WhyAsync(CacheName.Default, World.Hash("a"), CancellationToken.None);
        Assert.Equal("closure", kept.Root!.Kind);
        Assert.Equal(["c", "b", "a"], kept.Chain.Select(p => p.Name));
        await world.CollectAsync(new GcRequest { OlderThanSeconds = 0 });

        var condemned = await world.Core.Collection.WhyAsync(CacheName.Default, World.Hash("a"), CancellationToken.None);
        Assert.Null(condemned.Root);
        Assert.Equal(TimeSpan.FromHours(6), condemned.DeletedFrom - condemned.CondemnedAt);
        var unknown = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.Core.Collection.WhyAsync(CacheName.Default, World.Hash("x"), CancellationToken.None));
        Assert.Equal(ProblemKind.UnknownPath, unknown.Kind);
    }

    [Fact]
    public async Task Logs_live_and_die_with_their_closure()
    {
        await using var world = await World.CreateAsync();
        var drv = new Nix.StorePath(World.Hash("drv"), "a.drv");
        var push = await world.BeginAsync(World.Chain("a") with { Logs = [new LogDeclaration { Drv = drv, Path = World.Hash("a") }] });
        await world.UploadAsync(push);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push),
            new UploadReport { Logs = [new LogContent { Drv = drv, Path = World.Hash("a"), Content = Encoding.UTF8.GetBytes("built") }] },
            CancellationToken.None);
        await world.CommitAsync(push);

        await world.CollectAsync(new GcRequest { Force = true });
        Assert.Equal(3, world.Store.Objects.Count);
        await world.CollectAsync(World.Everything);

        Assert.Empty(world.Store.Objects);
    }
}
