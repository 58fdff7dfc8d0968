using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;

namespace OrleansCache.Core.Tests.Caches;

/// <summary>Caches of one catalog: each with its own store, keys and pushes, and nothing that crosses.</summary>
public sealed class ManyCachesTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task The_same_closure_in_three_caches_is_three_times_stored_and_signed_by_each_cache_itself()
    {
        await using var world = await CreateAsync(A, B);
        foreach (var cache in (CacheName[])[CacheName.Default, A, B])
        {
            var push = await world.BeginAsync(cache, World.Chain("x", "y"));
            Assert.Equal(2, push.Uploads.Count);
            await world.UploadAsync(cache, push);
            Assert.Equal(PushState.Committed, (await world.Core.Pushes.CommitAsync(cache, World.Id(push), TimeSpan.FromSeconds(30), None)).State);
        }

        foreach (var cache in (CacheName[])[A, B])
        {
            var own = PublicKey.Parse(Assert.Single((await world.Core.Caches.ShowAsync(cache, None)).PublicKeys));
            Assert.True(world.NarInfoOf(cache, "y")!.Verify(own));
            Assert.False(world.NarInfoOf(CacheName.Default, "y")!.Verify(own));
            Assert.Equal("", await FsckAsync(world.Core, cache));
        }

        Assert.True(world.NarInfoOf(CacheName.Default, "y")!.Verify(World.Key.PublicKey));
        Assert.NotEqual(world.SignersOf(A, "y"), world.SignersOf(B, "y"));
    }

    [Fact]
    public async Task Ids_of_one_cache_are_nothing_in_another()
    {
        await using var world = await CreateAsync(A, B);
        var push = await world.BeginAsync(A, World.Chain("x", "y"));
        await world.PushAsync(A, World.Chain("z"));
        await world.Core.Pins.As(Caller.Server).SetAsync(A, PinName.Parse("main"), new SetPin { Path = World.Path("z").Path },
            PinCondition.None, OperationId.New(), TimeSpan.Zero, None);
        var pushes = world.Core.Pushes.As(Caller.Server);

        foreach (var other in (CacheName[])[B, CacheName.Default])
        {
            await RefusedAsync(ProblemKind.UnknownPush, () => pushes.CommitAsync(other, World.Id(push), TimeSpan.Zero, None));
            await RefusedAsync(ProblemKind.UnknownPush, () => pushes.RenewAsync(other, World.Id(push), None));
            await RefusedAsync(ProblemKind.UnknownPush, () => pushes.WaitAsync(other, World.Id(push),
                new WaitRequest { Paths = [World.Hash("x")], TimeoutSeconds = 0 }, None));
            await RefusedAsync(ProblemKind.UnknownPin, () => world.Core.Pins.ShowAsync(other, PinName.Parse("main"), None));
            await RefusedAsync(ProblemKind.UnknownPath, () => world.Core.Paths.GetAsync(other, World.Hash("z"), None));
            Assert.Equal([World.Hash("z")], (await pushes.MissingAsync(other, new MissingRequest { Paths = [World.Hash("z")] }, None)).Missing);
            Assert.Empty((await world.Core.Pins.ListAsync(other, None)).Pins);
            Assert.Empty(world.StoreOf(other).NarInfos);
            // The grants of a push are sealed with the secret of its cache.
            var own = await world.BeginAsync(other, World.Chain("x", "y"));
            var report = await pushes.ReportAsync(other, World.Id(own), new UploadReport
            {
                Uploads = [new UploadedNar { Upload = push.Uploads[0].Id, FileHash = Sha256Hash.Compute([1]), FileSize = 1, Md5 = [] }],
            }, None);
            Assert.Equal("ended", Assert.Single(report.Rejected).Reason);
            await pushes.AbortAsync(other, World.Id(own), None);
        }

        Assert.True((await pushes.RenewAsync(A, World.Id(push), None)).Expires > DateTimeOffset.UtcNow);
    }

    [Fact]
    public async Task A_process_serves_a_cache_as_soon_as_somebody_names_it_whoever_made_it()
    {
        await using var world = await CreateAsync();
        var other = await world.AddCoreAsync();
        await RefusedAsync(ProblemKind.UnknownCache, () => world.BeginAsync(A, World.Chain("x"), other));

        await world.MakeAsync(A);
        await Task.Delay(1100);
        await world.PushAsync(A, World.Chain("x"), other);

        Assert.NotNull(world.NarInfoOf(A, "x"));
        Assert.Contains(A, (await other.Caches.ListAsync(None)).Caches.Select(c => Name(c.Name)));
    }

    [Fact]
    public async Task Services_are_replaced_when_their_settings_change_and_calls_under_way_end_in_peace()
    {
        await using var world = await CreateAsync(A);
        var push = await world.BeginAsync(A, World.Chain("x"));
        var other = await world.BeginAsync(A, World.Chain("x"));
        var wait = world.Core.Pushes.WaitAsync(A, World.Id(other), new WaitRequest { Paths = [World.Hash("x")], TimeoutSeconds = 30 }, None);

        await world.SetAsync(A, new JsonObject { ["gcOlderThan"] = "48h" });
        await world.SetAsync(A, new JsonObject { ["hosts"] = new JsonArray("a.test") });
        await world.UploadAsync(A, push);
        await world.Core.Pushes.CommitAsync(A, World.Id(push), TimeSpan.FromSeconds(30), None);

        Assert.Equal(2, world.Places.Opened.Count);
        Assert.Equal("48h", (await world.Core.Caches.ShowAsync(A, None)).Settings.GcOlderThan);
        Assert.Equal(A, world.Core.FindHost("A.test"));
        await wait.WaitAsync(TimeSpan.FromSeconds(30));
        var run = await world.Core.Collection.StartAsync(A, new GcRequest { DryRun = true }, OperationId.New(), None);
        Assert.Equal(48 * 3600, run.OlderThanSeconds);
    }

    [Fact]
    public async Task A_setting_that_is_wrong_or_a_place_that_is_taken_is_refused_and_says_why()
    {
        await using var world = await CreateAsync(A);

        await BadAsync("gcOlderThan", new JsonObject { ["gcOlderThan"] = "soon" });
        await BadAsync("gcSchedule", new JsonObject { ["gcSchedule"] = "every day" });
        await BadAsync("adopt, always or off", new JsonObject { ["verify"] = "sometimes" });
        await BadAsync("'qouta' is no setting", new JsonObject { ["qouta"] = 1 });
        await BadAsync("quotaBytes", new JsonObject { ["quotaBytes"] = 0 });
        await BadAsync("quotaBytes", new JsonObject { ["quotaBytes"] = "many" });
        await BadAsync("hosts", new JsonObject { ["hosts"] = new JsonArray("http://a.test/") });
        await BadAsync("bucket", new JsonObject { ["bucket"] = "A bucket\0" });
        await BadAsync("is there twice", (JsonObject)JsonNode.Parse("""{"priority":1,"priority":2}""")!);
        await BadAsync("keys", new JsonObject { ["keys"] = new JsonArray("/etc/shadow") });
        await BadAsync("another cache's", new JsonObject { ["prefix"] = "c/a/" });
        await BadAsync("another cache's", new JsonObject { ["prefix"] = "c/" });
        await BadAsync("another cache's", new JsonObject { ["prefix"] = "c/a/inner/" });
        await RefusedAsync(ProblemKind.CacheExists, () => world.MakeAsync(A));
        await RefusedAsync(ProblemKind.CacheDeclared, () => world.SetAsync(CacheName.Default, new JsonObject { ["private"] = true }));
        await RefusedAsync(ProblemKind.UnknownCache, () => world.SetAsync(B, new JsonObject { ["private"] = true }));
        await RefusedAsync(ProblemKind.Forbidden, () => world.Core.Caches.SetAsync(A, new JsonObject { ["quotaBytes"] = 1L << 60 },
            isOperator: false, Caller.Server, None));
        await world.SetAsync(A, new JsonObject { ["hosts"] = new JsonArray("a.test") });
        await BadAsync("leads to cache 'a'", new JsonObject { ["hosts"] = new JsonArray("A.TEST") });
        // No place changes, not even an empty one: a server that has not heard would write into the former one.
        Assert.Contains("does not move", (await RefusedAsync(ProblemKind.BadRequest, () =>
            world.SetAsync(A, new JsonObject { ["prefix"] = "elsewhere/" }))).Message, StringComparison.Ordinal);
        Assert.Equal("c/a/", (await world.SetAsync(A, new JsonObject { ["prefix"] = "c/a/" })).Settings.Prefix);
        var declared = await RefusedAsync(ProblemKind.BadRequest, () => world.Core.DeclareAsync(
            [new DeclaredCache(A, new CacheSettings { Bucket = "other" })], None));
        Assert.Contains("cache 'a': Cache 'a' does not move: its place is 'c/a/' in bucket 'bucket'", declared.Message,
            StringComparison.Ordinal);

        async Task BadAsync(string why, JsonObject settings) => Assert.Contains(why,
            (await RefusedAsync(ProblemKind.BadRequest, () => world.MakeAsync(B, settings))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_leads_to_one_cache_whoever_has_heard_of_it()
    {
        await using var world = await CreateAsync(A);
        var other = await world.AddCoreAsync();
        await other.Caches.SetAsync(A, new JsonObject { ["hosts"] = new JsonArray("team.test") }, isOperator: true, Caller.Server, None);

        // The first process has not looked since.
        var made = await RefusedAsync(ProblemKind.BadRequest, () => world.MakeAsync(B, new JsonObject { ["hosts"] = new JsonArray("b.test", "Team.Test") }));
        Assert.Contains("Of the hosts 'b.test', 'Team.Test' one leads to another cache", made.Message, StringComparison.Ordinal);
        await world.MakeAsync(B, new JsonObject { ["hosts"] = new JsonArray("b.test") });
        // Two who set the same host at once.
        var catalog = new CacheCatalog(world.Core.Database);
        Assert.Equal(SetOutcome.Host, await catalog.SetAsync(B, 1, new CacheSettings { Hosts = ["TEAM.TEST"] }, "off", false, Caller.Server, None));
        Assert.Equal(SetOutcome.Done, await catalog.SetAsync(B, 1, new CacheSettings { Hosts = ["b.test", "c.test"] }, "off", false, Caller.Server, None));
    }

    [Fact]
    public async Task A_change_of_one_setting_leaves_the_others_and_null_takes_it_away()
    {
        await using var world = await CreateAsync();
        await world.MakeAsync(A, new JsonObject { ["private"] = true, ["priority"] = 30, ["quotaPaths"] = 5 });

        var changed = await world.SetAsync(A, new JsonObject { ["priority"] = 20, ["quotaPaths"] = null });

        Assert.Equal((true, 20), (changed.Settings.Private, changed.Settings.Priority));
        Assert.Null(changed.Settings.QuotaPaths);
        Assert.Equal(["cache.set", "cache.create"], (await world.Core.Audit.ReadAsync(A, new AuditQuery(), None)).Lines.Select(l => l.Action));
    }

    [Fact]
    public async Task A_cache_that_this_process_cannot_serve_is_said_so_and_served_once_it_can_be()
    {
        await using var world = await CreateAsync(A);
        world.Places.OnOpen = _ => throw new CacheProblemException(ProblemKind.BadRequest, "The file of its keys cannot be read.");
        var other = await world.AddCoreAsync();

        var refused = await RefusedAsync(ProblemKind.Unavailable, () => world.BeginAsync(A, World.Chain("x"), other));
        Assert.DoesNotContain("The file of its keys", refused.Message, StringComparison.Ordinal);
        Assert.Equal("The file of its keys cannot be read.", (await other.Caches.ShowAsync(A, None)).Trouble);
        // The default cache is served all the same.
        await world.PushAsync(CacheName.Default, World.Chain("x"), other);
    }

    [Fact]
    public async Task Twenty_caches_at_rest_cost_the_database_next_to_nothing()
    {
        await using var world = await CreateAsync();
        for (var i = 0; i < 20; i++)
            await world.MakeAsync(Name($"team-{i}"));
        var alone = await CreateAsync();
        await using var ends = alone;
        var one = await alone.AddCoreAsync(works: true);
        var many = await world.AddCoreAsync(works: true);
        // The first turns look everywhere.
        await Task.Delay(TimeSpan.FromSeconds(16));
        var (before, beforeAlone) = (many.Database.StatementCount, one.Database.StatementCount);

        await Task.Delay(TimeSpan.FromSeconds(20));

        var (with, without) = ((many.Database.StatementCount - before) / 20.0, (one.Database.StatementCount - beforeAlone) / 20.0);
        Assert.True(with - without < 1.5, $"{with:0.0} statements a second with 20 caches, {without:0.0} without");
    }

    internal static async Task<CacheProblemException> RefusedAsync(ProblemKind kind, Func<Task> call)
    {
        var problem = await Assert.ThrowsAsync<CacheProblemException>(call);
        Assert.True(kind == problem.Kind, $"{problem.Kind}: {problem.Message}");
        return problem;
    }
}
