using Microsoft.Extensions.DependencyInjection;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>What is particular to the grain; the suite of pins runs over it as a whole.</summary>
public sealed class PinGrainTests
{
    private static readonly PinName Name = PinName.Parse("web");

    [Fact]
    public async Task A_change_that_was_done_by_the_grain_and_is_sent_again_past_it_is_done_once()
    {
        await using var world = await World.CreateAsync();
        var (a, b) = await TwoPathsAsync(world);
        var operation = OperationId.New();

        var first = await SetAsync(world.Core.Pins, a, operation);
        await SetAsync(world.Core.Pins, b, OperationId.New());
        // The answer to the first was lost; its gateway does it without the cluster, in a process that has never heard of it.
        var late = await SetAsync((await world.AddGatewayAsync(plain: true)).Pins, a, operation);

        Assert.Equal(first.Pin.Revision, late.Pin.Revision);
        Assert.Equal(b, (await world.Core.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).Path);
    }

    [Fact]
    public async Task A_change_in_the_queue_of_a_silo_that_wakes_late_does_nothing_a_second_time()
    {
        await using var world = await World.CreateAsync();
        var (a, b) = await TwoPathsAsync(world);
        var operation = OperationId.New();
        var plain = await world.AddGatewayAsync(plain: true);
        var scope = ThreeSilos.ScopeOf(world);
        var grain = (await ThreeSilos.Cluster).Silos[1].ServiceProvider.GetRequiredService<IGrainFactory>()
            .GetGrain<IPinGrain>($"{scope}:default/{Name}");

        // Schedule 32: the gateway did it the other way, and somebody moved the pin on; then the silo wakes with the update.
        await SetAsync(plain.Pins, a, operation);
        await SetAsync(plain.Pins, b, OperationId.New());
        var woken = await grain.ChangeAsync(Change(a, operation, DateTimeOffset.UtcNow.AddMinutes(1)));

        Assert.Null(woken.Problem);
        Assert.Equal(b, (await plain.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).Path);
        await Assert.ThrowsAsync<TimeoutException>(() =>
            grain.ChangeAsync(Change(a, OperationId.New(), DateTimeOffset.UtcNow.AddMinutes(-1))));
        Assert.Equal(b, (await plain.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).Path);
    }

    [Theory]
    [InlineData(PinChangeKind.Set)]
    [InlineData(PinChangeKind.Rollback)]
    [InlineData(PinChangeKind.Delete)]
    public async Task A_change_that_a_gateway_without_publishers_asked_for_is_not_done_again_by_one_that_has_them(PinChangeKind kind)
    {
        await using var world = await World.CreateAsync();
        var (a, b) = await TwoPathsAsync(world);
        var pins = world.Core.Pins.As(new Caller("token:7", Caller.Anonymous.Group, 0));
        var grain = await ThreeSilos.GrainAsync<IPinGrain>(ThreeSilos.ScopeOf(world), Name.ToString());
        await SetAsync(pins, a, OperationId.New());
        await SetAsync(pins, b, OperationId.New());

        // A gateway of before there were publishers asks a silo of now, whose answer is lost; the client asks a gateway of now. And the
        // other way about.
        foreach (var isOldFirst in new[] { true, false })
        {
            var change = Change(a, OperationId.New(), DateTimeOffset.UtcNow.AddMinutes(1)) with { Kind = kind };
            await (isOldFirst ? OldAsync(change) : NewAsync(change));
            await SetAsync(pins, b, OperationId.New());
            var left = await pins.ShowAsync(CacheName.Default, Name, CancellationToken.None);

            await (isOldFirst ? NewAsync(change) : OldAsync(change));

            var now = await pins.ShowAsync(CacheName.Default, Name, CancellationToken.None);
            Assert.Equal((left.Revision, b), (now.Revision, now.Path));
        }

        async Task OldAsync(PinChange change) => Assert.Null((await grain.ChangeAsync(change)).Problem);

        Task NewAsync(PinChange change)
        {
            var operation = OperationId.TryParse(change.Operation, out var key) ? key : throw new FormatException(change.Operation);
            return kind switch
            {
                PinChangeKind.Set => SetAsync(pins, a, operation),
                PinChangeKind.Rollback => pins.RollbackAsync(CacheName.Default, Name, new RollbackPin(), PinCondition.None, operation,
                    TimeSpan.FromSeconds(30), CancellationToken.None),
                _ => pins.DeleteAsync(CacheName.Default, Name, PinCondition.None, operation, TimeSpan.FromSeconds(30),
                    CancellationToken.None),
            };
        }
    }

    [Fact]
    public async Task Changes_by_two_activations_at_once_are_one_after_the_other()
    {
        await using var world = await World.CreateAsync();
        var (a, b) = await TwoPathsAsync(world);
        var plain = await world.AddGatewayAsync(plain: true);

        // What the plain process does is what a second activation would do.
        var sets = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(i => SetAsync(i % 2 == 0 ? world.Core.Pins : plain.Pins, i % 3 == 0 ? a : b, OperationId.New())));

