using System.Text.Json;
using Orleans.Storage;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>A pin's rows as the persisted state of its grain.</summary>
public sealed class PinStateTests
{
    private static readonly PinName Name = PinName.Parse("web");

    [Fact]
    public async Task A_write_is_the_change_that_the_state_carries_and_leaves_its_answer_and_the_rows()
    {
        await using var world = await WithPathsAsync();
        var state = await ReadAsync(world);
        Assert.Equal((null, false), (state.ETag, state.RecordExists));

        var made = await WriteAsync(world, state, Change("a"));
        var tag = state.ETag;
        var moved = await WriteAsync(world, state, Change("b"));

        Assert.Equal((true, 1L, false, 2L), (made.Made, made.Pin!.Revision, moved.Made, moved.Pin!.Revision));
        Assert.Equal((true, false), (state.RecordExists, tag == state.ETag));
        Assert.Equal(await ShowAsync(world.Core.Pins), Text(state.State!.Pin!));
        Assert.Equal(state.ETag, (await ReadAsync(world)).ETag);

        await WriteAsync(world, state, Change("b") with { Kind = PinChangeKind.Delete });
        Assert.Equal((null, false), (state.ETag, state.RecordExists));
    }

    [Theory]
    [InlineData(PinChangeKind.Set)]
    [InlineData(PinChangeKind.Rollback)]
    [InlineData(PinChangeKind.Delete)]
    public async Task A_write_on_a_stale_state_does_nothing_and_uses_up_no_operation(PinChangeKind kind)
    {
        await using var world = await WithPathsAsync();
        var other = await ReadAsync(world);
        await WriteAsync(world, other, Change("a"));
        var state = await ReadAsync(world);
        await WriteAsync(world, other, Change("b"));
        var change = Change("a") with { Kind = kind };

        var stale = await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(world, state, change));

