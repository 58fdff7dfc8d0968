using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>Who has as much as he may is told so, by each protocol, before he brings more; who brings nothing new is not.</summary>
public sealed class QuotaTests
{
    private static readonly Caller VictimsTwin = new("token:22", Victim.Group, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Open_pushes_are_limited_for_each_publisher_by_himself(bool grouped)
    {
        await using var world = await CreateAsync(new QuotaLimits { OpenPushes = 2 }, grouped: grouped);
        var first = await world.BeginAsync(Mallory, World.Chain("a"), "build-1");
        await world.BeginAsync(Mallory, World.Chain("b"));

        var problem = await RefusedAsync(() => world.BeginAsync(Mallory, World.Chain("c")));

        Assert.Equal(
            $"The quota of open pushes of the publisher '{Mallory.Publisher}' is 2: 2 are used, 0 are left, and this needs 1 more. " +
            "Commit or abort one, or wait until one has lapsed. Or ask the operator for more.", problem.Message);
        // Another publisher, the same operation again, and whoever has ended one.
        await world.BeginAsync(Victim, World.Chain("c"));
        Assert.Equal(first.Id, (await world.BeginAsync(Mallory, World.Chain("a"), "build-1")).Id);
        await world.Of(Mallory).AbortAsync(CacheName.Default, World.Id(first), CancellationToken.None);
        await world.BeginAsync(Mallory, World.Chain("c"));
    }

    [Fact]
    public async Task Of_many_at_once_in_a_group_as_many_are_opened_as_are_allowed()
    {
        await using var world = await CreateAsync(new QuotaLimits { OpenPushes = 3 }, grouped: true);
        await world.PushAsync(Victim, World.Chain("a"));

        Task<PushOpened>[] begins;
        await using (await world.HoldAsync("select pg_advisory_xact_lock(20291, id) from cache"))
        {
            begins = [.. Enumerable.Range(0, 12).Select(i => world.BeginAsync(i % 2 == 0 ? Mallory : Victim, World.Chain("a")))];
            await world.UntilBlockedAsync();
        }

        var outcomes = await Task.WhenAll(begins.Select(async begin => await Record.ExceptionAsync(() => begin)));
        // Two groups that are asked at once may each see the other's room; a group by itself does not.
        Assert.InRange(outcomes.Where((_, i) => i % 2 == 0).Count(o => o is null), 3, 5);
        Assert.All(outcomes.Where(o => o is not null), o =>
            Assert.Equal(ProblemKind.QuotaExceeded, Assert.IsType<CacheProblemException>(o).Kind));
        Assert.NotEmpty(outcomes.Where((o, i) => i % 2 == 0 && o is not null));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_another_push_was_to_upload_counts_when_who_waits_takes_it_over(bool grouped)
    {
        await using var world = await CreateAsync(new QuotaLimits { ClaimedBytes = 2500 }, grouped: grouped);
        var first = await world.BeginAsync(Victim, World.Chain("a", "b"));
        await world.BeginAsync(VictimsTwin, World.Chain("c", "d"));
        var waiting = await world.BeginAsync(VictimsTwin, World.Chain("a", "b"));
        Assert.All(waiting.Missing, m => Assert.Equal(PathState.Wait, m.State));

        await world.Of(Victim).AbortAsync(CacheName.Default, World.Id(first), CancellationToken.None);

        var problem = await RefusedAsync(() => world.Of(VictimsTwin).WaitAsync(CacheName.Default, World.Id(waiting),
            new WaitRequest { Paths = [World.Hash("a"), World.Hash("b")], TimeoutSeconds = 0 }, CancellationToken.None));
        Assert.Contains("is 2,500: 2,000 are used, 500 are left, and this needs 2,000 more", problem.Message, StringComparison.Ordinal);
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from object where state = 'claimed'"));
    }

    [Fact]
    public async Task A_push_that_has_lapsed_is_not_counted_as_open()
    {
        await using var world = await CreateAsync(new QuotaLimits { OpenPushes = 1 });
        await world.BeginAsync(Mallory, World.Chain("a"));

        await world.TravelAsync(TimeSpan.FromHours(2));

        await world.BeginAsync(Mallory, World.Chain("b"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_open_pushes_upload_is_limited_and_the_push_that_would_be_too_much_is_ended(bool grouped)
    {
        await using var world = await CreateAsync(new QuotaLimits { ClaimedBytes = 2500 }, grouped: grouped);
        var first = await world.BeginAsync(Mallory, World.Chain("a", "b"));

        var problem = await RefusedAsync(() => world.BeginAsync(Mallory, World.Chain("c")));

        Assert.Contains("is 2,500: 2,000 are used, 500 are left, and this needs 1,000 more", problem.Message, StringComparison.Ordinal);
        Assert.Equal(["open", "aborted"], await StatesAsync(world));
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from object"));
        // What has arrived is counted until the push ends.
        await world.UploadAsync(first, pushes: world.Of(Mallory));
        await RefusedAsync(() => world.BeginAsync(Mallory, World.Chain("c")));
        await world.CommitAsync(first, world.Of(Mallory));
        await world.PushAsync(Mallory, World.Chain("c"));
    }

    [Fact]
    public async Task What_is_there_and_what_another_of_the_group_uploads_costs_nothing()
    {
        await using var world = await CreateAsync(new QuotaLimits { ClaimedBytes = 1000 }, new QuotaLimits { ClaimedBytes = 2000 });
        await world.PushAsync(Victim, World.Chain("a"));
        await world.BeginAsync(Victim, World.Chain("b"));

        Assert.Equal(PathState.Wait, Assert.Single((await world.BeginAsync(VictimsTwin, World.Chain("b"))).Missing).State);
        Assert.Empty((await world.BeginAsync(Victim, World.Chain("a"))).Missing);
    }

    [Fact]
    public async Task A_trust_group_has_quotas_of_its_own()
    {
        await using var world = await CreateAsync(new QuotaLimits { OpenPushes = 2 }, new QuotaLimits { OpenPushes = 3 });
        await world.BeginAsync(Victim, World.Chain("a"));
        await world.BeginAsync(Victim, World.Chain("b"));
        await world.BeginAsync(VictimsTwin, World.Chain("c"));

        var problem = await RefusedAsync(() => world.BeginAsync(VictimsTwin, World.Chain("d")));

        Assert.Contains($"of the trust group '{Victim.Group}' is 3", problem.Message, StringComparison.Ordinal);
        await world.BeginAsync(Mallory, World.Chain("d"));
    }

    [Fact]
    public async Task Stored_bytes_are_those_that_are_published_and_those_that_are_coming()
    {
        await using var world = await CreateAsync(new QuotaLimits { StoredBytes = 3000 });
        await world.PushAsync(Mallory, World.Chain("a"));
        await world.ExecuteAsync("update object set file_size = 1500");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await world.BeginAsync(Mallory, World.Chain("b"));
        var problem = await RefusedAsync(() => world.BeginAsync(Mallory, World.Chain("c")));

        Assert.Contains("stored bytes of the publisher 'token:1' is 3,000: 2,500 are used, 500 are left", problem.Message,
            StringComparison.Ordinal);
        Assert.Empty((await world.BeginAsync(Mallory, World.Chain("a"))).Missing);
        await world.PushAsync(Victim, World.Chain("v"));
    }

    [Fact]
    public async Task Roots_are_limited_and_one_that_is_kept_already_is_pushed_again()
    {
        await using var world = await CreateAsync(new QuotaLimits { Roots = 1 });
        await world.PushAsync(Mallory, World.Chain("a"));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await RefusedAsync(() => world.BeginAsync(Mallory, World.Chain("b")));

        await world.PushAsync(Mallory, World.Chain("a"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_root_counts_for_who_made_it_one_whoever_published_the_path(bool grouped)
    {
        await using var world = await CreateAsync(new QuotaLimits { Roots = 10 }, grouped: grouped);
        await world.PushAsync(Victim, World.Chain("a", "b"));
        await world.ExecuteAsync("update store_path set verified = true");

        await world.PushAsync(Mallory, World.Chain("a"));

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(["token:1 1", "token:2 1"],
            await world.Core.Database.ListAsync("select name || ' ' || roots from publisher order by name", _ => { }, r => r.GetString(0),
            CancellationToken.None));
    }

    [Fact]
    public async Task What_publishers_have_is_counted_every_few_minutes_by_one_of_the_servers()
    {
        await using var world = await CreateAsync(new QuotaLimits { Roots = 10 });
        await world.PushAsync(Mallory, World.Chain("a"));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.PushAsync(Mallory, World.Chain("b"));

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(1, await RootsAsync());
        await world.ExecuteAsync("update cache set publishers_counted = publishers_counted - interval '6 minutes'");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(2, await RootsAsync());

        Task<long> RootsAsync() => world.QueryAsync<long>($"select roots from publisher where name = '{Mallory.Publisher}'");
    }

    [Fact]
    public async Task A_client_that_describes_its_paths_later_is_refused_alike()
    {
        await using var world = await CreateAsync(new QuotaLimits { OpenPushes = 1, ClaimedBytes = 1500 });
        var pushes = world.Core.Niks3Pushes.As(Mallory);

        await RefusedAsync(() => pushes.OpenAsync(CacheName.Default, Niks3("a", 2000), CancellationToken.None));
        await pushes.OpenAsync(CacheName.Default, Niks3("a", 1000), CancellationToken.None);
        var problem = await RefusedAsync(() => pushes.OpenAsync(CacheName.Default, Niks3("b", 1), CancellationToken.None));

        Assert.Contains("open pushes", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stock_Nix_is_refused_alike()
    {
        await using var world = await CreateAsync(new QuotaLimits { StoredBytes = 1, Roots = 1 });
        var nix = new StockNix(world);
        await nix.CopyAsync("a");
        await nix.PutNarAsync("b");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await RefusedAsync(() => nix.PutNarAsync("c"));
        Assert.Contains("kept closures", (await RefusedAsync(() => nix.PutInfoAsync("b"))).Message, StringComparison.Ordinal);
        // What is there is there.
        await nix.CopyAsync("a");
    }

    [Fact]
    public async Task A_warm_push_within_its_quotas_is_two_statements()
    {
        var limits = new QuotaLimits { OpenPushes = 10, ClaimedBytes = 10_000, StoredBytes = 10_000, Roots = 10 };
        await using var world = await CreateAsync(limits, limits);
        await world.PushAsync(Victim, World.Chain("a"));
        var before = world.Core.Database.StatementCount;

        await world.CommitAsync(await world.BeginAsync(Victim, World.Chain("a")), world.Of(Victim));

        Assert.Equal(2, world.Core.Database.StatementCount - before);
    }

    private static Task<World> CreateAsync(QuotaLimits publisher, QuotaLimits? group = null, bool grouped = false) =>
        World.CreateAsync(new PushOptions { Quotas = new Quotas { Publisher = publisher, Group = group ?? new QuotaLimits() } },
            grouped: grouped);

    private static async Task<CacheProblemException> RefusedAsync(Func<Task> ask)
    {
        var problem = await Assert.ThrowsAsync<CacheProblemException>(ask);
        Assert.Equal(ProblemKind.QuotaExceeded, problem.Kind);
        return problem;
    }

    private static Niks3Push Niks3(string name, long size) => new()
    {
        Roots = [World.Hash(name)],
        Paths = [new Niks3Path(World.Hash(name), Sha256Hash.Compute(System.Text.Encoding.UTF8.GetBytes(name)), size, [])],
    };

    private static Task<string[]> StatesAsync(World world) =>
        world.QueryAsync<string[]>("select array_agg(state::text order by id) from push");
}
