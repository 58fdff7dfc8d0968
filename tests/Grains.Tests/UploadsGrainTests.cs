using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>What is uploaded to a cache just now, as the pushes tell each other.</summary>
public sealed class UploadsGrainTests
{
    private const int FastRate = 1_000_000_000;
    private static readonly PushId First = PushId.New();
    private static readonly PushId Second = PushId.New();
    private static readonly Sha256Hash Nar = Sha256Hash.Compute("nar"u8);
    private static readonly Sha256Hash OtherNar = Sha256Hash.Compute("other"u8);

    [Fact]
    public async Task Who_begins_later_learns_who_uploads_and_claims_the_rest()
    {
        Assert.Equal([null, null], await ClaimAsync("claim", First, "ci", "a", "b"));

        var told = await ClaimAsync("claim", Second, "ci", "a", "c", "b");

        Assert.Equal([First, null, First], told.Select(u => u?.Push));
        Assert.All(told.OfType<Uploader>(), u => Assert.Equal((Nar, true), (u.NarHash, u.IsOwn)));
        Assert.Equal([Second, null], (await FindAsync("claim", First, "ci", "c", "a")).Select(u => u?.Push));
    }

    [Fact]
    public async Task A_push_is_never_told_to_wait_for_itself()
    {
        await ClaimAsync("itself", First, "ci", "a");

        Assert.Equal([null], await ClaimAsync("itself", First, "ci", "a"));
        Assert.Equal([null], await FindAsync("itself", First, "ci", "a"));
    }

    [Fact]
    public async Task Another_group_is_waited_for_only_by_who_adopts_and_only_for_the_same_nar()
    {
        await ClaimAsync("groups", First, "ci", "a", "b");

        Assert.Equal([null], await ClaimAsync("groups", PushId.New(), "careful", "a"));
        var told = await AskAsync("groups", Second, new UploadClaims("laptops", 0, true, FastRate,
            [new WantedNar(World.Hash("b"), Nar, 100), new WantedNar(World.Hash("a"), OtherNar, 100), new WantedNar(World.Hash("c"), Nar, 100)]));

        Assert.Equal([First, null, null], told.Select(u => u?.Push));
        Assert.False(told[0]!.IsOwn);
        // What it waits for it does not upload, so its own group is told nothing of it.
        Assert.Equal([null, Second, Second], (await FindAsync("groups", PushId.New(), "laptops", "b", "a", "c")).Select(u => u?.Push));
    }

    [Fact]
    public async Task Who_was_told_of_another_groups_upload_hears_of_it_again_while_it_waits_and_nobody_else_does()
    {
        await ClaimAsync("told", First, "ci", "a", "b");
        var laptops = new UploadClaims("laptops", 0, true, FastRate, [new WantedNar(World.Hash("a"), Nar, 100)]);
        Assert.Equal([First], (await AskAsync("told", Second, laptops)).Select(u => u?.Push));

        var again = await FindAsync("told", Second, "laptops", "a");

        Assert.Equal([(First, Nar, false)], again.Select(u => (u!.Push, u.NarHash, u.IsOwn)));
        Assert.Equal([null], await FindAsync("told", PushId.New(), "laptops", "a"));
        ThreeSilos.Engine("told").News.Ended(CacheName.Default, Second);
        await Eventually.BecomesTrueAsync(async () => (await FindAsync("told", Second, "laptops", "a"))[0] is null);
    }

    [Fact]
    public async Task Nobody_waits_for_another_group_of_a_lower_rank()
    {
        await ClaimAsync("rank", First, "ci", "a");

        var wanted = new UploadClaims("deploy", 1, true, FastRate, [new WantedNar(World.Hash("a"), Nar, 100)]);
        Assert.Equal([null], await AskAsync("rank", Second, wanted));

        Assert.Equal([Second], (await AskAsync("rank", PushId.New(), wanted with { Group = "laptops" })).Select(u => u?.Push));
    }

