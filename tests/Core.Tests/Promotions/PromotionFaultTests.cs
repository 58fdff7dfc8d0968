using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Caches;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Promotions;

/// <summary>Promotions that something befalls: what is done is kept, and nothing is published that should not be.</summary>
public sealed class PromotionFaultTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_NAR_that_fails_keeps_no_other_from_being_recorded_and_the_next_request_copies_the_rest()
    {
        await using var world = await CreateAsync(A, B);
        string[] names = ["a1", "a2", "a3", "a4"];
        await world.PushAsync(A, World.Chain(names));
        var bad = world.NarInfoOf(A, "a1")!.Url;
        world.StoreOf(B).OnCopy = key => key.ToString() == bad
            ? throw new Core.Store.ObjectStoreException("the store fails at this one", isTransient: true) : Task.CompletedTask;

        await Assert.ThrowsAsync<Core.Store.ObjectStoreException>(() => PromoteAsync(world, "a4"));

        Assert.Equal(3, world.StoreOf(B).Copies.Count);
        Assert.Empty(world.StoreOf(B).NarInfos);
        world.StoreOf(B).OnCopy = static _ => Task.CompletedTask;
        var done = await PromoteAsync(world, "a4");
        Assert.Equal((1, 4), (done.Copied, done.Published));
        Assert.Equal("", await FsckAsync(world.Core, B));
    }

    [Fact]
    public async Task A_source_that_is_gone_meanwhile_is_told_of_and_the_push_ends()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y"));
        world.StoreOf(A).Objects.TryRemove(world.NarInfoOf(A, "x")!.Url, out _);

        var refused = await RefusedAsync(ProblemKind.PathNotInCache, () => PromoteAsync(world, "y"));

        Assert.Equal([World.Hash("x")], refused.Paths);
        Assert.Empty(world.StoreOf(B).NarInfos);
        Assert.Equal(0L, await world.QueryAsync<long>("select count(*) from push where state = 'open'"));
    }

    [Fact]
    public async Task Settings_of_either_cache_may_change_in_the_middle()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y", "z"));
        var (begun, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        world.StoreOf(B).OnCopy = _ =>
        {
            begun.TrySetResult();
            return goOn.Task;
        };

        var promoting = PromoteAsync(world, "z");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await world.SetAsync(A, new JsonObject { ["gcOlderThan"] = "48h" });
        await world.SetAsync(B, new JsonObject { ["gcOlderThan"] = "48h" });
        goOn.SetResult();

        Assert.Equal(3, (await promoting).Published);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task A_cache_that_is_deleted_in_the_middle_ends_it_with_a_problem(string deleted)
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain(["w", .. Enumerable.Range(0, 20).Select(i => $"x{i}")]));
        var (begun, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        world.StoreOf(B).OnCopy = _ =>
        {
            begun.TrySetResult();
            return goOn.Task;
        };

        var promoting = PromoteAsync(world, "x19");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await world.Core.Caches.DeleteAsync(Name(deleted), force: true, Caller.Server, None);
        goOn.SetResult();

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => promoting);
        Assert.Contains(refused.Kind, (ProblemKind[])[ProblemKind.UnknownCache, ProblemKind.Unavailable]);
    }

    [Fact]
    public async Task With_its_request_a_promotion_ends_and_the_next_one_waits_for_nothing_of_it()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y"));
        var slow = world.NarInfoOf(A, "y")!.Url;
        var begun = new TaskCompletionSource();
        world.StoreOf(B).OnCopy = key =>
        {
            if (key.ToString() != slow)
                return Task.CompletedTask;
            begun.TrySetResult();
            return Task.Delay(Timeout.Infinite);
        };
        using var gone = new CancellationTokenSource();

        var promoting = PromoteAsync(world, "y", gone.Token);
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<long>("select count(*) from object where state = 'stored'") == 1);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => promoting);

        // No claim is left that a new push would have to wait for.
        Assert.Equal(0L, await world.QueryAsync<long>("select count(*) from object where state = 'claimed'"));
        world.StoreOf(B).OnCopy = static _ => Task.CompletedTask;
        var told = new ConcurrentQueue<PromotionProgress>();
        var done = await world.Core.Promotions.PromoteAsync(B, Request("y"), Publishers.Victim, OperationId.New(), told.Enqueue, None);
        Assert.Equal((1, 2), (done.Copied, done.Published));
        Assert.DoesNotContain(told, p => p.WaitsFor?.Contains("other pushes", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task A_copy_ends_when_its_push_does()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x"));
        var begun = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        world.StoreOf(B).OnCopy = _ =>
        {
            begun.TrySetResult();
            return goOn.Task;
        };

        var promoting = PromoteAsync(world, "x");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        var push = await world.QueryAsync<Guid>("select public_id from push where state = 'open'");
        await world.Core.Pushes.As(Caller.Server).AbortAsync(B, new PushId(push), None);
        goOn.SetResult();

        await RefusedAsync(ProblemKind.PushEnded, () => promoting);
        Assert.Empty(world.StoreOf(B).NarInfos);
    }

    [Fact]
    public async Task A_lying_NAR_is_not_published_where_all_is_read_first()
    {
        await using var world = await CreateAsync(A);
        await world.MakeAsync(B, new JsonObject { ["verify"] = "always" });
        var (honest, lie) = (new TextNar("honest", "as declared"), new TextNar("lie", "as declared, too"));
        await PushAsync(honest, honest.File);
        await PushAsync(lie, new TextNar("lie", "something else").File);
        using var ended = new CancellationTokenSource();
        var reading = Task.Run(async () =>
        {
            while (!ended.IsCancellationRequested)
            {
                await world.Core.RunVerificationAsync(None);
                await Task.Delay(20);
            }
        });

        Assert.Equal(1, (await PromoteAsync(world, "honest")).Published);
        await Assert.ThrowsAsync<CacheProblemException>(() => PromoteAsync(world, "lie"));

        await ended.CancelAsync();
        await reading;
        Assert.Equal([$"{honest.Hash}.narinfo"], world.StoreOf(B).NarInfos);

        async Task PushAsync(TextNar nar, byte[] file)
        {
            var push = await world.BeginAsync(A, new BeginPush { Roots = [nar.Hash], Paths = [nar.Path()] });
            var grant = Assert.Single(push.Uploads);
            world.StoreOf(A).Upload(grant.Url!, file);
            await world.Core.Pushes.As(Caller.Server).ReportAsync(A, World.Id(push), new UploadReport
            {
                Uploads = [new UploadedNar
                {
                    Upload = grant.Id,
                    FileHash = Nix.Sha256Hash.Compute(file),
                    FileSize = file.Length,
                    Md5 = [Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(file))],
                }],
            }, None);
            await world.Core.Pushes.CommitAsync(A, World.Id(push), TimeSpan.FromSeconds(30), None);
        }
    }

    [Fact]
    public async Task As_many_are_under_way_as_a_process_takes_and_one_publisher_has_half_of_the_copies()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain([.. Enumerable.Range(0, 30).Select(i => $"x{i}")]));
        var (copying, goOn) = (0, new TaskCompletionSource());
        world.StoreOf(B).OnCopy = _ =>
        {
            Interlocked.Increment(ref copying);
            return goOn.Task;
        };

        List<Task<Promotion>> promotions = [PromoteAsync(world, "x29")];
        await Eventually.BecomesTrueAsync(() => Task.FromResult(Volatile.Read(ref copying) == 8));
        promotions.AddRange(Enumerable.Range(0, 15).Select(_ => PromoteAsync(world, "x29")));
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<long>("select count(*) from push where state = 'open'") == 16);
        var refused = await RefusedAsync(ProblemKind.Unavailable, () => PromoteAsync(world, "x29"));

        Assert.Contains("promotions under way", refused.Message, StringComparison.Ordinal);
        Assert.Equal(8, Volatile.Read(ref copying));
        goOn.SetResult();
        var ended = await Task.WhenAll(promotions);
        Assert.All(ended, promotion => Assert.Equal(30, promotion.Paths));
        // Whichever commits first publishes all of them: the closure is one.
        Assert.Equal(30, Assert.Single(ended, promotion => promotion.Published != 0).Published);
    }

    private static PromoteRequest Request(string root) => new() { From = "a", Paths = [World.Hash(root)] };

    private static Task<Promotion> PromoteAsync(CachesWorld world, string root, CancellationToken cancellationToken = default) =>
        world.Core.Promotions.PromoteAsync(B, Request(root), Publishers.Victim, OperationId.New(), static _ => { }, cancellationToken);
}
