using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>Pushes that meet each other, and housekeeping; interleavings are forced by row locks that somebody else holds.</summary>
public sealed class ConcurrentPushTests
{
    [Fact]
    public async Task Commits_that_share_paths_in_different_orders_all_succeed()
    {
        await using var world = await World.CreateAsync();
        string[] names = ["a", "b", "c", "d"];
        var pushes = new List<PushOpened>();
        for (var i = 0; i < 8; i++)
            pushes.Add(await world.BeginAsync(World.Closure([.. (i % 2 == 0 ? names : names.Reverse()).Select(n => World.Path(n)),
                World.Path($"top{i}", names)])));
        foreach (var push in pushes)
            await world.UploadAsync(push);

        // All of them stand at the same row before any may go on.
        List<Task<CommitAnswer>> commits;
        await using (await world.HoldAsync("select 1 from store_path for update"))
        {
            commits = pushes.ConvertAll(p => world.CommitAsync(p));
            await world.UntilBlockedAsync(pushes.Count);
        }

        Assert.All(await Task.WhenAll(commits), c => Assert.Equal(PushState.Committed, c.State));
        Assert.Equal(12, world.Store.NarInfos.Count());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_commit_that_waits_while_lapsed_pushes_are_ended_keeps_its_own_from_it_and_its_answer_is_true()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);
        await new Collector(world).BarrierAsync();
        await world.TravelAsync(TimeSpan.FromHours(7));

        Task<CommitAnswer> commit;
        await using (await world.HoldAsync("select 1 from store_path for update"))
        {
            commit = world.CommitAsync(push);
            await world.UntilBlockedAsync();
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
        }

        Assert.Equal(PushState.Committed, (await commit).State);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(("live", "live"), (await world.StateOfAsync("a"), await world.StateOfAsync("b")));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task An_upload_whose_push_ends_while_another_push_commits_it_is_adopted_whole_or_not_at_all()
    {
        await using var world = await World.CreateAsync();
        var drv = StorePath.Parse($"{World.Hash("drv")}-n.drv");
        var first = await world.BeginAsync(World.Chain("a"));
        var committing = await world.BeginAsync(World.Closure(World.Path("n"), World.Path("a", ["n"])));
        await world.UploadAsync(committing);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(committing),
            new UploadReport { Logs = [new LogContent { Drv = drv, Path = World.Hash("n"), Content = [1] }] }, CancellationToken.None);

