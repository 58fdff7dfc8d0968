using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>What a push carries beside its paths: logs, listings, derivers.</summary>
public sealed class CarriedTests
{
    [Fact]
    public async Task A_log_goes_with_what_its_derivation_has_made_and_with_nothing_else()
    {
        await using var world = await World.CreateAsync();
        var drv = new StorePath(World.Hash("drv"), "a.drv");
        var push = await world.BeginAsync(Mallory, World.Chain("m"));
        await world.UploadAsync(push, pushes: world.Of(Mallory));
        await ReportAsync(Mallory, push, "m", [6]);
        await world.CommitAsync(push, world.Of(Mallory));

        var honest = await world.BeginAsync(Victim, World.Chain("a"));
        await world.UploadAsync(honest, pushes: world.Of(Victim));
        await ReportAsync(Victim, honest, "a", [1]);
        await world.CommitAsync(honest, world.Of(Victim));

        Assert.Equal([1], world.Store.Objects[$"log/{drv.BaseName}"]);

        Task ReportAsync(Caller caller, PushOpened to, string path, byte[] content) => world.Of(caller).ReportAsync(
            CacheName.Default, World.Id(to),
            new UploadReport { Logs = [new LogContent { Drv = drv, Path = World.Hash(path), Content = content }] },
            CancellationToken.None);
    }

    [Fact]
    public async Task A_published_log_gives_way_to_a_higher_rank_and_to_no_equal_one()
    {
        await using var world = await World.CreateAsync();
        await PushWithLogAsync(world, Mallory, [6]);

        Assert.Equal([Drv], await PushWithLogAsync(world, Deployer, [1]));
        Assert.Empty(await PushWithLogAsync(world, OtherDeployer, [2]));
        Assert.Empty(await PushWithLogAsync(world, Victim, [3]));

        Assert.Equal([1], world.Store.Objects[$"log/{Drv.BaseName}"]);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from object where content is not null or not recorded"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_log_that_waits_for_its_commit_gives_way_to_a_higher_rank_too()
    {
        await using var world = await World.CreateAsync();
        var push = await BeginWithLogAsync(world, Mallory);
        await world.UploadAsync(push, pushes: world.Of(Mallory));
        await ReportLogAsync(world, Mallory, push, [6]);

        await PushWithLogAsync(world, Deployer, [1]);
        await world.CommitAsync(push, world.Of(Mallory));

        Assert.Equal([1], world.Store.Objects[$"log/{Drv.BaseName}"]);
    }

    [Fact]
    public async Task A_path_that_is_superseded_without_a_listing_loses_the_former_one()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Mallory, World.Closure(World.Path("a", content: "other")));
        await world.UploadAsync(push, pushes: world.Of(Mallory));
        await world.Of(Mallory).ReportAsync(CacheName.Default, World.Id(push),
            new UploadReport { Listings = [new PathListing { Path = World.Hash("a"), Content = [2] }] }, CancellationToken.None);
        await world.CommitAsync(push, world.Of(Mallory));
        Assert.Contains($"{World.Hash("a")}.ls", world.Store.Objects.Keys);

        await world.PushAsync(Deployer, World.Chain("a"));

        Assert.DoesNotContain($"{World.Hash("a")}.ls", world.Store.Objects.Keys);
        Assert.False(await world.QueryAsync<bool>("select has_listing from store_path"));
    }

    [Fact]
    public async Task A_NAR_that_a_server_has_read_takes_the_place_of_the_other_and_nothing_else()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Deployer, World.Closure(World.Path("a") with { Deriver = Drv }));
        // As stock Nix brings it, or a directory store.
        var copy = await world.BeginAsync(Mallory, World.Closure(World.Path("b", content: "a")));
        await world.UploadAsync(copy, pushes: world.Of(Mallory));
        await world.ExecuteAsync("update object set verified = true where state = 'stored'");
        await world.CommitAsync(copy, world.Of(Mallory));

        var push = await world.BeginAsync(Mallory,
            World.Closure(World.Path("a") with { Deriver = new StorePath(World.Hash("evil"), "evil.drv") }));
        await world.UploadAsync(push, pushes: world.Of(Mallory));
        await world.CommitAsync(push, world.Of(Mallory));

        Assert.Equal((Drv, world.NarInfoOf("b")!.Url), (world.NarInfoOf("a")!.Deriver!.Value, world.NarInfoOf("a")!.Url));
        Assert.Equal("token:3",
            await world.QueryAsync<string>(
            "select b.name from store_path s join publisher b on b.id = s.publisher where s.name like '%a' and s.deriver is not null"));
        Assert.True(await world.QueryAsync<bool>("select verified from store_path where deriver is not null"));
    }

    private static StorePath Drv => new(World.Hash("drv"), "a.drv");

    private static Task<PushOpened> BeginWithLogAsync(World world, Caller caller) => world.BeginAsync(
        caller, World.Closure(World.Path("a") with { Deriver = Drv }) with
        {
            Logs =
            [new LogDeclaration { Drv = Drv, Path = World.Hash("a") }]
        });

    private static Task<ReportAnswer> ReportLogAsync(World world, Caller caller, PushOpened push, byte[] content) =>
        world.Of(caller).ReportAsync(
        CacheName.Default, World.Id(push),
        new UploadReport { Logs = [new LogContent { Drv = Drv, Path = World.Hash("a"), Content = content }] }, CancellationToken.None);

    /// <summary>Answers which logs begin asked for, and sends them.</summary>
    private static async Task<IReadOnlyList<StorePath>> PushWithLogAsync(World world, Caller caller, byte[] content)
    {
        var push = await BeginWithLogAsync(world, caller);
        await world.UploadAsync(push, pushes: world.Of(caller));
        if (push.MissingLogs.Count > 0)
            await ReportLogAsync(world, caller, push, content);
        await world.CommitAsync(push, world.Of(caller));
        return push.MissingLogs;
    }
}
