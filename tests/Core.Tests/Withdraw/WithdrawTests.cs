using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;
using static OrleansCache.Core.Tests.Withdraw.Withdrawing;

namespace OrleansCache.Core.Tests.Withdraw;

/// <summary>What an admin takes back goes with all that refers to it, and does not come back; who relied on it is told.</summary>
public sealed class WithdrawTests
{
    [Fact]
    public async Task A_path_goes_at_once_with_all_that_refers_to_it_and_with_its_NAR()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        await world.PushAsync(World.Chain("d"));
        var (bad, good) = (world.NarInfoOf("a")!.Url, world.NarInfoOf("b")!.Url);
        var deleted = new List<string>();
        world.Store.OnWrite = (what, key) =>
        {
            if (what == "delete")
                deleted.Add(key.ToString());
            return Task.FromResult(MemoryObjectStore.Answer.Normal);
        };

        var eviction = await world.EvictAsync("a");

        Assert.Equal("gone gone gone live", await world.StatesAsync("a", "b", "c", "d"));
        Assert.Equal([$"{World.Hash("c")}.narinfo", $"{World.Hash("b")}.narinfo", $"{World.Hash("a")}.narinfo", bad], deleted);
        // Nothing is wrong with it: who builds b on another a uploads it no more.
        Assert.True(world.Store.Objects.ContainsKey(good));
        Assert.Equal(["a Selected", "b Reference", "c Reference"], eviction.Paths.Select(p => $"{p.Path.Name} {p.Because}").Order());
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_condemned_path_goes_without_its_grace()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.CollectAsync(new GcRequest { OlderThanSeconds = 0 });
        await world.PushAsync(World.Chain("a"));
        Assert.Equal("live condemned", await world.StatesAsync("a", "b"));

        await world.EvictAsync("a");

