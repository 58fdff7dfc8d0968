using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Core.Upstreams;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Upstreams;

/// <summary>What an upstream has as declared a push neither sends nor stores; a pin keeps nothing that only an upstream has.</summary>
public sealed class UpstreamTests
{
    // a ← b ← c: a and b are the upstream's, c is ours.
    private static readonly BeginPush Abc = World.Chain("a", "b", "c");

    [Fact]
    public async Task What_an_upstream_has_is_not_sent_and_the_narinfo_refers_to_it()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);

        var push = await world.BeginAsync(Abc);
        Assert.Equal([World.Hash("a"), World.Hash("b")], push.Upstream);
        Assert.Equal([World.Hash("c")], push.Missing.Select(m => m.Path));
        Assert.Equal(0, push.Present);
        await world.UploadAsync(push);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);

        Assert.Equal(["b"], world.NarInfoOf("c")!.References.Select(r => r.Name));
        Assert.True(world.NarInfoOf("c")!.Verify(World.Key.PublicKey));
        Assert.Null(world.NarInfoOf("b"));
        Assert.Equal("", await world.FsckAsync());
        var report = await world.Core.Upstreams.ReportAsync(CacheName.Default, 10, CancellationToken.None);
        Assert.Equal((1, 0), (report.Boundaries, report.LostCount));
        Assert.Equal(["b"], (await world.Core.Upstreams.OfPathAsync(CacheName.Default, World.Hash("c"), 10, CancellationToken.None))
            .Boundaries.Select(b => b.Name));
    }

    [Fact]
    public async Task A_second_push_asks_the_upstream_nothing_and_brings_nothing()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);
        var requests = upstream.Requests;

        var push = await world.BeginAsync(Abc);

        Assert.Empty(push.Missing);
        Assert.Empty(push.Conflicts);
        Assert.Equal((1, 2, requests), (push.Present, push.Upstream.Count, upstream.Requests));
        Assert.Equal(0, (await world.CommitAsync(push)).Published);
    }

    [Fact]
    public async Task A_root_is_stored_whatever_the_upstream_has()
    {
        await using var upstream = new UpstreamCache().Have(Abc);
        await using var world = await CreateAsync(upstream);

        await world.PushAsync(Abc);

        Assert.NotNull(world.NarInfoOf("c"));
        Assert.Null(world.NarInfoOf("b"));
    }

    [Fact]
    public async Task Who_wants_all_of_it_here_sends_all()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);

        await world.PushAsync(Abc with { Upstream = false });

        Assert.NotNull(world.NarInfoOf("a"));
        Assert.Equal(0, upstream.Requests);
    }

    [Theory]
    [InlineData("another content")]
    [InlineData("another signature")]
    [InlineData("other references")]
    [InlineData("another path under that hash")]
    [InlineData("an absent reference")]
    public async Task What_an_upstream_says_otherwise_is_sent(string lie)
    {
        await using var upstream = new UpstreamCache();
        await using var world = await CreateAsync(upstream);
        var (a, b) = (Abc.Paths[0], Abc.Paths[1]);
        switch (lie)
        {
            case "another content":
                upstream.Have(Abc, "a").Say(UpstreamCache.Of(b with { NarSize = 999 }, [a.Path]));
                break;
            case "another signature":
                upstream.Have(Abc, "a").Have(Abc, World.Key, "b");
                break;
            case "other references":
                upstream.Have(Abc, "a").Say(UpstreamCache.Of(b, []));
                break;
            case "another path under that hash":
                upstream.Have(Abc, "a").Say(UpstreamCache.Of(b with { Path = new Nix.StorePath(b.Path.Hash, "other") }, [a.Path]));
                break;
            default:
                upstream.Have(Abc, "b");
                break;
        }

        var push = await world.BeginAsync(Abc);

        Assert.DoesNotContain(World.Hash("b"), push.Upstream);
        await world.UploadAsync(push);
        await world.CommitAsync(push);
        Assert.NotNull(world.NarInfoOf("b"));
    }

    [Fact]
    public async Task An_upstream_that_is_away_delays_nothing_and_is_left_alone_for_a_while()
    {
        await using var upstream = new UpstreamCache { IsAway = true }.Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);

        Assert.Empty((await world.BeginAsync(Abc)).Upstream);
        var requests = upstream.Requests;
        Assert.Empty((await world.BeginAsync(World.Chain("a", "b", "d"))).Upstream);

        Assert.Equal(requests, upstream.Requests);
    }

    [Fact]
    public async Task An_upstream_that_never_answers_is_waited_for_no_longer_than_it_may_take()
    {
        await using var upstream = new UpstreamCache { IsSilent = true }.Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream, o => o with { Patience = TimeSpan.FromMilliseconds(200) });

        var push = await world.BeginAsync(Abc);

        Assert.Equal((3, 0), (push.Missing.Count, push.Upstream.Count));
    }

    [Fact]
    public async Task A_push_that_is_sent_again_brings_what_it_brought_though_an_upstream_has_it_by_now()
    {
        await using var upstream = new UpstreamCache();
        await using var world = await CreateAsync(upstream, o => o with { AbsentLife = TimeSpan.Zero });
        var first = await world.BeginAsync(Abc, "0123456789abcdef");
        upstream.Have(Abc, "a", "b");

        var again = await world.BeginAsync(Abc, "0123456789abcdef");

        Assert.Empty(again.Upstream);
        await world.UploadAsync(first);
        Assert.Equal(3, (await world.CommitAsync(first)).Published);
    }

    [Fact]
    public async Task A_collection_keeps_a_path_that_refers_to_an_upstream_and_takes_nothing_of_it_for_missing()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);

        await world.CollectAsync(new GcRequest { OlderThanSeconds = 3600, Force = true });
        Assert.NotNull(world.NarInfoOf("c"));
        await world.CollectAsync(World.Everything);

        Assert.Null(world.NarInfoOf("c"));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task No_pin_keeps_what_only_an_upstream_completes()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);

        var problem = await FailsAsync(ProblemKind.Boundary, world.PinAsync("app", "c"));

        Assert.Equal([World.Hash("b")], problem.Paths);
        Assert.Null(world.BucketPin("app"));
    }

    [Fact]
    public async Task A_cache_may_let_pins_rely_on_its_upstreams()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream, o => o with { AllowsPins = true });

        var push = await world.BeginAsync(Abc with { Pin = Pin("app") });
        Assert.Equal(2, push.Upstream.Count);
        await world.UploadAsync(push);
        await world.CommitAsync(push);
        await world.PinAsync("other", "c");

        Assert.Equal(("c", "c"), (world.BucketPin("app"), world.BucketPin("other")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pin_whose_boundaries_were_brought_keeps_them(bool byThePushItself)
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);

        var push = await world.BeginAsync(byThePushItself ? Abc with { Pin = Pin("app") } : Abc with { Upstream = false });
        Assert.Equal(2, push.Missing.Count);
        await world.UploadAsync(push);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        if (!byThePushItself)
            await world.PinAsync("app", "c");

        Assert.Equal("c", world.BucketPin("app"));
        await world.CollectAsync(World.Everything);
        await world.AssertSoundAsync();
        Assert.NotNull(world.NarInfoOf("a"));
        Assert.Equal(["b"], world.NarInfoOf("c")!.References.Select(r => r.Name));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Part_of_the_boundaries_is_not_enough_for_a_pin_and_what_is_there_is_not_lost_by_the_refusal()
    {
        var tree = World.Closure(World.Path("a"), World.Path("b"), World.Path("c", ["a", "b"]));
        await using var upstream = new UpstreamCache().Have(tree, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(tree);
        await world.PushAsync(World.Chain("a"));

        var problem = await FailsAsync(ProblemKind.Boundary, world.PinAsync("app", "c"));
        Assert.Equal([World.Hash("b")], problem.Paths);
        await world.PushAsync(World.Chain("b"));
        await world.PinAsync("app", "c");

        await world.CollectAsync(World.Everything);
        await world.AssertSoundAsync();
        Assert.NotNull(world.NarInfoOf("a"));
    }

    [Fact]
    public async Task What_came_here_later_and_has_boundaries_itself_is_followed_by_a_pin()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);
        // b is here now, and refers to the upstream's a.
        await world.PushAsync(World.Chain("a", "b"));
        Assert.NotNull(world.NarInfoOf("b"));
        Assert.Equal([World.Hash("a")], (await FailsAsync(ProblemKind.Boundary, world.PinAsync("app", "c"))).Paths);

        await world.PushAsync(World.Chain("a"));
        await world.PinAsync("app", "c");

        await world.CollectAsync(World.Everything);
        await world.AssertSoundAsync();
        Assert.NotNull(world.NarInfoOf("a"));
    }

    [Fact]
    public async Task A_path_that_an_upstream_has_lost_is_named_and_nothing_is_deleted_for_it()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);
        upstream.Lose("b");

        await world.TravelAsync(TimeSpan.FromHours(25));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        var report = await world.Core.Upstreams.ReportAsync(CacheName.Default, 10, CancellationToken.None);
        Assert.Equal((1, 1), (report.Boundaries, report.LostCount));
        Assert.Equal(("b", "c", 1), (report.Lost[0].Path.Name, report.Lost[0].Referrer.Name, report.Lost[0].Referrers));
        Assert.NotNull(world.NarInfoOf("c"));
        // A push brings it then.
        Assert.Equal([World.Hash("b")], (await world.BeginAsync(Abc)).Missing.Select(m => m.Path));

        upstream.Have(Abc, "b");
        await world.TravelAsync(TimeSpan.FromHours(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(0, (await world.Core.Upstreams.ReportAsync(CacheName.Default, 10, CancellationToken.None)).LostCount);
    }

    [Fact]
    public async Task An_upstream_that_does_not_answer_has_lost_nothing()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);
        upstream.IsAway = true;

        await world.TravelAsync(TimeSpan.FromHours(25));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(0, (await world.Core.Upstreams.ReportAsync(CacheName.Default, 10, CancellationToken.None)).LostCount);
    }

    [Fact]
    public async Task What_nobody_refers_to_is_forgotten_and_what_a_live_path_does_is_not()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);

        await world.TravelAsync(TimeSpan.FromDays(3));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal((1, 1), await RowsAsync());
        await world.CollectAsync(World.Everything);
        await world.TravelAsync(TimeSpan.FromDays(3));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal((0, 0), await RowsAsync());

        async Task<(long, long)> RowsAsync() => (await world.QueryAsync<long>("select count(*) from boundary"),
            await world.QueryAsync<long>("select count(*) from upstream_path"));
    }

    [Fact]
    public async Task A_path_that_is_pushed_again_after_a_collection_has_its_boundaries_again()
    {
        await using var upstream = new UpstreamCache().Have(Abc, "a", "b");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Abc);
        await world.CollectAsync(World.Everything);

        await world.PushAsync(Abc);

        Assert.Equal(["b"], world.NarInfoOf("c")!.References.Select(r => r.Name));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task What_supersedes_a_path_leaves_nothing_to_an_upstream()
    {
        var better = World.Closure(World.Path("a"), World.Path("c", ["a"], content: "better"));
        await using var upstream = new UpstreamCache().Have(better, "a");
        await using var world = await CreateAsync(upstream);
        await world.PushAsync(Victim, World.Closure(World.Path("c")));

        var push = await world.BeginAsync(Deployer, better);

        Assert.Empty(push.Upstream);
        Assert.Equal(2, push.Missing.Count);
        var pushes = world.Of(Deployer);
        await world.UploadAsync(push, pushes: pushes);
        await world.CommitAsync(push, pushes);
        await world.AssertSoundAsync();
        Assert.Equal(["a"], world.NarInfoOf("c")!.References.Select(r => r.Name));
    }

    [Fact]
    public async Task A_commit_that_comes_to_supersede_a_path_leaves_nothing_to_an_upstream()
    {
        var better = World.Closure(World.Path("a"), World.Path("c", ["a"], content: "better"));
        await using var upstream = new UpstreamCache().Have(better, "a");
        await using var world = await CreateAsync(upstream);
        var pushes = world.Of(Deployer);
        var push = await world.BeginAsync(Deployer, better);
        Assert.Equal([World.Hash("a")], push.Upstream);
        await world.UploadAsync(push, pushes: pushes);
        await world.PushAsync(Victim, World.Closure(World.Path("c")));

        await FailsAsync(ProblemKind.MissingPaths, world.CommitAsync(push, pushes));

        var again = await world.BeginAsync(Deployer, better);
        Assert.Empty(again.Upstream);
    }

    private static PushPin Pin(string name) => new() { Name = Name(name) };

    private static Task<World> CreateAsync(UpstreamCache upstream, Func<UpstreamOptions, UpstreamOptions>? change = null) =>
        World.CreateAsync(upstreams: (change ?? (o => o))(upstream.Options));
}
