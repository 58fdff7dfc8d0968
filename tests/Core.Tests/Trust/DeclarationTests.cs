using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>
/// What a push declares is compared with what is live: a conflict is told, a pin never moves onto it, and a higher rank has the last word.
/// </summary>
public sealed class DeclarationTests
{
    private static readonly PathDeclaration Dependency = World.Path("dep");

    public static TheoryData<string> Lies => ["references", "nar", "size", "ca"];

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task A_live_path_of_another_content_is_a_conflict_and_stays(string lie)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie(lie)));
        var before = world.NarInfoOf("root")!.Print();

        var push = await world.BeginAsync(Victim, World.Closure(Dependency, Truth()));

        Assert.Equal([World.Hash("root")], push.Conflicts);
        await world.CommitAsync(push, world.Of(Victim));
        Assert.Equal(before, world.NarInfoOf("root")!.Print());
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task A_higher_rank_supersedes_it_and_its_pin_is_on_what_it_declared(string lie)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie(lie)));

        await world.PushAsync(Deployer, Pinned(World.Closure(Dependency, Truth())));

        AssertIsTruth(world);
        Assert.Equal(World.Hash("root"),
            (await world.Core.Pins.ShowAsync(CacheName.Default, PinName.Parse("app"), CancellationToken.None)).Path.Hash);
        await world.CollectAsync(World.Everything);
        AssertIsTruth(world);
        Assert.NotNull(world.NarInfoOf("dep"));
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task A_superseded_path_never_ceases_to_be_live_for_what_refers_to_it()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie("nar"), World.Path("app", ["root"])));
        var states = new HashSet<string>();
        world.Store.OnWrite = async (_, _) =>
        {
            states.Add(await world.StateOfAsync("root"));
            return MemoryObjectStore.Answer.Normal;
        };

        await world.PushAsync(Deployer, World.Closure(Dependency, Truth()));

        Assert.Equal(["live"], states);
        Assert.NotNull(world.NarInfoOf("app"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task The_nar_of_a_superseded_path_stays_for_who_remembers_its_narinfo()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie("nar")));
        var former = world.NarInfoOf("root")!.Url;

        await world.PushAsync(Deployer, World.Closure(Dependency, Truth()));
        await world.CollectAsync(World.Everything);

        Assert.NotEqual(former, world.NarInfoOf("root")?.Url);
        Assert.True(world.Store.Objects.ContainsKey(former));
        await world.ExecuteAsync("update kept_object set until = until - interval '31 days'");
        await world.CollectAsync(World.Everything);
        Assert.False(world.Store.Objects.ContainsKey(former));
    }

    [Fact]
    public async Task An_equal_rank_is_refused_with_its_pin_and_nothing_has_moved()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(OtherDeployer, World.Closure(Dependency, Lie("references")));

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth()))));

        Assert.Equal(ProblemKind.Conflict, problem.Kind);
        Assert.Contains(OtherDeployer.Publisher, problem.Message, StringComparison.Ordinal);
        Assert.Contains(Deployer.Publisher, problem.Message, StringComparison.Ordinal);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from push where state = 'open'"));
    }

    [Fact]
    public async Task A_build_of_its_own_group_that_is_not_reproducible_stops_no_pin()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Deployer, World.Closure(Dependency, Lie("nar")));

        var push = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth())));
        Assert.Equal([World.Hash("root")], push.Conflicts);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push, world.Of(Deployer))).State);

        Assert.Equal(World.Hash("root"),
            (await world.Core.Pins.ShowAsync(CacheName.Default, PinName.Parse("app"), CancellationToken.None)).Path.Hash);
    }

    [Fact]
    public async Task What_a_higher_rank_pushed_as_it_was_is_not_superseded_by_its_equals()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie("references")));
        await world.ExecuteAsync("update store_path set verified = true; update object set verified = true");
        await world.PushAsync(OtherDeployer, Pinned(World.Closure(Dependency, Lie("references")), "theirs"));

        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth()))))).Kind);
    }

    [Fact]
    public async Task A_path_is_called_as_the_push_declares_it_that_publishes_it()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Closure(Dependency, Truth()));
        await world.UploadAsync(push, pushes: world.Of(Victim));
        await world.BeginAsync(Mallory, World.Closure(Misnamed("dep")));
        await world.BeginAsync(Mallory, World.Closure(Misnamed("root")));

        await world.CommitAsync(push, world.Of(Victim));

        Assert.Equal("dep", Assert.Single(world.NarInfoOf("root")!.References).Name);
        Assert.Equal("root", world.NarInfoOf("root")!.StorePath.Name);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Nothing_is_published_with_a_reference_that_is_live_under_another_name()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Closure(Dependency, Truth()));
        await world.UploadAsync(push, pushes: world.Of(Victim));
        await world.PushAsync(Mallory, World.Closure(Misnamed("dep")));

        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Victim)))).Kind);
        Assert.Null(world.NarInfoOf("root"));
        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(Victim, World.Closure(Dependency, Truth())))).Kind);

        await world.PushAsync(Deployer, World.Closure(Dependency, Truth()));
        Assert.Equal("dep", world.NarInfoOf("dep")!.StorePath.Name);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Stock_Nix_publishes_nothing_with_a_reference_that_is_live_under_another_name()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Misnamed("dep")));
        await world.ExecuteAsync("update store_path set verified = true");
        var nix = new StockNix(world);
        await nix.PutNarAsync("root");

        await Assert.ThrowsAsync<CacheProblemException>(() => nix.PutInfoAsync("root", ["dep"]));

        Assert.Null(world.NarInfoOf("root"));
    }

    [Fact]
    public async Task Who_describes_its_paths_later_publishes_nothing_with_a_reference_that_is_live_under_another_name()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Misnamed("dep")));
        var (root, pushes) = (Truth(), world.Core.Niks3Pushes.As(Victim));
        var opened = await pushes.OpenAsync(
            CacheName.Default,
            new Niks3Push
            {
                Roots = [root.Path.Hash],
                Paths = [new(Dependency.Path.Hash, Dependency.NarHash, Dependency.NarSize, []),
                    new(root.Path.Hash, root.NarHash, root.NarSize, root.References)],
            },
            CancellationToken.None);

        Assert.Equal(
            ProblemKind.BadRequest,
            (await Assert.ThrowsAsync<CacheProblemException>(() =>
                pushes.DeclareAsync(CacheName.Default, opened.Id, [new(root, [Dependency.Path])], CancellationToken.None))).Kind);
    }

    [Fact]
    public async Task Who_is_overtaken_by_another_content_is_told_at_the_commit()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Victim, World.Closure(Dependency, Truth()));
        await world.UploadAsync(push, pushes: world.Of(Victim));
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie("nar")));

        var answer = await world.CommitAsync(push, world.Of(Victim));

        Assert.Equal([World.Hash("dep"), World.Hash("root")], answer.Conflicts.ToHashSet());
        Assert.Equal(answer.Conflicts.Order(), (await world.CommitAsync(push, world.Of(Victim))).Conflicts.Order());
    }

    [Fact]
    public async Task A_pinned_push_that_was_overtaken_by_a_lower_rank_supersedes_it_with_its_commit()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth())));
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie("references")));

        Assert.Empty((await world.CommitAsync(push, world.Of(Deployer))).Conflicts);

        AssertIsTruth(world);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_pin_does_not_move_onto_what_was_superseded_after_begin_had_called_it_present()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Truth()));
        await world.ExecuteAsync("update store_path set verified = true; update object set verified = true");
        var superseding = await world.BeginAsync(OtherDeployer, World.Closure(Dependency, Lie("nar")));
        var push = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth())));
        Assert.Empty(push.Missing);
        await world.UploadAsync(superseding, pushes: world.Of(OtherDeployer));
        await world.CommitAsync(superseding, world.Of(OtherDeployer));

        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Deployer)))).Kind);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from pin where not deleted"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_pin_does_not_move_when_an_equal_rank_takes_its_path_between_the_halves_of_its_commit()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Closure(Dependency, Lie("references")));
        var push = await world.BeginAsync(Deployer, Pinned(World.Closure(Dependency, Truth())));
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        var functions = world.Core.Database.Functions;
        await world.ExecuteAsync($"select {functions}.commit_push(1, {functions}.push_of(1, '{push.Id}', null, true), interval '1 day')");
        await world.PushAsync(OtherDeployer, World.Closure(Dependency, Lie("size")));

        await world.ExecuteAsync("update push set lease = clock_timestamp() - interval '1 s' where state = 'committing'");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<long>("select count(*) from push where state = 'committing'") == 0);

        Assert.Equal(ProblemKind.Conflict,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push, world.Of(Deployer)))).Kind);
        Assert.Equal(7, world.NarInfoOf("root")!.NarSize);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from pin where not deleted"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Who_declares_what_is_published_meanwhile_vouches_for_it()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Deployer, World.Closure(Dependency, Truth()));
        await world.UploadAsync(push, pushes: world.Of(Deployer));
        await world.PushAsync(Mallory, World.Closure(Dependency, Truth()));
        await world.ExecuteAsync("update store_path set verified = true; update object set verified = true");

        await world.CommitAsync(push, world.Of(Deployer));

        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from store_path where rank = 1"));
    }

    [Fact]
    public async Task A_pin_without_a_push_wants_bytes_that_are_read_or_its_own_groups_or_the_nar_hash()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Mallory, World.Chain("a", "b"));
        var (pins, path) = (world.Core.Pins.As(Deployer), World.Path("b"));

        Assert.Equal(ProblemKind.Conflict, (await Assert.ThrowsAsync<CacheProblemException>(() => SetAsync(null))).Kind);
        Assert.Equal(ProblemKind.Conflict, (await Assert.ThrowsAsync<CacheProblemException>(() => SetAsync(Sha256Hash.Compute([1])))).Kind);
        Assert.Equal(path.Path, (await SetAsync(path.NarHash)).Pin.Path);
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from store_path where rank = 1"));

        Task<PinSet> SetAsync(Sha256Hash? nar) => pins.SetAsync(
            CacheName.Default, PinName.Parse("app"), new SetPin { Path = path.Path, NarHash = nar }, PinCondition.None, OperationId.New(),
            TimeSpan.Zero, CancellationToken.None);
    }

    [Fact]
    public async Task An_unknown_signature_on_a_live_path_is_taken_from_its_own_group_only()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Victim, World.Chain("a"));
        await world.ExecuteAsync("update store_path set verified = true");
        var path = World.Path("a");
        var signature = SecretKey.Generate("builder-1").Sign(NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, []));

        await world.BeginAsync(Mallory, World.Closure(path with { Signatures = [signature] }));
        Assert.Equal(1, await world.QueryAsync<int>("select cardinality(signatures) from store_path"));
        await world.BeginAsync(Victim, World.Closure(path with { Signatures = [signature] }));
        Assert.Equal(2, await world.QueryAsync<int>("select cardinality(signatures) from store_path"));
    }

    private static PathDeclaration Truth() => World.Path("root", ["dep"]);

    private static PathDeclaration Lie(string what) => what switch
    {
        "references" => Truth() with { References = [] },
        "nar" => World.Path("root", ["dep"], content: "other"),
        "size" => World.Path("root", ["dep"], size: 7),
        _ => Truth() with { Ca = AddressedPath.Opaque },
    };

    private static PathDeclaration Misnamed(string name) => World.Path(name) with { Path = new StorePath(World.Hash(name), "wrong") };

    private static void AssertIsTruth(World world)
    {
        var (info, truth) = (world.NarInfoOf("root")!, Truth());
        Assert.Equal((truth.NarHash, truth.NarSize, "dep", (string?)null), (info.NarHash, info.NarSize, Assert.Single(info.References).Name,
            info.Ca?.ToString()));
    }
}