        // 1. The commit stands before its lock of n's NAR. 2. The other push records a's. 3. The commit goes on to the log. 4. The other
        // push ends, its upload is deleted.
        var isMissing = false;
        var nar = await world.HoldAsync("select 1 from object where kind = 'nar' and state = 'stored' for update");
        var log = await world.HoldAsync("select 1 from object where kind = 'log' for update");
        var commit = world.CommitAsync(committing);
        await world.UntilBlockedAsync();
        await world.UploadAsync(first);
        await nar.DisposeAsync();
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<long>(
            "select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.query like '%commit_push%' " +
            "and a.datname = current_database() and exists (select from pg_locks h where h.pid = l.pid and h.relation = 'push'::regclass)") > 0);
        var abort = world.AbortAsync(first);
        await Eventually.BecomesTrueAsync(async () => abort.IsCompleted
            || await world.QueryAsync<long>(
            "select count(*) from pg_locks where not granted and locktype in ('transactionid', 'tuple')") > 1);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await log.DisposeAsync();
        await abort;

        try
        {
            await commit;
        }
        catch (CacheProblemException e) when (e.Kind == ProblemKind.MissingPaths)
        {
            // The upload went with its push; nothing was published.
            isMissing = true;
        }

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.AssertSoundAsync();
        Assert.Equal((isMissing ? "open" : "committed", isMissing ? "gone" : "live"),
            (await world.QueryAsync<string>($"select state::text from push where public_id = '{committing.Id}'"),
                await world.StateOfAsync("n")));
    }

    [Fact]
    public async Task Two_that_wait_do_not_deadlock_over_an_upload_that_is_recorded_while_one_of_them_stands_in_line()
    {
        await using var world = await World.CreateAsync();
        var lower = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(await world.BeginAsync(World.Chain("b")));
        var closure = World.Closure(World.Path("a"), World.Path("b"));
        var (one, other) = (await world.BeginAsync(closure), await world.BeginAsync(closure));
        var statements = 0;
        world.Core.Database.BeforeStatement = (sql, _) =>
        {
            if (sql.Contains("wait_paths", StringComparison.Ordinal))
                Interlocked.Increment(ref statements);
            return Task.CompletedTask;
        };

        // 1. One stands before b's NAR. 2. a's is recorded, or waits for the first. 3. The other takes a's, or waits for it.
        Task<WaitAnswer> first, second;
        Task<ReportAnswer> report;
        await using (await world.HoldAsync("select 1 from object where state = 'stored' for update"))
        {
            first = world.WaitAsync(one, "a", "b");
            await world.UntilBlockedAsync();
            report = world.UploadAsync(lower);
            await Eventually.BecomesTrueAsync(async () => report.IsCompleted || await world.BlockedAsync() == 2);
            second = world.WaitAsync(other, "a", "b");
            await Eventually.BecomesTrueAsync(async () => await world.BlockedAsync() >= (report.IsCompleted ? 2 : 3));
        }

        Assert.All((await Task.WhenAll(first, second)).SelectMany(answer => answer.Paths), path =>
            Assert.Contains(path.State, new[] { PathState.Stored, PathState.Wait }));
        Assert.Single((await report).Stored);
        // A statement that fell victim to a deadlock is sent again.
        Assert.Equal(2, statements);
    }

    [Fact]
    public async Task A_commit_does_not_lock_a_realisation_that_is_there_before_the_path_that_carries_it()
    {
        await using var world = await World.CreateAsync();
        var id = Nix.RealisationId.Parse($"sha256:{new string('0', 64)}!out");
        var closure =
            World.Closure(World.Path("a")) with { Realisations = [new RealisationDeclaration { Id = id, Path = World.Hash("a") }] };
        var report = new UploadReport { Realisations = [new RealisationContent { Id = id, Path = World.Hash("a"), Content = "{}" }] };
        var cold = await world.BeginAsync(closure);
        await world.UploadAsync(cold);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(cold), report, CancellationToken.None);
        await world.CommitAsync(cold);
        var warm = await world.BeginAsync(closure);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(warm), report, CancellationToken.None);

        // Whoever has the path's lock wants the realisation's next, as all do: it must be free, or the two wait for each other.
        Task<CommitAnswer> commit;
        await using (await world.HoldAsync("select 1 from store_path for update"))
        {
            commit = world.CommitAsync(warm);
            await world.UntilBlockedAsync();
            await using var next = await world.HoldAsync("select 1 from object where kind = 'realisation' for update nowait");
        }

        Assert.Equal(PushState.Committed, (await commit).State);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Of_a_hundred_that_wait_for_a_stalled_upload_one_takes_over()
    {
        await using var world = await World.CreateAsync();
        await world.BeginAsync(World.Chain("a"));
        var waiting = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => world.BeginAsync(World.Chain("a"))));
        await world.TravelAsync(TimeSpan.FromSeconds(11));

        var answers = await Task.WhenAll(waiting.Select(w => world.WaitAsync(w, "a")));

        Assert.Equal(1, answers.Count(a => a.Paths.Single().State == PathState.Upload));
        Assert.Equal(99, answers.Count(a => a.Paths.Single().State == PathState.Wait));
    }

    [Fact]
    public async Task Pushes_that_begin_at_once_share_the_uploads_between_them()
    {
        await using var world = await World.CreateAsync();
        var closure = World.Closure([.. Enumerable.Range(0, 50).Select(i => World.Path($"p{i}"))]);

        var opened = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => world.BeginAsync(closure)));

        Assert.Equal(50, opened.Sum(o => o.Uploads.Count));
        foreach (var push in opened)
            await world.UploadAsync(push);
        Assert.All(await Task.WhenAll(opened.Select(o => world.CommitAsync(o))), c => Assert.Equal(PushState.Committed, c.State));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task The_same_begin_sent_many_times_at_once_opens_one_push()
    {
        await using var world = await World.CreateAsync();

        var opened = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => world.BeginAsync(World.Chain("a", "b", "c"), "op-1")));

        Assert.Single(opened.Select(o => o.Id).Distinct());
        Assert.All(opened, o => Assert.Equal(opened[0].Uploads.Select(u => u.Id).Order(), o.Uploads.Select(u => u.Id).Order()));
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from push"));
    }

    [Fact]
    public async Task Two_roots_that_share_paths_are_one_push_with_each_upload_once()
    {
        await using var world = await World.CreateAsync();
        var closure = World.Closure(World.Path("lib"), World.Path("one", ["lib"]),
            World.Path("two", ["lib"])) with
        { Roots = [World.Hash("one"), World.Hash("two")] };

        var push = await world.BeginAsync(closure);
        Assert.Equal(3, push.Uploads.Count);
        await world.UploadAsync(push);
        await world.CommitAsync(push);

        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from root"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_report_repeated_after_a_lost_answer_says_stored_and_one_after_an_abort_says_that_the_push_ended()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Closure(World.Path("a"), World.Path("big", size: 1L << 30)));
        var first = await world.UploadAsync(push);

        Assert.Equal(first.Stored, (await world.UploadAsync(push)).Stored);
        await world.AbortAsync(push);
        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.UploadAsync(push));

        Assert.Equal(ProblemKind.PushEnded, problem.Kind);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.Objects);
    }

    [Fact]
    public async Task Nothing_is_promised_about_a_path_that_the_push_does_not_name()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("other"));
        var push = await world.BeginAsync(World.Chain("a"));

        foreach (var name in new[] { "other", "nowhere" })
            Assert.Equal(ProblemKind.BadRequest, (await Assert.ThrowsAsync<CacheProblemException>(() => world.WaitAsync(push, name))).Kind);
    }

    [Fact]
    public async Task A_multipart_upload_that_a_crash_left_without_a_row_is_discarded_and_nobody_elses()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Closure(World.Path("big", size: 1L << 30)));
        var noted = world.Store.OpenMultiparts.Keys.Single();
        var leaked = await world.Store.BeginMultipartAsync(ObjectKey.Parse(world.Store.OpenMultiparts[noted]), 8 << 20,
            CancellationToken.None);
        var foreign = await world.Store.BeginMultipartAsync(ObjectKey.Parse($"nar/{new string('0', 52)}.nar.zst"), 8 << 20,
            CancellationToken.None);

        await (await world.AddGatewayAsync()).RunHousekeepingAsync(CancellationToken.None);
        Assert.Contains(leaked, world.Store.OpenMultiparts.Keys);
        world.Store.MultipartsInitiated -= TimeSpan.FromHours(1);
        await (await world.AddGatewayAsync()).RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(new[] { foreign, noted }.Order(), world.Store.OpenMultiparts.Keys.Order());
        Assert.Single((await world.UploadAsync(push)).Stored);
    }

    [Fact]
    public async Task A_multipart_upload_that_a_crash_left_is_discarded_by_the_first_server_in_days()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Closure(World.Path("a", size: 100 << 20)));
        var noted = world.Store.OpenMultiparts.Keys.Single();
        await world.Store.BeginMultipartAsync(ObjectKey.Parse(world.Store.OpenMultiparts[noted]), 8 << 20, CancellationToken.None);
        await world.AbortAsync(push);
        world.Store.MultipartsInitiated -= TimeSpan.FromDays(3);
        await world.TravelAsync(TimeSpan.FromDays(3));

        // Its first turn deletes the upload for the second time, too, and with that the row that tells whose the key is.
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from object"));
        Assert.Empty(world.Store.OpenMultiparts);
    }

    [Fact]
    public async Task A_multipart_upload_that_cannot_be_discarded_does_not_keep_other_uploads_from_being_deleted()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Closure(World.Path("bad", size: 1L << 30), World.Path("b")));
        await world.UploadAsync(push, [push.Uploads.Single(u => u.Url is not null)]);
        await world.AbortAsync(push);
        world.Store.OnAbort = _ => throw new ObjectStoreException("no", isTransient: false);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(world.Store.Objects);
        Assert.Equal("deleting", await world.QueryAsync<string>("select state::text from object where multipart_id is not null"));
        world.Store.OnAbort = _ => { };
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.OpenMultiparts);
    }
}