    [Fact]
    public async Task Another_content_of_a_path_is_nobodys_to_wait_for_and_the_first_stays_known()
    {
        await ClaimAsync("content", First, "ci", "a");

        Assert.Equal([null], await AskAsync("content", Second, new UploadClaims("ci", 0, true, FastRate, [new WantedNar(World.Hash("a"), OtherNar, 100)])));
        Assert.Equal([null], await AskAsync("content", PushId.New(), new UploadClaims("ci", 0, true, FastRate, [new WantedNar(World.Hash("a"), Nar, 101)])));
        Assert.Equal([First], (await ClaimAsync("content", PushId.New(), "ci", "a")).Select(u => u?.Push));
    }

    [Fact]
    public async Task What_a_push_releases_and_what_has_ended_is_the_next_ones()
    {
        var engine = ThreeSilos.Engine("released");
        await ClaimAsync("released", First, "ci", "a", "b", "c");
        engine.News.Uploads(CacheName.Default, First, DateTimeOffset.UtcNow.AddHours(1), 2);

        engine.News.Released(CacheName.Default, First, [World.Hash("a")]);
        await Eventually.BecomesTrueAsync(async () => (await FindAsync("released", Second, "ci", "a"))[0] is null);
        Assert.Equal([null, First, First], (await ClaimAsync("released", Second, "ci", "a", "b", "c")).Select(u => u?.Push));

        engine.News.Ended(CacheName.Default, First);
        await Eventually.BecomesTrueAsync(async () => (await FindAsync("released", Second, "ci", "b"))[0] is null);
        Assert.Equal([null, null], await ClaimAsync("released", Second, "ci", "b", "c"));
        Assert.Equal([Second, Second, Second], (await FindAsync("released", First, "ci", "a", "b", "c")).Select(u => u?.Push));
    }

    [Fact]
    public async Task A_push_that_begins_again_keeps_what_it_has_claimed()
    {
        await ClaimAsync("again", First, "ci", "a");
        await AskAsync("again", Second, new UploadClaims("laptops", 0, false, FastRate, [new WantedNar(World.Hash("a"), Nar, 100)]));

        // Another group uploads it, too, by now: that is nothing to wait for, as this push uploads it itself.
        Assert.Equal([null], await AskAsync("again", First, new UploadClaims("ci", 0, true, FastRate, [new WantedNar(World.Hash("a"), Nar, 100)])));
    }

    [Fact]
    public async Task An_end_that_is_told_to_an_activation_that_knows_of_no_uploads_ends_them()
    {
        await ClaimAsync("unknown", First, "ci", "a");

        ThreeSilos.Engine("unknown").News.Ended(CacheName.Default, First);

        await Eventually.BecomesTrueAsync(async () => (await FindAsync("unknown", Second, "ci", "a"))[0] is null);
    }

    [Fact]
    public async Task Who_follows_a_push_hears_that_all_it_has_to_upload_has_arrived()
    {
        var news = ThreeSilos.Engine("complete").News;
        news.Uploads(CacheName.Default, First, DateTimeOffset.UtcNow.AddHours(1), 2);
        news.Arrived(CacheName.Default, First, [Nar]);
        await using var follower = news.FollowAsync(CacheName.Default, First, CancellationToken.None).GetAsyncEnumerator();
        await Eventually.BecomesTrueAsync(async () => await follower.MoveNextAsync() && follower.Current is { Nars: [var nar], IsComplete: false }
            && nar == Nar);

        news.Arrived(CacheName.Default, First, [OtherNar]);

        await Eventually.BecomesTrueAsync(async () => await follower.MoveNextAsync() && follower.Current is { IsComplete: true });
    }

    private static async Task<IReadOnlyList<Uploader?>> ClaimAsync(string scope, PushId push, string group, params string[] paths) =>
        await AskAsync(scope, push, new UploadClaims(group, 0, false, FastRate, [.. paths.Select(p => new WantedNar(World.Hash(p), Nar, 100))]));

    private static async Task<IReadOnlyList<Uploader?>> AskAsync(string scope, PushId push, UploadClaims claims) =>
        await ThreeSilos.Engine(scope).News.ClaimAsync(CacheName.Default, push, claims, CancellationToken.None);

    private static async Task<IReadOnlyList<Uploader?>> FindAsync(string scope, PushId push, string group, params string[] paths) =>
        await ThreeSilos.Engine(scope).News.UploadersAsync(CacheName.Default, push, group, [.. paths.Select(World.Hash)], CancellationToken.None);
}
