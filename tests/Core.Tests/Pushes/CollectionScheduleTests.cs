using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>Pushes that meet a collection, each schedule forced.</summary>
public sealed class CollectionScheduleTests
{
    private const string ForgetRoots = "delete from root";

    [Fact]
    public async Task A_present_path_survives_a_collection_that_runs_during_the_push()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        Assert.Equal(2, push.Present);

        await new Collector(world).RunAsync();
        await world.UploadAsync(push);
        await world.CommitAsync(push);
        await new Collector(world).RunAsync();

        Assert.Equal(3, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }

    [Theory]
    [InlineData("barrier")]
    [InlineData("mark")]
    [InlineData("condemn")]
    public async Task A_begin_right_after_a_step_of_a_collection_keeps_what_it_calls_present(string step)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        PushOpened? push = null;

        await collector.BarrierAsync();
        await BeginAfter("barrier");
        await collector.MarkAsync();
        await BeginAfter("mark");
        await collector.CondemnAsync();
        await BeginAfter("condemn");
        await collector.SweepAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(2, push!.Present);
        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
        Assert.Equal(2, world.Store.NarInfos.Count());

        async Task BeginAfter(string now)
        {
            if (step == now)
                push = await world.BeginAsync(World.Chain("a", "b"));
        }
    }

    [Fact]
    public async Task The_walk_revives_what_the_row_refers_to_and_not_what_the_client_declares()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("x", "a"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();

        var push = await world.BeginAsync(World.Closure(World.Path("a")));
        await collector.SweepAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(1, push.Present);
        Assert.Equal("live", await world.StateOfAsync("x"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_barrier_waits_for_a_touch_in_flight_and_the_mark_after_it_sees_the_push()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.ExecuteAsync(ForgetRoots);
        await new Collector(world).BarrierAsync();
        var collector = new Collector(world);
        var row = await world.HoldAsync("select 1 from store_path for update");

        var begin = world.BeginAsync(World.Chain("a"));
        await world.UntilBlockedAsync();
        var barrier = collector.BarrierAsync();
        await world.UntilBlockedAsync(2);
        await row.DisposeAsync();
        Assert.Equal(1, (await begin).Present);
        await barrier;
        await collector.MarkAsync();
        await collector.CondemnAsync();

        Assert.Equal("live", await world.StateOfAsync("a"));
    }

    [Fact]
    public async Task A_touch_that_waited_for_a_barrier_stamps_the_new_number()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var barrier = await world.HoldAsync("select pg_advisory_xact_lock(20291, 1); update gc_epoch set g = g + 1");

        var begin = world.BeginAsync(World.Chain("a"));
        await world.UntilBlockedAsync();
        await barrier.DisposeAsync();
        await begin;

        Assert.True(await world.QueryAsync<bool>("select touched = g from store_path, gc_epoch"));
    }

    [Fact]
    public async Task A_NAR_is_stamped_with_its_path_when_a_commit_that_began_before_a_barrier_ends_after_it()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);
        var collector = new Collector(world);
        world.Store.OnWrite = async (_, _) =>
        {
            await collector.BarrierAsync();
            return MemoryObjectStore.Answer.Normal;
        };
        await world.CommitAsync(push);

        // The run is taken over: it marks again under its old number, and a begin comes in between.
        await world.ExecuteAsync(ForgetRoots);
        await collector.MarkAsync();
        Assert.Equal(1, (await world.BeginAsync(World.Chain("a"))).Present);
        await collector.CondemnAsync();
        await collector.SweepAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Single(world.Store.NarInfos);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_that_is_being_deleted_is_uploaded_again_and_the_commit_waits_for_the_deletion()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var old = world.NarInfoOf("a")!.Url;
        await world.ChangeAsync("update store_path set state = 'deleting'");
        await world.ChangeAsync("update object set state = 'deleting'");

        var push = await world.BeginAsync(World.Chain("a"));
        Assert.Equal(PathState.Upload, push.Missing.Single().State);
        await world.UploadAsync(push);
        Assert.Equal(PushState.Committing, (await world.CommitAsync(push, patience: TimeSpan.Zero)).State);
        world.Store.Objects.TryRemove($"{World.Hash("a")}.narinfo", out _);
        await world.ChangeAsync("update store_path set state = 'gone'");
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.NotEqual(old, world.NarInfoOf("a")!.Url);
        Assert.DoesNotContain(old, world.Store.Objects.Keys);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_NAR_that_was_condemned_comes_back_with_the_push_that_relies_on_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
        await world.ChangeAsync("update store_path set state = 'gone'");
        world.Store.Objects.TryRemove($"{World.Hash("a")}.narinfo", out _);

        var push = await world.BeginAsync(World.Chain("a"));
        Assert.Equal(PathState.Stored, push.Missing.Single().State);
        await collector.SweepAsync();
        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.CommitAsync(push);

        await world.AssertSoundAsync();
        Assert.NotNull(world.NarInfoOf("a"));
    }

    [Fact]
    public async Task A_NAR_of_two_paths_outlives_the_one_that_is_swept_while_a_third_push_adopts_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Closure(World.Path("a", content: "same")));
        await world.PushAsync(World.Closure(World.Path("b", content: "same")));
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();

        var push = await world.BeginAsync(World.Closure(World.Path("c", content: "same")));
        await collector.SweepAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.CommitAsync(push);

        Assert.Empty(push.Uploads);
        Assert.NotNull(world.NarInfoOf("c"));
        Assert.Null(world.NarInfoOf("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_that_returns_is_uploaded_under_its_former_key_once_no_URL_for_it_works()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var former = world.NarInfoOf("a")!.Url;
        await world.ExecuteAsync(ForgetRoots);
        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        var early = await world.BeginAsync(World.Chain("a"));
        Assert.DoesNotContain(former, early.Uploads.Single().Url!.ToString(), StringComparison.Ordinal);
        await world.AbortAsync(early);
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        var late = await world.BeginAsync(World.Chain("a"));
        var waiting = await world.BeginAsync(World.Chain("a"));

        Assert.EndsWith(former, late.Uploads.Single().Url!.ToString(), StringComparison.Ordinal);
        Assert.Empty(waiting.Uploads);
        await world.UploadAsync(late);
        await world.CommitAsync(late);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_late_PUT_through_an_old_URL_is_deleted_again_and_nobody_is_granted_the_key_before()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.AbortAsync(push);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        world.Store.Upload(push.Uploads.Single().Url!, [1]);
        var next = await world.BeginAsync(World.Chain("a"));
        Assert.NotEqual(push.Uploads.Single().Url, next.Uploads.Single().Url);
        await world.AbortAsync(next);
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task A_log_that_was_condemned_when_it_was_sent_again_is_held_until_the_commit_attaches_it()
    {
        await using var world = await World.CreateAsync();
        var drv = StorePath.Parse($"{World.Hash("drv")}-a.drv");
        var report = new UploadReport { Logs = [new LogContent { Drv = drv, Path = World.Hash("a"), Content = [2] }] };
        var first = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(first);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(first), report, CancellationToken.None);
        await world.CommitAsync(first);
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
        await world.ChangeAsync("update store_path set state = 'gone'");

        var push = await world.BeginAsync(World.Chain("a") with { Logs = [new LogDeclaration { Drv = drv, Path = World.Hash("a") }] });
        Assert.Equal([drv], push.MissingLogs);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), report, CancellationToken.None);
        await collector.SweepAsync();
        await new Collector(world).RunAsync();
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.CommitAsync(push);

        Assert.True(world.Store.Objects.ContainsKey($"log/{drv.BaseName}"));
        Assert.Equal(2, await world.QueryAsync<int>("select cardinality(objects) from store_path"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_log_whose_deletion_is_under_way_at_a_commit_is_no_part_of_it_although_another_push_brings_it_back_before_the_end()
    {
        await using var world = await World.CreateAsync();
        var drv = StorePath.Parse($"{World.Hash("drv")}-a.drv");
        await PushWithLogAsync("a");
        await world.ChangeAsync(
            "update store_path set objects = objects[1:1]; update object set state = 'deleting', fence = clock_timestamp() + interval '1 " +
            "hour' where kind = 'log'");
        var path = World.Path("b", content: "a") with { Deriver = drv };
        var opened = await world.Core.Niks3Pushes.OpenAsync(
            CacheName.Default,
            new Niks3Push
            {
                Roots = [path.Path.Hash],
                Paths = [new(path.Path.Hash, path.NarHash, path.NarSize, [])],
                Objects = [new(ObjectKey.Log(drv), IsLog: true, path.Path.Hash)]
            },
            CancellationToken.None);
        Assert.True(await world.Core.Niks3Pushes.KeepObjectAsync(CacheName.Default, opened.Id, opened.Secret, ObjectKey.Log(drv), [2],
            CancellationToken.None));
        await world.Core.Niks3Pushes.DeclareAsync(CacheName.Default, opened.Id, [new(path, [])], CancellationToken.None);
        var (publishes, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        world.Store.OnWrite = async (_, key) =>
        {
            if (key == ObjectKey.NarInfo(path.Path.Hash))
            {
                publishes.SetResult();
                await goOn.Task;
            }

            return Answer.Normal;
        };

        var commit = world.Pushes.CommitAsync(CacheName.Default, opened.Id, TimeSpan.FromMinutes(1), CancellationToken.None);
        await publishes.Task;
        Assert.Equal(0,
            await world.QueryAsync<long>(
            "select count(*) from push u cross join unnest(u.objects) i join object o on o.id = i where u.state = 'committing' and " +
            "o.state = 'deleting'"));
        await world.ChangeAsync("update object set state = 'gone', fence = null where kind = 'log'");
        await PushWithLogAsync("c");
        await new Collector(world).BarrierAsync();
        goOn.SetResult();

        Assert.Equal(PushState.Committed, (await commit).State);
        Assert.Equal("live", await world.QueryAsync<string>("select state::text from object where kind = 'log'"));
        // Whoever touches a path that has the current number looks at its objects no more.
        Assert.Equal(0,
            await world.QueryAsync<long>(
            "select count(*) from store_path s cross join unnest(s.objects) i join object o on o.id = i where s.state = 'live' and " +
            "s.touched > o.touched"));
        await world.AssertSoundAsync();

        async Task PushWithLogAsync(string name)
        {
            var push = await world.BeginAsync(World.Closure(World.Path(name) with { Deriver = drv }));
            await world.UploadAsync(push);
            await world.Pushes.ReportAsync(
                CacheName.Default, World.Id(push),
                new UploadReport { Logs = [new LogContent { Drv = drv, Path = World.Hash(name), Content = [2] }] },
                CancellationToken.None);
            await world.CommitAsync(push);
        }
    }

    [Fact]
    public async Task A_lapsed_push_whose_paths_were_collected_is_told_what_is_missing()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.ExecuteAsync(ForgetRoots);
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.TravelAsync(TimeSpan.FromHours(2));
        await new Collector(world).RunAsync();

        var renewed = await world.Pushes.RenewAsync(CacheName.Default, World.Id(push), CancellationToken.None);
        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push));

        Assert.Equal(2, renewed.Lost.Count);
        Assert.Equal((ProblemKind.MissingPaths, 2), (problem.Kind, problem.Paths!.Count));
    }
}
