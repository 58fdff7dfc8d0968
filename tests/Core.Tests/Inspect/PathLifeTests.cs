using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Inspect;

/// <summary>What the catalog tells of a single path.</summary>
public sealed class PathLifeTests
{
    private static readonly PinName Name = PinName.Parse("web");

    [Fact]
    public async Task A_live_path_is_told_with_its_NAR_neighbours_publisher_and_pins()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Victim, World.Chain("a", "b", "c"));
        await SetAsync(world, "b");
        await SetAsync(world, "c");
        await SetAsync(world, "b");

        var life = await LifeAsync(world, "b");

        // Who pins it vouches for it.
        Assert.Equal((Path("b"), "live", Victim.Publisher, Victim.Group, Deployer.Rank),
            (life.Path, life.State, life.Publisher, life.Group, life.Rank!.Value));
        Assert.InRange(life.Declared!.Value, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
        Assert.Equal((World.Path("b").NarHash, 1000L, "live", "unverified"),
            (life.Nar!.Hash, life.Nar.Size, life.Nar.State, life.Nar.Verification));
        Assert.Equal((true, true), (world.Store.Objects.ContainsKey(life.Nar.Key!), life.Nar.FileSize > 0));
        Assert.Equal([Path("a")], life.References);
        Assert.Equal((1L, Path("c")), (life.ReferrerCount, Assert.Single(life.Referrers)));
        Assert.Equal(new PathPin(Name, 3, true), Assert.Single(life.Pins));
        Assert.Equal((0, 0), (life.Uploads.Count, life.Waiting));
        Assert.Null(life.Pushed);
        Assert.NotNull((await LifeAsync(world, "c")).Pushed);
    }

    [Fact]
    public async Task A_path_that_is_being_uploaded_tells_by_whom_and_how_many_wait()
    {
        await using var world = await World.CreateAsync();
        var first = await world.BeginAsync(Victim, World.Chain("a"));
        await world.BeginAsync(new Caller("token:9", Victim.Group, 0), World.Chain("a"));

        var life = await LifeAsync(world, "a");

        Assert.Equal(("gone", null, 1), (life.State, life.Nar, life.Waiting));
        Assert.Equal((Victim.Publisher, 1000L), (Assert.Single(life.Uploads).Publisher, life.Uploads[0].NarSize));
        Assert.InRange(life.Uploads[0].Since, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));

        await world.UploadAsync(first, pushes: world.Of(Victim));
        life = await LifeAsync(world, "a");

        Assert.Equal((0, 0), (life.Uploads.Count, life.Waiting));
    }

    [Fact]
    public async Task A_hundred_referrers_are_listed_and_all_are_counted()
    {
        await using var world = await World.CreateAsync();
        var users = Enumerable.Range(0, 120).Select(i => World.Path($"u{i}", ["a"])).ToArray();
        await world.PushAsync(World.Closure([World.Path("a"), .. users, World.Path("z", [.. users.Select(u => u.Path.Name)])]));

        var life = await LifeAsync(world, "a");

        Assert.Equal((120L, 100), (life.ReferrerCount, life.Referrers.Count));
        Assert.Equal(100, life.Referrers.Intersect(users.Select(u => u.Path)).Count());
        Assert.Equal(120, (await LifeAsync(world, "z")).References.Count);
    }

    [Fact]
    public async Task What_was_collected_is_gone_and_what_never_was_is_unknown()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.CollectAsync(World.Everything);
        await world.CollectAsync(World.Everything);

        var life = await LifeAsync(world, "a");

        Assert.Equal(("gone", null, null), (life.State, life.Nar, life.Publisher));
        Assert.Equal(ProblemKind.UnknownPath, (await Assert.ThrowsAsync<CacheProblemException>(() => LifeAsync(world, "b"))).Kind);
    }

    private static StorePath Path(string name) => World.Path(name).Path;

    private static Task<PathLife> LifeAsync(World world, string name) =>
        world.Core.Paths.GetAsync(CacheName.Default, World.Hash(name), CancellationToken.None);

    private static Task<PinSet> SetAsync(World world, string name) =>
        world.Core.Pins.As(Deployer).SetAsync(CacheName.Default, Name, new SetPin { Path = Path(name), NarHash = World.Path(name).NarHash },
            PinCondition.None, OperationId.New(), TimeSpan.FromSeconds(30), CancellationToken.None);
}
