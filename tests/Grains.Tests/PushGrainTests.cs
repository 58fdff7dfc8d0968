using Orleans.Core.Internal;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

public sealed class PushGrainTests
{
    private static readonly PushId Push = PushId.New();
    private static readonly Sha256Hash Nar = Sha256Hash.Compute("nar"u8);
    private static readonly Sha256Hash Other = Sha256Hash.Compute("other"u8);

    [Fact]
    public async Task Who_follows_a_push_from_another_silo_is_told_what_arrives_and_that_it_has_ended()
    {
        var (pusher, waiter) = (ThreeSilos.Engine("follow").News, ThreeSilos.Engine("follow").News);
        await using var news = waiter.FollowAsync(CacheName.Default, Push, CancellationToken.None).GetAsyncEnumerator();
        Assert.True(await news.MoveNextAsync());
        Assert.Equal([], news.Current!.Nars);

        pusher.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddHours(1));
        pusher.Arrived(CacheName.Default, Push, [Nar, Other]);
        Assert.Equal([Nar, Other], await NextAsync(news));
        pusher.Arrived(CacheName.Default, Push, [Nar]);
        Assert.Equal([Nar], await NextAsync(news));
        pusher.Ended(CacheName.Default, Push);

        Assert.Null(await NextAsync(news));
        Assert.False(await news.MoveNextAsync());
    }

    [Fact]
    public async Task Who_comes_late_is_told_what_has_arrived_before()
    {
        var news = ThreeSilos.Engine("late").News;
        news.Arrived(CacheName.Default, Push, [Nar]);
        await using (var first = news.FollowAsync(CacheName.Default, Push, CancellationToken.None).GetAsyncEnumerator())
            await NextAsync(first);

        await using var late = news.FollowAsync(CacheName.Default, Push, CancellationToken.None).GetAsyncEnumerator();

        Assert.True(await late.MoveNextAsync());
        Assert.Equal([Nar], late.Current!.Nars);
    }

    [Fact]
    public async Task A_push_that_nobody_renews_is_told_to_have_ended_when_it_lapses()
    {
        var news = ThreeSilos.Engine("lapse").News;
        news.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddSeconds(1));
        await using var follower = news.FollowAsync(CacheName.Default, Push, CancellationToken.None).GetAsyncEnumerator();

        Assert.Null(await NextAsync(follower));
    }

    [Fact]
    public async Task A_fresh_activation_knows_nothing_and_its_followers_are_told_to_ask_the_catalog()
    {
        var grain = await ThreeSilos.GrainAsync<IPushGrain>("fresh", Push.ToString());
        var news = ThreeSilos.Engine("fresh").News;
        news.Arrived(CacheName.Default, Push, [Nar]);
        await using var follower = news.FollowAsync(CacheName.Default, Push, CancellationToken.None).GetAsyncEnumerator();
        Assert.Equal([Nar], await NextAsync(follower));
        var before = await grain.NewsAsync(Guid.Empty, 0);

        await grain.Cast<IGrainManagementExtension>().DeactivateOnIdle();

        Assert.Null(await NextAsync(follower));
        var after = await grain.NewsAsync(before.Activation, before.Count);
        Assert.Equal((0, false), (after.Count, after.Ended));
        Assert.Empty(after.Hashes);
    }

    [Fact]
    public async Task A_waiting_push_learns_of_an_upload_at_another_silo_without_asking_the_catalog_all_the_time()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var uploading = await world.BeginAsync(World.Chain("a"));
        var waiting = await world.BeginAsync(World.Chain("a", "b"), pushes: other.Pushes);
        var before = other.Database.StatementCount;

        var wait = other.Pushes.WaitAsync(CacheName.Default, World.Id(waiting),
            new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 60 }, CancellationToken.None);
        // Longer than the catalog is left alone without a cluster.
        await Task.Delay(TimeSpan.FromSeconds(2));
        Assert.False(wait.IsCompleted);
        await world.UploadAsync(uploading);

        Assert.Equal(PathState.Stored, Assert.Single((await wait).Paths).State);
        // Asked when the news came, and at most three times before.
        Assert.InRange(other.Database.StatementCount - before, 1, 4);
    }

    [Fact]
    public async Task The_claims_of_an_aborted_push_are_passed_on_to_who_waits_at_another_silo()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync();
        var uploading = await world.BeginAsync(World.Chain("a"));
        var waiting = await world.BeginAsync(World.Chain("a"), pushes: other.Pushes);
        var wait = other.Pushes.WaitAsync(CacheName.Default, World.Id(waiting),
            new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 60 }, CancellationToken.None);

        await world.Pushes.AbortAsync(CacheName.Default, World.Id(uploading), CancellationToken.None);

        var answer = await wait;
        Assert.Equal(PathState.Upload, Assert.Single(answer.Paths).State);
        await world.UploadAsync(waiting, answer.Uploads, other.Pushes);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(waiting, other.Pushes)).State);
    }

    [Fact]
    public async Task The_claims_of_a_push_that_lapses_are_passed_on_to_who_waits_at_another_silo()
    {
        await using var world = await World.CreateAsync(new PushOptions { Life = TimeSpan.FromSeconds(4) });
        var other = await world.AddGatewayAsync();
        await world.BeginAsync(World.Chain("a"));
        var waiting = await world.BeginAsync(World.Chain("a", "b"), pushes: other.Pushes);
        var before = other.Database.StatementCount;

        var answer = await other.Pushes.WaitAsync(CacheName.Default, World.Id(waiting),
            new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 60 }, CancellationToken.None);

        Assert.Equal(PathState.Upload, Assert.Single(answer.Paths).State);
        // It was told, and has not asked all the time.
        Assert.InRange(other.Database.StatementCount - before, 1, 5);
    }

    [Fact]
    public async Task A_grain_that_finds_its_push_ended_past_it_tells_who_follows()
    {
        await using var world = await World.CreateAsync(new PushOptions { Life = TimeSpan.FromSeconds(4) });
        var plain = await world.AddGatewayAsync(plain: true);
        var push = await world.BeginAsync(World.Chain("a"));
        var news = ThreeSilos.Engine(ThreeSilos.ScopeOf(world)).News;
        await using var follower = news.FollowAsync(CacheName.Default, World.Id(push), CancellationToken.None).GetAsyncEnumerator();
        Assert.True(await follower.MoveNextAsync());

        news.Alive(CacheName.Default, World.Id(push));
        // By a process that nobody hears: the grain's own renewal is refused.
        await plain.Pushes.AbortAsync(CacheName.Default, World.Id(push), CancellationToken.None);

        Assert.Null(await NextAsync(follower));
    }

    [Fact]
    public async Task Who_follows_another_activation_than_the_one_that_is_told_hears_it_from_the_catalog()
    {
        await using var world = await World.CreateAsync();
        var other = await world.AddGatewayAsync(engine: ThreeSilos.Engine($"{ThreeSilos.ScopeOf(world)}-second"));
        var uploading = await world.BeginAsync(World.Chain("a"));
        var waiting = await world.BeginAsync(World.Chain("a", "b"), pushes: other.Pushes);

        var wait = other.Pushes.WaitAsync(CacheName.Default, World.Id(waiting),
            new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 60 }, CancellationToken.None);
        await world.UploadAsync(uploading);

        Assert.Equal(PathState.Stored, Assert.Single((await wait).Paths).State);
    }

    [Fact]
    public async Task What_is_told_twice_changes_nothing_and_the_grain_goes_once_its_push_has_ended()
    {
        var news = ThreeSilos.Engine("twice").News;
        var grain = await ThreeSilos.GrainAsync<IPushGrain>("twice", Push.ToString());
        news.Opened(CacheName.Default, Push, DateTimeOffset.UtcNow.AddHours(1));
        for (var i = 0; i < 2; i++)
        {
            news.Arrived(CacheName.Default, Push, [Nar]);
            news.Ended(CacheName.Default, Push);
        }

        await Eventually.BecomesTrueAsync(async () => (await grain.NewsAsync(Guid.Empty, 0)) is { Ended: true, Count: 2 });
        await using var late = news.FollowAsync(CacheName.Default, Push, CancellationToken.None).GetAsyncEnumerator();
        Assert.Equal([Nar, Nar], await NextAsync(late));
        Assert.Null(await NextAsync(late));
        await Eventually.BecomesTrueAsync(async () => !await ThreeSilos.IsAwakeAsync(grain));
    }

    [Fact]
    public async Task A_push_whose_client_shows_signs_of_life_is_kept_open()
    {
        await using var world = await World.CreateAsync(new PushOptions { Life = TimeSpan.FromSeconds(4) });
        var push = await world.BeginAsync(World.Chain("a"));
        var grant = Assert.Single(push.Uploads);

        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.Pushes.UrlsAsync(CacheName.Default, World.Id(push), grant.Id, new UrlsRequest { FirstPart = 1, Count = 1 },
                CancellationToken.None);
            return await world.QueryAsync<bool>(
                $"select expires > '{push.Expires:O}'::timestamptz + interval '1 second' from push where public_id = '{push.Id}'");
        });
    }

    private static async Task<IReadOnlyList<Sha256Hash>?> NextAsync(IAsyncEnumerator<Arrival?> news)
    {
        // One limit for all of it: a grain that has nothing to tell says so every few seconds.
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (await news.MoveNextAsync().AsTask().WaitAsync(limit.Token))
        {
            if (news.Current is not { Nars.Count: 0 })
                return news.Current?.Nars;
        }

        throw new InvalidOperationException("the news has ended");
    }
}
