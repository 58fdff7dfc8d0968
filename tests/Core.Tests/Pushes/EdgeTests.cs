using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>What a request may declare of a path, whatever protocol it came by.</summary>
public class EdgeTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(NarInfo.MaxNarSize + 1)]
    [InlineData(long.MaxValue)]
    public async Task A_size_that_no_NAR_has_is_refused_and_nothing_is_opened(long size)
    {
        await using var world = await World.CreateAsync();
        var path = World.Path("a", size: size);

        var direct = await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(World.Closure(path)));
        var deferred = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.Core.Niks3Pushes.OpenAsync(CacheName.Default, Niks3(path), CancellationToken.None));

        Assert.Equal((ProblemKind.BadRequest, ProblemKind.BadRequest), (direct.Kind, deferred.Kind));
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from push"));
    }

    [Fact]
    public async Task One_NAR_hash_with_two_sizes_is_refused()
    {
        await using var world = await World.CreateAsync();
        PathDeclaration[] paths = [World.Path("a", content: "same"), World.Path("b", content: "same", size: 1001)];

        var direct = await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(World.Closure(paths)));
        var deferred = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.Core.Niks3Pushes.OpenAsync(CacheName.Default, Niks3(paths), CancellationToken.None));
        await world.BeginAsync(World.Closure(paths[0], paths[1] with { NarSize = 1000 }));

        Assert.Equal((ProblemKind.BadRequest, ProblemKind.BadRequest), (direct.Kind, deferred.Kind));
        Assert.Contains("1001 bytes", direct.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_with_more_references_than_one_may_have_is_refused()
    {
        await using var world = await World.CreateAsync(new PushOptions { MaxReferences = 2 });
        PathDeclaration[] leaves = [World.Path("a"), World.Path("b"), World.Path("c")];
        var (most, more) = (World.Path("most", ["a", "b"]), World.Path("more", ["a", "b", "c"]));
        await world.PushAsync(World.Closure([.. leaves, most]));
        var opened = await OpenAsync([.. leaves, most]);

        await AssertTooLargeAsync("3 references", () => world.BeginAsync(World.Closure([.. leaves, more])));
        await AssertTooLargeAsync("3 references", () => OpenAsync([.. leaves, more]));
        await AssertTooLargeAsync("3 references", () => world.Core.Niks3Pushes.DeclareAsync(CacheName.Default, opened.Id,
            [new(more, [.. leaves.Select(l => l.Path)])], CancellationToken.None));

        Task<Niks3Opened> OpenAsync(PathDeclaration[] paths) =>
            world.Core.Niks3Pushes.OpenAsync(CacheName.Default, Niks3(paths), CancellationToken.None);
    }

    [Fact]
    public async Task A_push_with_more_references_than_one_may_have_is_refused()
    {
        await using var world = await World.CreateAsync(new PushOptions { MaxReferences = 1 });
        var chain = World.Chain([.. Enumerable.Range(0, 102).Select(i => $"p{i}")]);

        await AssertTooLargeAsync("101 references together", () => world.BeginAsync(chain));
        await AssertTooLargeAsync("101 references together", () =>
            world.Core.Niks3Pushes.OpenAsync(CacheName.Default, Niks3([.. chain.Paths]), CancellationToken.None));

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from push"));
        await world.BeginAsync(World.Chain([.. Enumerable.Range(0, 101).Select(i => $"p{i}")]));
    }

    [Fact]
    public async Task A_log_is_of_a_derivation()
    {
        await using var world = await World.CreateAsync();

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => world.BeginAsync(
            World.Closure(World.Path("a")) with { Logs = [new LogDeclaration { Drv = World.Path("a").Path, Path = World.Hash("a") }] }));

        Assert.Equal(ProblemKind.BadRequest, refused.Kind);
    }

    [Fact]
    public async Task Of_any_number_of_foreign_signatures_sixteen_are_published()
    {
        await using var world = await World.CreateAsync();
        var path = World.Path("a");
        var signatures = Many(100, "x");

        await world.CommitAsync(await UploadedAsync(world, path with { Signatures = [.. signatures, .. signatures] }));

        Assert.Equal(signatures.Take(16), world.NarInfoOf("a")!.Signatures.Where(s => !s.StartsWith("test-1:", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Signatures_of_several_pushes_of_a_live_path_are_sixteen_together()
    {
        await using var world = await World.CreateAsync();
        var path = World.Path("a");
        await world.CommitAsync(await UploadedAsync(world, path with { Signatures = Many(10, "x") }));

        foreach (var name in (string[])["y", "z"])
            await world.CommitAsync(await world.BeginAsync(World.Closure(path with { Signatures = Many(10, name) })));

        Assert.Equal(17, world.NarInfoOf("a")!.Signatures.Count);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task Signatures_that_no_narinfo_could_carry_are_left_out()
    {
        await using var world = await World.CreateAsync();
        var good = Many(1, "x")[0];

        await world.CommitAsync(await UploadedAsync(world,
            World.Path("a") with { Signatures = [$"a\nURL: {good}", $"a {good}", good + "\n", "a:b", good] }));

        Assert.Equal([good], world.NarInfoOf("a")!.Signatures.Where(s => !s.StartsWith("test-1:", StringComparison.Ordinal)));
    }

    private static async Task AssertTooLargeAsync(string says, Func<Task> action)
    {
        var problem = await Assert.ThrowsAsync<CacheProblemException>(action);
        Assert.Equal(ProblemKind.TooLarge, problem.Kind);
        Assert.Contains(says, problem.Message, StringComparison.Ordinal);
    }

    private static string[] Many(int count, string name) =>
        [.. Enumerable.Range(10, count).Select(i => $"{name}-{i:000}:{Convert.ToBase64String(RandomNumberGenerator.GetBytes(64))}")];

    private static async Task<PushOpened> UploadedAsync(World world, PathDeclaration path)
    {
        var push = await world.BeginAsync(World.Closure(path));
        await world.UploadAsync(push);
        return push;
    }

    private static Niks3Push Niks3(params PathDeclaration[] paths) =>
        new()
        {
            Roots = [paths[^1].Path.Hash],
            Paths = [.. paths.Select(p => new Niks3Path(p.Path.Hash, p.NarHash, p.NarSize, p.References))]
        };
}
