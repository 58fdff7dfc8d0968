using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>Who may push to a private cache and not read it is told of nothing that another group has put.</summary>
public sealed class PrivateCacheTests
{
    private static readonly Caller Blind = Mallory with { ReadsOthers = false };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_is_asked_for_all_of_a_closure_that_another_group_has_published_and_for_nothing_of_its_own(bool grouped)
    {
        await using var world = await World.CreateAsync(grouped: grouped);
        await world.PushAsync(Victim, World.Chain("a", "b"));
        await world.PushAsync(Blind, World.Chain("c"));

        // The same request again, too: by then the paths are there, claimed and declared.
        var closure = World.Closure(World.Path("a"), World.Path("b", ["a"]), World.Path("c"), World.Path("d", ["b", "c"]));
        var first = await world.BeginAsync(Blind, closure, "build-1");
        var again = await world.BeginAsync(Blind, closure, "build-1");

        foreach (var push in new[] { first, again })
        {
            Assert.Equal(1, push.Present);
            Assert.Equal(Names("a", "b", "d"), push.Missing.Select(m => m.Path).ToHashSet());
            Assert.All(push.Missing, m => Assert.Equal(PathState.Upload, m.State));
        }

        await world.UploadAsync(again, pushes: world.Of(Blind));
        Assert.Equal(PushState.Committed, (await world.CommitAsync(again, world.Of(Blind))).State);
        Assert.Equal(Victim.Publisher, await world.QueryAsync<string>(
            $"select p.name from store_path s join publisher p on p.id = s.publisher where s.hash = '\\x{Convert.ToHexString(World.Hash("a").ToArray())}'"));
        await world.AssertSoundAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Its_commit_is_refused_while_it_has_not_uploaded_what_is_there_already(bool grouped)
    {
        await using var world = await World.CreateAsync(grouped: grouped);
        await world.PushAsync(Victim, World.Chain("a"));
        var push = await world.BeginAsync(Blind, World.Chain("a"));

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Blind)));

        Assert.Equal(ProblemKind.MissingPaths, problem.Kind);
        Assert.Equal([World.Hash("a")], problem.Paths);
    }

    [Fact]
    public async Task Who_may_not_read_commits_the_push_of_one_who_may()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(Victim, World.Chain("a"));
        var push = await world.BeginAsync(Deployer, World.Chain("a", "b") with { Committers = [Blind.Publisher] });
        await world.UploadAsync(push, pushes: world.Of(Deployer));

        Assert.Equal(PushState.Committed, (await world.CommitAsync(push, world.Of(Blind))).State);
    }

    private static HashSet<StorePathHash> Names(params string[] names) => [.. names.Select(World.Hash)];
}
