using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>A store path follows from its content address, its name and its references, or is refused before a byte is sent.</summary>
public sealed class AddressTests
{
    private const string Hash = "sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc";
    private static readonly PathDeclaration Dependency = World.Path("dep");

    public static TheoryData<string, bool> Forms => new()
    {
        { $"text:{Hash}", false }, { $"text:{Hash}", true }, { $"fixed:{Hash}", false }, { $"fixed:r:{Hash}", false },
        { $"fixed:r:{Hash}", true }, { "fixed:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm", false },
        { "fixed:r:sha1:drv9s32gk2bi0qawy6lvficafl3d9hsm", false },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_path_that_follows_is_taken_by_all_protocols(string address, bool refers)
    {
        await using var world = await World.CreateAsync();
        var path = Path(address, refers);

        await world.PushAsync(Victim, World.Closure(Dependency, path));
        await DeclareAsync(world, path);
        Assert.Equal(NarInfoOutcome.Published, await PutAsync(world, Path(address, refers, "other")));

        Assert.Equal(address, NarInfo.Parse(System.Text.Encoding.UTF8.GetString(
            world.Store.Objects[$"{path.Path.Hash}.narinfo"])).Ca.ToString());
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task One_that_does_not_is_refused_by_all_protocols(string address, bool refers)
    {
        await using var world = await World.CreateAsync();
        var path = Path(address, refers);
        // Another name, and other references.
        PathDeclaration[] lies = [path with { Path = new StorePath(path.Path.Hash, "lie") },
            path with { References = refers ? [] : [Dependency.Path.Hash] }];

        foreach (var lie in lies)
        {
            await RefusesAsync(lie, () => world.BeginAsync(Victim, World.Closure(Dependency, lie)));
            await RefusesAsync(lie, () => DeclareAsync(world, lie));
            await RefusesAsync(lie, () => PutAsync(world, lie));
        }

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from store_path where ca is not null"));
    }

    [Theory]
    [InlineData("fixed:git:sha1:993998wwkrzrcmpp0slxpa0b0cjkc0ff")]
    [InlineData("fixed:r:blake3:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc")]
    public async Task What_few_releases_of_Nix_know_is_left_to_them(string address)
    {
        await using var world = await World.CreateAsync();

        await world.PushAsync(Victim, World.Closure(World.Path("a") with { Ca = ContentAddress.Parse(address) }));

        Assert.Equal(address, world.NarInfoOf("a")!.Ca.ToString());
    }

    private static PathDeclaration Path(string address, bool refers, string name = "root")
    {
        var ca = ContentAddress.Parse(address);
        return World.Path(name, refers ? ["dep"] : []) with
        {
            Path = AddressedPath.Of(name, ca, refers ? [Dependency.Path] : []),
            Ca = ca,
        };
    }

    private static async Task RefusesAsync(PathDeclaration path, Func<Task> action)
    {
        var problem = await Assert.ThrowsAsync<CacheProblemException>(action);
        Assert.Equal((ProblemKind.Untrue, path.Path.Hash), (problem.Kind, Assert.Single(problem.Paths!)));
        Assert.StartsWith($"{path.Path} cannot have the content address that is declared ({path.Ca})", problem.Message,
            StringComparison.Ordinal);
    }

    private static async Task DeclareAsync(World world, PathDeclaration path)
    {
        var pushes = world.Core.Niks3Pushes.As(Victim);
        var opened = await pushes.OpenAsync(CacheName.Default, new Niks3Push
        {
            Roots = [path.Path.Hash],
            Paths = [new(Dependency.Path.Hash, Dependency.NarHash, Dependency.NarSize, []),
                new(path.Path.Hash, path.NarHash, path.NarSize, path.References)],
        }, CancellationToken.None);
        await pushes.DeclareAsync(CacheName.Default, opened.Id, [new(path, path.References.Count > 0 ? [Dependency.Path] : [])],
            CancellationToken.None);
    }

    private static async Task<NarInfoOutcome> PutAsync(World world, PathDeclaration path)
    {
        await new StockNix(world).CopyAsync("dep");
        await new StockNix(world).PutNarAsync(path.Path.Name);
        return await world.Core.NixCopy.PublishAsync(CacheName.Default, StockNix.Caller(), StockNix.Info(path.Path.Name) with
        {
            StorePath = path.Path,
            References = path.References.Count > 0 ? [Dependency.Path] : [],
            Ca = path.Ca,
        }, TimeSpan.FromSeconds(30), CancellationToken.None);
    }
}
