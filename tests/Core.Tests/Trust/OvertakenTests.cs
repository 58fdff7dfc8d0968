using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>Interleavings that tests/Search/Model found: what changes between two steps of a push is told, or does not happen.</summary>
public sealed class OvertakenTests
{
    private const string ForgetRoots = "delete from root";
    private static readonly PathDeclaration Dependency = World.Path("dep");
    private static readonly PathDeclaration Truth = World.Path("root", ["dep"]);
    private static readonly PathDeclaration Lie = World.Path("root", ["dep"], content: "other");

    [Fact]
    public async Task Nobody_is_told_of_a_commit_while_the_bucket_has_the_narinfo_of_what_another_push_supersedes()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie));
        var first = await world.BeginAsync(Deployer, World.Closure(Dependency, Truth));
        var second = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth)));
        await world.UploadAsync(first, pushes: world.Of(Deployer));
        var (functions, id) = (world.Core.Database.Functions, $"{world.Core.Database.Functions}.push_of(1, '{first.Id}', null, true)");
        await world.ExecuteAsync($"select {functions}.commit_push(1, {id}, interval '1 day'); select {functions}.finish_push(1, {id})");

        await world.CommitAsync(second, world.Of(Deployer));

        Assert.Equal(Truth.NarHash, world.NarInfoOf("root")!.NarHash);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_warm_commit_waits_for_it_too()
    {
        await using var world = await World.CreateAsync(grouped: true);
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie));
        var first = await world.BeginAsync(Deployer, World.Closure(Dependency, Truth));
        await world.UploadAsync(first, pushes: world.Of(Deployer));
        var (functions, id) = (world.Core.Database.Functions, $"{world.Core.Database.Functions}.push_of(1, '{first.Id}', null, true)");
        await world.ExecuteAsync($"select {functions}.commit_push(1, {id}, interval '1 day'); select {functions}.finish_push(1, {id})");

        Assert.Empty((await world.PushAsync(Deployer, World.Closure(Dependency, Truth))).Conflicts);

        Assert.Equal(Truth.NarHash, world.NarInfoOf("root")!.NarHash);
    }

    [Fact]
    public async Task A_commit_that_supersedes_two_paths_of_one_nar_comes_to_its_end()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(World.Path("dep", content: "same"), World.Path("root", ["dep"], content: "same")));

        Assert.Equal(PushState.Committed, (await world.PushAsync(Deployer, World.Closure(Dependency, Truth))).State);

        Assert.Equal((Dependency.NarHash, Truth.NarHash), (world.NarInfoOf("dep")!.NarHash, world.NarInfoOf("root")!.NarHash));
    }

    [Fact]
    public async Task A_duplicate_of_begin_that_comes_late_does_not_take_away_what_was_declared()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Closure(Dependency, Truth));
        await world.UploadAsync(push, pushes: world.Of(Victim));
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie));

        // Its first statement; it is stopped before the next one.
        await world.ExecuteAsync($"""
            select {world.Core.Database.Functions}.open_push(1, u.operation, u.digest, interval '1 hour', array(select hash from store_path order by id), array[1], array[]::text[], null,
              gen_random_uuid(), '{Victim.Publisher}', '{Victim.Group}', 0, null) from push u where u.state = 'open'
            """);

        Assert.Equal([World.Hash("dep"), World.Hash("root")], (await world.CommitAsync(push, world.Of(Victim))).Conflicts.ToHashSet());
    }

    [Fact]
    public async Task What_a_lapsed_push_was_promised_and_has_come_back_otherwise_is_missing()
    {
        await using var world = await World.CreateAsync();
        var push = await LapsedAsync(world, Victim);

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Victim)));

        Assert.Equal(ProblemKind.MissingPaths, problem.Kind);
        Assert.Equal([World.Hash("dep"), World.Hash("root")], problem.Paths!.ToHashSet());
    }

    [Fact]
    public async Task A_renewal_says_so_and_does_not_make_a_push_of_it_that_commits()
    {
        await using var world = await World.CreateAsync();
        var push = await LapsedAsync(world, Deployer);

        var renewed = await world.Of(Deployer).RenewAsync(CacheName.Default, World.Id(push), CancellationToken.None);

        Assert.Equal([World.Hash("dep"), World.Hash("root")], renewed.Lost.ToHashSet());
        Assert.Equal(ProblemKind.MissingPaths,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Deployer)))).Kind);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from store_path where rank > 0"));
    }

    [Fact]
    public async Task A_begin_that_is_sent_again_is_refused_then()
    {
        await using var world = await World.CreateAsync();
        await LapsedAsync(world, Victim, "build-1");

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.BeginAsync(Victim, World.Closure(Dependency, Truth), "build-1"));

        Assert.Equal(ProblemKind.PushEnded, problem.Kind);
    }

    [Fact]
    public async Task A_renewal_does_not_count_on_a_nar_that_only_another_group_has()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Victim, World.Closure(World.Path("a", content: "same")));
        var push = await world.BeginAsync(Victim, World.Closure(World.Path("b", content: "same")));
        Assert.Equal(PathState.Stored, Assert.Single(push.Missing).State);
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(2));
        await world.CollectAsync(World.Everything);
        await world.PushAsync(Mallory, World.Closure(World.Path("m", content: "same")));

        Assert.Equal([World.Hash("b")],
            (await world.Of(Victim).RenewAsync(CacheName.Default, World.Id(push), CancellationToken.None)).Lost);
    }

    [Fact]
    public async Task A_rollback_does_not_move_a_pin_onto_what_has_come_back_otherwise()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Deployer, Pinned(World.Closure(Dependency, Truth)));
        await world.PushAsync(Deployer, Pinned(World.Chain("next")));
        await world.ExecuteAsync(ForgetRoots);
        await world.CollectAsync(World.Everything);
        Assert.Null(world.NarInfoOf("root"));
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie));

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.Core.Pins.As(Deployer).RollbackAsync(
            CacheName.Default, PinName.Parse("app"), new RollbackPin(), PinCondition.None, OperationId.New(), TimeSpan.Zero,
            CancellationToken.None));

        Assert.Equal(ProblemKind.PathNotInCache, problem.Kind);
        Assert.Equal("next", (await world.Core.Pins.ShowAsync(CacheName.Default, PinName.Parse("app"), CancellationToken.None)).Path.Name);
    }

    [Fact]
    public async Task A_commit_that_an_equal_overtakes_between_its_halves_is_told_by_the_same_request()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Lie with { References = [] }));
        var push = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth)));
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        var other = World.Closure(Truth with { References = [] });
        var overtakes = true;
        world.Store.OnWrite = async (_, key) =>
        {
            if (overtakes && key.ToString().StartsWith($"{World.Hash("dep")}", StringComparison.Ordinal))
            {
                overtakes = false;
                await world.PushAsync(OtherDeployer, other);
            }

            return MemoryObjectStore.Answer.Normal;
        };

        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Deployer)))).Kind);
        Assert.Empty(world.NarInfoOf("root")!.References);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from pin where not deleted"));
    }

    // Its paths were promised, lapsed, collected, and published by somebody else with another content.
    private static async Task<PushOpened> LapsedAsync(World world, Caller by, string? operation = null)
    {
        await world.PushAsync(by, World.Closure(Dependency, Truth));
        var push = await world.BeginAsync(by, World.Closure(Dependency, Truth), operation);
        Assert.Empty(push.Missing);
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(2));
        await world.CollectAsync(World.Everything);
        Assert.Null(world.NarInfoOf("root"));
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie));
        return push;
    }
}