        var pin = await world.Core.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None);
        Assert.Single(sets, s => s.Made);
        Assert.Equal(sets.Max(s => s.Pin.Revision), pin.Revision);
        Assert.Equal(sets.First(s => s.Pin.Revision == pin.Revision).Pin.Path, pin.Path);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task One_operation_at_two_activations_is_done_once_and_answered_alike()
    {
        await using var world = await World.CreateAsync();
        var (a, _) = await TwoPathsAsync(world);
        var second = ThreeSilos.Second(world, await world.AddGatewayAsync(plain: true));
        var operation = OperationId.New();

        var sets = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(i => SetAsync(i % 2 == 0 ? world.Core.Pins : second.Pins, a, operation)));

        Assert.All(sets, s => Assert.Equal((sets[0].Pin.Revision, true), (s.Pin.Revision, s.Made)));
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from pin_revision"));
    }

    [Fact]
    public async Task Of_two_activations_that_change_the_same_revision_one_is_told_that_it_was_changed()
    {
        await using var world = await World.CreateAsync();
        var (a, b) = await TwoPathsAsync(world);
        var second = ThreeSilos.Second(world, await world.AddGatewayAsync(plain: true));
        var revision = (await SetAsync(world.Core.Pins, a, OperationId.New())).Pin.Revision;
        var condition = PinCondition.Of(revision);

        // What a grain's storage would find out by an ETag, the catalog says: the row was moved by somebody else.
        var changes = new[] { world.Core.Pins, second.Pins }.Select(async pins =>
        {
            try
            {
                return (await pins.SetAsync(CacheName.Default, Name, new SetPin { Path = b }, condition, OperationId.New(),
                    TimeSpan.FromSeconds(30), CancellationToken.None)).Pin.Revision;
            }
            catch (CacheProblemException e) when (e.Kind == ProblemKind.PinChanged)
            {
                return 0;
            }
        });

        Assert.Equal([0, revision + 1], (await Task.WhenAll(changes)).Order());
    }

    [Fact]
    public async Task A_grain_that_has_slept_goes_on_where_the_catalog_is()
    {
        await using var world = await World.CreateAsync();
        var (a, b) = await TwoPathsAsync(world);
        var first = await SetAsync(world.Core.Pins, a, OperationId.New());
        var grain = await ThreeSilos.GrainAsync<IPinGrain>(ThreeSilos.ScopeOf(world), Name.ToString());
        Assert.True(await ThreeSilos.IsAwakeAsync(grain));

        await ThreeSilos.SleepAsync(grain);
        var next = await SetAsync(world.Core.Pins, b, OperationId.New());

        Assert.Equal((first.Pin.Revision + 1, false), (next.Pin.Revision, next.Made));
        Assert.True(await ThreeSilos.IsAwakeAsync(grain));
    }

    [Fact]
    public async Task Without_an_answer_of_the_cluster_the_change_is_done_all_the_same()
    {
        await using var world = await World.CreateAsync();
        var (a, _) = await TwoPathsAsync(world);
        var engine = new ClusterEngine(new ServicesByScope(), "away", TimeProvider.System);
        var plain = await world.AddGatewayAsync(plain: true);
        var pins = engine.Over(new CoreServices(plain.Pushes, plain.Pins, plain.Collection, plain.NixCopy, plain.Paths, _ => world.Gc, () => [CacheName.Default])).Pins;
        engine.Attach(Unreachable.Grains);

        var set = await SetAsync(pins, a, OperationId.New());

        Assert.True(set.Made);
        Assert.True(set.Pin.Written);
        engine.News.Arrived(CacheName.Default, PushId.New(), []);
        await Assert.ThrowsAnyAsync<Exception>(async () => await engine.News.FollowAsync(CacheName.Default, PushId.New(),
            CancellationToken.None).GetAsyncEnumerator().MoveNextAsync());
    }

    [Fact]
    public async Task A_problem_is_the_same_by_way_of_the_grain()
    {
        await using var world = await World.CreateAsync();

        var absent = await Assert.ThrowsAsync<CacheProblemException>(() =>
            SetAsync(world.Core.Pins, new StorePath(World.Hash("nowhere"), "nowhere"), OperationId.New()));

        Assert.Equal(ProblemKind.PathNotInCache, absent.Kind);
        Assert.Equal([World.Hash("nowhere")], absent.Paths);
    }

    private static async Task<(StorePath A, StorePath B)> TwoPathsAsync(World world)
    {
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("b"));
        return (new StorePath(World.Hash("a"), "a"), new StorePath(World.Hash("b"), "b"));
    }

    private static Task<PinSet> SetAsync(IPins pins, StorePath path, OperationId operation) =>
        pins.SetAsync(CacheName.Default, Name, new SetPin { Path = path }, PinCondition.None, operation, TimeSpan.FromSeconds(30),
            CancellationToken.None);

    private static PinChange Change(StorePath path, OperationId operation, DateTimeOffset deadline) =>
        new() { Kind = PinChangeKind.Set, Operation = operation.Value, Deadline = deadline, Path = path.BaseName };
}