        Assert.Equal("gone gone", await world.StatesAsync("a", "b"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_commit_that_is_publishing_what_refers_to_it_ends_withdrawn_and_is_waited_for()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var store = new TaskCompletionSource();
        world.Store.OnWrite = async (what, key) =>
        {
            if (what == "put" && key.ToString() == $"{World.Hash("b")}.narinfo")
                await store.Task;
            return MemoryObjectStore.Answer.Normal;
        };
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);
        var commit = world.CommitAsync(push);
        await Testing.Eventually.BecomesTrueAsync(async () => await world.StateOfAsync("b") == "publishing");
        var operation = OperationId.New();

        var running = await world.EvictAsync(Of("a"), operation: operation, patience: TimeSpan.Zero);

        Assert.Equal(EvictionState.Running, running.State);
        await Testing.Eventually.BecomesTrueAsync(async () =>
            (await world.EvictAsync(Of("a"), operation: operation, patience: TimeSpan.Zero)).WaitsFor.Contains(push.Id));
        Assert.Equal("live publishing", await world.StatesAsync("a", "b"));
        // Nobody else is promised it meanwhile, whatever it is called.
        Assert.Equal(0, (await world.BeginAsync(World.Closure(World.Path("a", content: "another")))).Present);
        store.SetResult();
        await AssertRefusedAsync(commit, "a", "b");
        Assert.Equal(0,
            await world.QueryAsync<long>("select count(*) from root r join store_path s on s.id = r.path_id where s.name = 'b'"));
        Assert.Equal(EvictionState.Done, (await world.EvictAsync(Of("a"), operation: operation)).State);
        // Sent again it says the same.
        await AssertRefusedAsync(world.CommitAsync(push), "a", "b");
        Assert.Equal("gone gone", await world.StatesAsync("a", "b"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_commit_that_looked_before_the_bar_and_wrote_after_it_is_found()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push);

        await using (await world.HoldAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, (select id from push where state = 'open'), '-1 s')"))
        {
            var eviction = world.EvictAsync(Of("a"));
            await Testing.Eventually.BecomesTrueAsync(async () => eviction.IsCompleted || await world.BlockedAsync() > 0);
        }

        await world.ResumeAsync();
        Assert.Equal("gone gone", await world.StatesAsync("a", "b"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_begin_is_promised_neither_what_is_barred_nor_what_refers_to_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PinAsync("app", "b");
        // So that b is looked at: a walk stops at what was touched since the last barrier.
        await world.CollectAsync(World.Everything);
        var gateway = await world.AddGatewayAsync();
        PushOpened? of = null, above = null;
        gateway.Database.BeforeStatement = async (sql, _) =>
        {
            if (!sql.Contains("withdraw_waits", StringComparison.Ordinal) || of is not null)
                return;
            of = await world.BeginAsync(World.Closure(World.Path("a", content: "another")));
            above = await world.BeginAsync(World.Closure(World.Path("b")));
        };

        await world.EvictAsync(Of("a"), gateway);

        Assert.Equal((0, 0), (of!.Present, above!.Present));
    }

    [Fact]
    public async Task An_open_push_that_was_promised_it_is_told_by_its_renewal_and_its_commit()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        await world.UploadAsync(push);

        await world.EvictAsync("a");

        Assert.Equal(new[] { World.Hash("a"), World.Hash("b") }.Order(),
            (await world.Pushes.RenewAsync(CacheName.Default, World.Id(push), CancellationToken.None)).Lost.Order());
        await AssertRefusedAsync(world.CommitAsync(push), "a", "b");
        // With whatever content they are back: they are not what it was promised.
        await world.PushAsync(World.Closure(World.Path("a", content: "another"), World.Path("b", ["a"])));
        await AssertRefusedAsync(world.CommitAsync(push), "a", "b");
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_warm_push_that_was_promised_it_is_told_too()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(World.Chain("a"));
        var push = await world.BeginAsync(World.Chain("a"));

        await world.EvictAsync("a");
        await world.PushAsync(World.Closure(World.Path("a", content: "another")));

        await AssertRefusedAsync(world.CommitAsync(push), "a");
    }

    [Fact]
    public async Task A_push_that_has_uploaded_the_same_content_is_refused_whatever_it_asks()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Chain("a"));
        await world.UploadAsync(push, pushes: world.Of(Victim));
        await world.PushAsync(Mallory, World.Chain("a"));

        await world.EvictAsync("a");

        await AssertRefusedAsync(world.CommitAsync(push, world.Of(Victim)), "a");
        await AssertRefusedAsync(
            world.Of(Victim).WaitAsync(CacheName.Default, World.Id(push), new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 0 },
                CancellationToken.None), "a");
    }

    [Fact]
    public async Task The_same_content_is_refused_until_the_bar_is_lifted_and_then_gets_a_key_of_its_own()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var former = world.NarInfoOf("a")!.Url;
        // Long after its last URL has ended, when what returns would have its former key.
        await world.TravelAsync(TimeSpan.FromDays(3));
        await world.EvictAsync(Of("a") with { Reason = "it was not built here" });

        await AssertRefusedAsync(world.BeginAsync(World.Chain("a", "b")), "a");
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from push where state = 'open'"));
        var bar = Assert.Single(await world.BarsAsync());
        Assert.Equal(("a", "it was not built here", Admin.Publisher, false), (bar.Path.Name, bar.Reason, bar.CreatedBy, bar.Nar));

        await world.Core.Withdrawals.LiftAsync(CacheName.Default, bar.Id, Admin, CancellationToken.None);
        Assert.Empty(await world.BarsAsync());
        await world.PushAsync(World.Chain("a", "b"));
        Assert.NotEqual(former, world.NarInfoOf("a")!.Url);
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task Another_content_is_taken_as_soon_as_the_former_is_gone()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.EvictAsync("a");

        await world.PushAsync(World.Closure(World.Path("a", content: "another"), World.Path("b", ["a"])));

        Assert.Equal("live live", await world.StatesAsync("a", "b"));
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from store_path where barred"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_path_that_has_the_same_bytes_goes_along_and_may_come_back_with_bytes_of_its_own()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Closure(World.Path("a", content: "x")));
        await world.PushAsync(World.Closure(World.Path("m", content: "x"), World.Path("n", ["m"])));
        var shared = world.NarInfoOf("m")!.Url;
        Assert.Equal(shared, world.NarInfoOf("a")!.Url);
        var holding = await world.BeginAsync(World.Closure(World.Path("h", content: "x")));
        Assert.Equal(PathState.Stored, Assert.Single(holding.Missing).State);

        var eviction = await world.EvictAsync("a");

        Assert.Equal(["a Selected", "m Nar", "n Reference"], eviction.Paths.Select(p => $"{p.Path.Name} {p.Because}"));
        Assert.Equal("gone gone gone", await world.StatesAsync("a", "m", "n"));
        Assert.False(world.Store.Objects.ContainsKey(shared));
        await PinSteps.FailsAsync(ProblemKind.MissingPaths, world.CommitAsync(holding));
        await world.PushAsync(World.Closure(World.Path("m", content: "x"), World.Path("n", ["m"])));
        Assert.NotEqual(shared, world.NarInfoOf("m")!.Url);
        await AssertRefusedAsync(world.BeginAsync(World.Closure(World.Path("a", content: "x"))), "a");
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task Who_takes_the_bytes_just_before_they_are_barred_goes_along()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Closure(World.Path("a", content: "x")));
        var push = await world.BeginAsync(World.Closure(World.Path("m", content: "x")));
        var gateway = await world.AddGatewayAsync();
        gateway.Database.BeforeStatement = async (sql, _) =>
        {
            if (sql.Contains("withdraw_start", StringComparison.Ordinal))
                await world.CommitAsync(push);
        };

        await world.EvictAsync(Of("a"), gateway);

        Assert.Equal("gone gone", await world.StatesAsync("a", "m"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_commit_under_way_supersedes_nothing_with_a_NAR_that_is_bad_by_now()
    {
        await using var world = await World.CreateAsync();
        var deployer = new Caller("token:11", Mallory.Group, 1);
        await world.PushAsync(Mallory, World.Closure(World.Path("p", content: "y")));
        await world.PushAsync(Mallory, World.Closure(World.Path("m", content: "x")));
        var former = world.NarInfoOf("p")!.Url;
        var store = new TaskCompletionSource();
        world.Store.OnWrite = async (what, key) =>
        {
            if (what == "put" && key.ToString() == $"{World.Hash("new")}.narinfo")
                await store.Task;
            return MemoryObjectStore.Answer.Normal;
        };
        var push = await world.BeginAsync(deployer, World.Closure(World.Path("p", content: "x"), World.Path("new", ["p"])));
        await world.UploadAsync(push, pushes: world.Of(deployer));
        var commit = world.CommitAsync(push, world.Of(deployer));
        await Testing.Eventually.BecomesTrueAsync(async () => await world.StateOfAsync("new") == "publishing");
        var operation = OperationId.New();

        var running = await world.EvictAsync(Of("m"), operation: operation, patience: TimeSpan.Zero);
        Assert.Equal(EvictionState.Running, running.State);
        store.SetResult();

        await AssertRefusedAsync(commit, "p");
        Assert.Equal(EvictionState.Done, (await world.EvictAsync(Of("m"), operation: operation)).State);
        Assert.Equal(("gone", former), (await world.StateOfAsync("m"), world.NarInfoOf("p")!.Url));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_commit_that_has_superseded_a_path_writes_its_narinfo_before_it_ends_withdrawn()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("lib", "app"));
        var store = new TaskCompletionSource();
        var written = new TaskCompletionSource();
        world.Store.OnWrite = async (what, key) =>
        {
            if (what == "put" && key.ToString() == $"{World.Hash("app")}.narinfo")
            {
                written.TrySetResult();
                await store.Task;
            }

            return MemoryObjectStore.Answer.Normal;
        };
        var push = await world.BeginAsync(Deployer, World.Closure(World.Path("other"), World.Path("app", ["other"])));
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        var commit = world.CommitAsync(push, world.Of(Deployer));
        await written.Task;
        var operation = OperationId.New();

        // What the narinfo in the bucket still refers to.
        var running = await world.EvictAsync(Of("lib"), operation: operation, patience: TimeSpan.Zero);
        await Testing.Eventually.BecomesTrueAsync(async () =>
            (await world.EvictAsync(Of("lib"), operation: operation, patience: TimeSpan.Zero)).WaitsFor.Contains(push.Id));

        Assert.Equal(EvictionState.Running, running.State);
        Assert.Equal("live live live", await world.StatesAsync("lib", "app", "other"));
        store.SetResult();
        await AssertRefusedAsync(commit, "lib");
        Assert.Equal(EvictionState.Done, (await world.EvictAsync(Of("lib"), operation: operation)).State);
        Assert.Equal("gone live live", await world.StatesAsync("lib", "app", "other"));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_path_that_was_superseded_a_moment_ago_goes_as_it_is_now()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(World.Path("p", content: "first"), World.Path("q", ["p"])));
        await world.PushAsync(Deployer, World.Closure(World.Path("p", content: "second")));

        await world.EvictAsync("p");

        Assert.Equal("gone gone", await world.StatesAsync("p", "q"));
        await AssertRefusedAsync(world.BeginAsync(Deployer, World.Closure(World.Path("p", content: "second"))), "p");
        // Nobody has taken back what it was before.
        await world.PushAsync(Mallory, World.Closure(World.Path("p", content: "first")));
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task With_a_bar_on_the_NAR_all_paths_that_have_it_go_and_none_comes_back()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(World.Path("a", content: "x")));
        await world.PushAsync(Victim, World.Closure(World.Path("m", content: "x"), World.Path("n", ["m"])));

        var plan = await world.EvictAsync(Of("a") with { Nar = true, DryRun = true });
        Assert.Equal(["a token:1 Selected", "m token:2 Nar", "n token:2 Reference"],
            plan.Paths.Select(p => $"{p.Path.Name} {p.Publisher} {p.Because}"));
        await world.EvictAsync(Of("a") with { Nar = true });

        Assert.Equal("gone gone gone", await world.StatesAsync("a", "m", "n"));
        await AssertRefusedAsync(world.BeginAsync(Victim, World.Closure(World.Path("o", content: "x"))), "o");
        await AssertRefusedAsync(world.BeginAsync(Victim, World.Closure(World.Path("m", content: "x"), World.Path("n", ["m"]))), "m");
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task A_bad_NAR_is_not_kept_for_readers_who_remember_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(World.Path("a", content: "x")));
        await world.PushAsync(Mallory, World.Closure(World.Path("m", content: "x")));
        var bad = world.NarInfoOf("m")!.Url;
        await world.PushAsync(Deployer, World.Closure(World.Path("a")));
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from kept_object"));

        await world.EvictAsync("m");

        Assert.False(world.Store.Objects.ContainsKey(bad));
        Assert.Equal("live gone", await world.StatesAsync("a", "m"));
        await world.AssertWholeAsync();
    }
}
