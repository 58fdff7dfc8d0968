using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>
/// A narinfo prints the names of its references, and is signed so. When a path is superseded under its true name, what referred to the
/// false one follows.
/// </summary>
public sealed class RenameTests
{
    private static readonly PathDeclaration Dependency = World.Path("dep");
    private static readonly PathDeclaration Root = World.Path("root", ["dep"]);
    private static readonly PathDeclaration Misnamed = Dependency with { Path = new StorePath(Dependency.Path.Hash, "evil") };

    [Fact]
    public async Task A_push_that_renames_a_path_is_told_of_its_commit_when_what_it_names_has_followed()
    {
        await using var world = await SquattedAsync();

        var push = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Root)));
        Assert.Equal([Dependency.Path.Hash], push.Missing.Select(m => m.Path));
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        await world.CommitAsync(push, world.Of(Deployer));

        AssertIsTrue(world);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Who_describes_its_paths_later_takes_a_false_name_out_of_what_refers_to_it_too()
    {
        await using var world = await SquattedAsync(World.Path("other").NarHash);
        var pushes = world.Core.Niks3Pushes.As(Deployer);

        var opened = await pushes.OpenAsync(
            CacheName.Default,
            new Niks3Push
            {
                Roots = [Root.Path.Hash],
                Paths = [new(Dependency.Path.Hash, Dependency.NarHash, Dependency.NarSize, []),
                new(Root.Path.Hash, Root.NarHash, Root.NarSize, Root.References)]
            },
            CancellationToken.None);
        Assert.Equal([Dependency.Path.Hash], opened.Missing);
        world.Store.Objects[await world.QueryAsync<string>("select key from object where state = 'claimed'")] = [1];
        await world.ExecuteAsync(
            "update object set state = 'stored', exclusive = false, leads = false, file_size = 1, recorded = true where state = 'claimed'");
        await pushes.DeclareAsync(CacheName.Default, opened.Id, [new(Dependency, [])], CancellationToken.None);
        Assert.Empty((await world.Of(Deployer).CommitAsync(CacheName.Default, opened.Id, TimeSpan.FromMinutes(1),
            CancellationToken.None)).Conflicts);

        AssertIsTrue(world);
    }

    [Fact]
    public async Task Stock_Nix_is_told_that_a_path_is_there_when_its_narinfo_has_followed()
    {
        await using var world = await World.CreateAsync();
        var (dependency, root) = (StockNix.Info("dep"), StockNix.Info("root", ["dep"]));
        await PutAsync(world, Mallory, "dep", dependency with { StorePath = Misnamed.Path });
        await PutAsync(world, Mallory, "root", root with { References = [Misnamed.Path] });

        Assert.Equal(NarInfoOutcome.Published, await PutAsync(world, Deployer, "dep", dependency));
        Assert.Equal(NarInfoOutcome.Present, await PutAsync(world, Deployer, "root", root));

        AssertIsTrue(world);
    }

    [Fact]
    public async Task What_the_renaming_push_does_not_name_follows_soon()
    {
        await using var world = await SquattedAsync();
        await world.PushAsync(Deployer, World.Closure(Dependency));
        Assert.Equal([Misnamed.Path], world.NarInfoOf("root")!.References);

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        AssertIsTrue(world);
        Assert.Single(world.NarInfoOf("root")!.Signatures);
    }

    [Fact]
    public async Task A_push_of_before_that_commits_with_the_former_name_publishes_the_true_one()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Misnamed));
        var late = await world.BeginAsync(Mallory, World.Closure(Misnamed, Root));
        await world.UploadAsync(late, pushes: world.Of(Mallory));
        await world.PushAsync(Deployer, World.Closure(Dependency));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        await world.CommitAsync(late, world.Of(Mallory));

        AssertIsTrue(world);
    }

    [Fact]
    public async Task A_commit_that_names_what_nobody_has_marked_yet_writes_it_before_it_is_told()
    {
        await using var world = await SquattedAsync();
        var renaming = await world.BeginAsync(Deployer, World.Closure(Dependency));
        await world.UploadAsync(renaming, pushes: world.Of(Deployer));
        var fn = world.Core.Database.Functions;
        var id = $"{fn}.push_of(1, '{renaming.Id}', null, true)";
        // Its process dies when the name has changed.
        await world.ExecuteAsync($"select {fn}.commit_push(1, {id}, interval '1 day')");
        Assert.Equal("changed", await world.QueryAsync<string>($"select {fn}.finish_push(1, {id})"));

        await world.PushAsync(Victim, World.Closure(Dependency, Root));

        AssertIsTrue(world);
    }

    [Fact]
    public async Task A_renamed_path_is_forgotten_when_no_push_of_before_is_open()
    {
        await using var world = await SquattedAsync();
        var late = await world.BeginAsync(Mallory, World.Closure(World.Path("late")));
        await world.PushAsync(Deployer, World.Closure(Dependency));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.ExecuteAsync(
            "update renamed_path set at = at - interval '2 hours'; update push set created = created - interval '3 hours'");

        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from renamed_path where marked"));
        await world.Of(Mallory).AbortAsync(CacheName.Default, World.Id(late), CancellationToken.None);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from renamed_path"));
    }

    // A server has read all of it.
    private static async Task<World> SquattedAsync(Sha256Hash? otherNar = null)
    {
        var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(otherNar is { } nar ? Misnamed with { NarHash = nar } : Misnamed, Root));
        await world.ExecuteAsync("update store_path set verified = true; update object set verified = true");
        return world;
    }

    private static async Task<NarInfoOutcome> PutAsync(World world, Caller caller, string name, NarInfo info)
    {
        var (file, body) = StockNix.File(name);
        await world.Core.NixCopy.ReceiveNarAsync(CacheName.Default, caller, file, new MemoryStream(body), body.Length,
            CancellationToken.None);
        return await world.Core.NixCopy.PublishAsync(CacheName.Default, caller, info, TimeSpan.FromSeconds(30), CancellationToken.None);
    }

    private static void AssertIsTrue(World world)
    {
        var root = world.NarInfoOf("root")!;
        Assert.Equal([Dependency.Path], root.References);
        Assert.True(root.Verify(World.Key.PublicKey));
        Assert.Equal(Dependency.Path, world.NarInfoOf("dep")!.StorePath);
    }
}