        Assert.Equal((state.ETag, 2L), (stale.CurrentEtag, (await ReadAsync(world)).State!.Pin!.Revision));
        Assert.Equal(0, await world.QueryAsync<long>($"select count(*) from pin_operation where operation like '%{change.Operation}'"));
        await Storage.ReadStateAsync("pin", Grain(world), state);
        Assert.Null((await WriteAsync(world, state, change)).Problem);
    }

    [Fact]
    public async Task A_refused_change_is_an_answer_and_a_replay_is_told_whatever_is_remembered()
    {
        await using var world = await WithPathsAsync();
        var other = await ReadAsync(world);
        var change = Change("a");
        await WriteAsync(world, other, change);
        var state = await ReadAsync(world);
        await WriteAsync(world, other, Change("b"));

        var replayed = await WriteAsync(world, state, change);
        var refused = await WriteAsync(world, other, Change("nowhere"));
        var changed = await WriteAsync(world, other, Change("a") with { Expected = 7 });

        Assert.Equal((1L, (Problem?)null), (replayed.Pin!.Revision, replayed.Problem));
        Assert.Equal((nameof(ProblemKind.PathNotInCache), nameof(ProblemKind.PinChanged)), (refused.Problem!.Kind, changed.Problem!.Kind));
    }

    [Fact]
    public async Task A_change_by_a_grain_whose_state_is_stale_is_done_and_nothing_but_its_answer_leaves_the_grain()
    {
        await using var world = await WithPathsAsync();
        var plain = await world.AddGatewayAsync(plain: true);
        await SetAsync(world.Core.Pins, "a");
        var grain = await ThreeSilos.GrainAsync<IPinGrain>(ThreeSilos.ScopeOf(world), Name.ToString());

        for (var revision = 3; revision <= 7; revision += 2)
        {
            await SetAsync(plain.Pins, "b");
            var reply = await grain.ChangeAsync(Change("a"));
            Assert.Equal((null, revision), (reply.Problem, (int)reply.Pin!.Revision));
        }

        Assert.Equal(nameof(ProblemKind.PathNotInCache), (await grain.ChangeAsync(Change("nowhere"))).Problem!.Kind);
    }

    [Fact]
    public async Task A_pin_is_shown_from_memory_after_a_look_at_its_version()
    {
        await using var world = await WithPathsAsync();
        await SetAsync(world.Core.Pins, "a");
        await world.Core.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None);
        var asked = new List<string>();
        world.Core.Database.BeforeStatement = (sql, _) =>
        {
            // Whoever writes the pin into the bucket may ask meanwhile whether it is written.
            lock (asked)
            {
                if (!sql.StartsWith("select not exists", StringComparison.Ordinal))
                    asked.Add(sql);
            }

            return Task.CompletedTask;
        };

        await world.Core.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None);

        Assert.DoesNotContain("t.hash", Assert.Single(asked), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_shown_is_what_the_catalog_says_whoever_changed_the_pin()
    {
        await using var world = await WithPathsAsync();
        var plain = await world.AddGatewayAsync(plain: true);
        var second = ThreeSilos.Second(world, plain);
        var random = new Random(7);
        IPins[] changers = [world.Core.Pins, second.Pins, plain.Pins];

        for (var step = 0; step < 60; step++)
        {
            var pins = changers[random.Next(3)];
            var patience = TimeSpan.FromSeconds(random.Next(2) * 30);
            try
            {
                await (random.Next(8) switch
                {
                    0 => pins.DeleteAsync(CacheName.Default, Name, PinCondition.None, OperationId.New(), patience, CancellationToken.None),
                    1 => pins.RollbackAsync(CacheName.Default, Name, new RollbackPin(), PinCondition.None, OperationId.New(), patience,
                        CancellationToken.None),
                    2 => (Task)SetAsync(pins, "nowhere"),
                    var n => SetAsync(pins, n < 6 ? "a" : "b", patience, new Random(step).Next(1, 9), step * 60 + 1000),
                });
            }
            catch (CacheProblemException)
            {
                // Refused: that is no change.
            }

            Assert.Equal(await ShowAsync(plain.Pins), await ShowAsync(changers[random.Next(2)]));
        }
    }

    [Fact]
    public async Task A_pin_is_shown_without_the_cluster_too_and_past_a_silo_that_does_not_answer()
    {
        await using var world = await WithPathsAsync();
        await SetAsync(world.Core.Pins, "a");
        var plain = await world.AddGatewayAsync(plain: true);
        var engine = new ClusterEngine(new ServicesByScope(), "away", TimeProvider.System);
        var pins = engine.Over(new CoreServices(plain.Pushes, plain.Pins, plain.Collection, plain.NixCopy, plain.Paths, _ => world.Gc, () => [CacheName.Default])).Pins;

        Assert.Equal(1, (await pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).Revision);
        engine.Attach(Unreachable.Grains);

        Assert.Equal(1, (await pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).Revision);
    }

    [Fact]
    public async Task A_pin_is_shown_past_a_silo_that_does_not_reach_the_database_and_its_grain_wakes_there_all_the_same()
    {
        await using var world = await WithPathsAsync();
        var other = await world.AddGatewayAsync();
        await SetAsync((await world.AddGatewayAsync(plain: true)).Pins, "a");
        // The first gateway's services are those of the grains.
        world.Core.Database.BeforeStatement = (_, _) => throw new CacheProblemException(ProblemKind.Unavailable, "It does not answer.");

        Assert.Equal(1, (await other.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).Revision);

        world.Core.Database.BeforeStatement = null;
        Assert.Equal(2, (await SetAsync(other.Pins, "b")).Pin.Revision);
        Assert.Equal([2, 1], (await other.Pins.ShowAsync(CacheName.Default, Name, CancellationToken.None)).History!.Select(r => r.Revision));
    }

    private static async Task<World> WithPathsAsync()
    {
        var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("b"));
        return world;
    }

    private static CatalogGrainStorage Storage => new(ThreeSilos.Services);

    private static GrainId Grain(World world) => GrainId.Create("pin", $"{ThreeSilos.ScopeOf(world)}:default/{Name}");

    private static async Task<GrainState<CatalogPin>> ReadAsync(World world)
    {
        var state = new GrainState<CatalogPin>(new CatalogPin());
        await Storage.ReadStateAsync("pin", Grain(world), state);
        return state;
    }

    private static async Task<PinReply> WriteAsync(World world, GrainState<CatalogPin> state, PinChange change)
    {
        state.State!.Prepare(change, isGuarded: true);
        await Storage.WriteStateAsync("pin", Grain(world), state);
        return state.State.TakeAnswer();
    }

    private static PinChange Change(string name) => new()
    {
        Kind = PinChangeKind.Set,
        Operation = OperationId.New().Value,
        Deadline = DateTimeOffset.UtcNow.AddMinutes(5),
        Path = World.Path(name).Path.BaseName
    };

    private static Task<PinSet> SetAsync(IPins pins, string name, TimeSpan? patience = null, int? keep = null, double? expires = null) =>
        pins.SetAsync(CacheName.Default, Name,
            new SetPin { Path = World.Path(name).Path, KeepRevisions = keep, ExpiresSeconds = expires }, PinCondition.None,
            OperationId.New(), patience ?? TimeSpan.FromSeconds(30), CancellationToken.None);

    private static async Task<string> ShowAsync(IPins pins)
    {
        try
        {
            var pin = await pins.ShowAsync(CacheName.Default, Name, CancellationToken.None);
            return Text(pin);
        }
        catch (CacheProblemException e)
        {
            return $"{e.Kind} {e.Message}";
        }
    }

    // Without what the bucket says, which follows meanwhile.
    private static string Text(Pin pin) => JsonSerializer.Serialize(
        pin with { Written = false, History = [.. pin.History!.Select(r => r with { Kept = false })] }, ProtocolJson.Default.Pin);
}
