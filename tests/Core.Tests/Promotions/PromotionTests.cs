using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Caches;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Promotions;

/// <summary>Closures of one cache that another takes over, by copies of the store.</summary>
public sealed class PromotionTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_promoted_closure_is_published_signed_by_the_target_alone_and_its_files_are_the_same()
    {
        await using var world = await CreateAsync(A, B);
        var foreign = SecretKey.Generate("upstream-1");
        var closure = World.Chain("x", "y");
        var signed = closure with
        {
            Paths = [.. closure.Paths.Select(p => p with { Signatures = [$"upstream-1:{Convert.ToBase64String(new byte[64])}"] })],
        };
        await world.PushAsync(A, signed);

        var done = await PromoteAsync(world, "y");

        Assert.Equal((2, 0, 2, 2), (done.Paths, done.Present, done.Copied, done.Published));
        Assert.Equal(["y"], done.Roots.Select(r => r.Name));
        Assert.Equal(["cache.test-b-1"], done.Keys);
        foreach (var name in (string[])["x", "y"])
        {
            var (there, here) = (world.NarInfoOf(A, name)!, world.NarInfoOf(B, name)!);
            Assert.Equal(["cache.test-b-1", "upstream-1"], world.SignersOf(B, name));
            Assert.Equal((there.NarHash, there.FileHash, there.FileSize, there.Compression, there.Deriver),
                (here.NarHash, here.FileHash, here.FileSize, here.Compression, here.Deriver));
            Assert.NotEqual(there.Url, here.Url);
            Assert.Equal(world.StoreOf(A).Objects[there.Url], world.StoreOf(B).Objects[here.Url]);
        }

        Assert.Equal("", await FsckAsync(world.Core, B));
        Assert.Empty(world.StoreOf(B).OpenMultiparts);
        var line = (await world.Core.Audit.ReadAsync(B, new AuditQuery(), None)).Lines[0];
        Assert.Equal(("promote", Publishers.Victim.Publisher, "a"),
            (line.Action, line.Publisher, line.Detail!.Value.GetProperty("from").GetString()));
    }

    [Fact]
    public async Task Promoted_again_by_the_same_request_or_another_nothing_is_copied_twice()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y"));
        var operation = OperationId.New();
        await PromoteAsync(world, "x");
        await PromoteAsync(world, "y", operation);

        foreach (var again in (OperationId[])[operation, operation, OperationId.New()])
        {
            var done = await PromoteAsync(world, "y", again);
            Assert.Equal((2, 2, 0, 0), (done.Paths, done.Present, done.Copied, done.Published));
        }

        Assert.Equal(2, world.StoreOf(B).Copies.Count);
        // The same key for another closure is an error of the client.
        await RefusedAsync(ProblemKind.KeyReused, () => PromoteAsync(world, "x", operation));
    }

    [Fact]
    public async Task What_the_source_has_not_is_refused_and_a_pin_names_what_it_has_now()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y"));
        await world.Core.Pins.As(Caller.Server).SetAsync(A, PinName.Parse("app"), new SetPin { Path = World.Path("y").Path },
            PinCondition.None, OperationId.New(), TimeSpan.Zero, None);

        await RefusedAsync(ProblemKind.PathNotInCache, () => PromoteAsync(world, "z"));
        await RefusedAsync(ProblemKind.UnknownPin, () => PromoteAsync(world, new PromoteRequest { From = "a", Pin = PinName.Parse("none") }));
        await RefusedAsync(ProblemKind.UnknownCache, () => PromoteAsync(world, new PromoteRequest { From = "c", Paths = [World.Hash("y")] }));
        await RefusedAsync(ProblemKind.BadRequest, () => PromoteAsync(world, new PromoteRequest { From = "b", Paths = [World.Hash("y")] }));
        await RefusedAsync(ProblemKind.BadRequest, () => PromoteAsync(world, new PromoteRequest { From = "a" }));
        Assert.Empty(world.StoreOf(B).NarInfos);

        Assert.Equal(2, (await PromoteAsync(world, new PromoteRequest { From = "a", Pin = PinName.Parse("app") })).Published);
    }

    [Fact]
    public async Task A_dry_run_says_what_would_be_copied_and_what_differs_and_changes_nothing()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Closure(World.Path("x"), World.Path("y", ["x"]), World.Path("z", ["x", "y"])));
        await world.PushAsync(B, World.Closure(World.Path("x"), World.Path("y", ["x"], content: "another build")));
        var size = world.NarInfoOf(A, "z")!.FileSize;

        var dry = await PromoteAsync(world, new PromoteRequest { From = "a", Paths = [World.Hash("z")], DryRun = true });

        Assert.Equal((3, 2, 1, 1, size), (dry.Paths, dry.Present, dry.Copied, dry.Published, (long?)dry.Bytes));
        Assert.Equal([World.Hash("y")], dry.Conflicts);
        Assert.Null(world.NarInfoOf(B, "z"));
        Assert.Equal(0L, await world.QueryAsync<long>("select count(*) from push where operation like '%promote%'"));

        var done = await PromoteAsync(world, "z");

        Assert.Equal([World.Hash("y")], done.Conflicts);
        Assert.Equal((1, 1), (done.Copied, done.Published));
        Assert.Equal(World.Path("y", content: "another build").NarHash, world.NarInfoOf(B, "y")!.NarHash);
    }

    [Theory]
    [InlineData(".nar.xz", "xz")]
    [InlineData(".nar", "none")]
    public async Task A_file_of_another_compression_keeps_it(string ending, string compression)
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x"));
        // As stock Nix writes it.
        var former = world.NarInfoOf(A, "x")!.Url;
        var key = former[..^".nar.zst".Length] + ending;
        world.StoreOf(A).Objects[key] = world.StoreOf(A).Objects[former];
        await world.ExecuteAsync($"update object set key = '{key}' where key = '{former}'");

        await PromoteAsync(world, "x");

        Assert.EndsWith(ending, world.NarInfoOf(B, "x")!.Url, StringComparison.Ordinal);
        Assert.Equal(compression, world.NarInfoOf(B, "x")!.Compression);
        Assert.Equal("", await FsckAsync(world.Core, B));
    }

    [Fact]
    public async Task A_key_that_ends_otherwise_is_given_up_for_one_that_fits()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x"));
        var former = world.NarInfoOf(A, "x")!.Url;
        var key = former[..^".nar.zst".Length] + ".nar.xz";
        world.StoreOf(A).Objects[key] = world.StoreOf(A).Objects[former];
        await world.ExecuteAsync($"update object set key = '{key}' where key = '{former}'");
        // The path was here before, compressed by us, and its key is free again.
        await world.PushAsync(B, World.Chain("x"));
        await world.ExecuteAsync($"update store_path set state = 'gone', objects = '{{}}' where cache_id = (select id from cache where name = 'b');" +
            "update object set state = 'gone', recorded = false where cache_id = (select id from cache where name = 'b')");

        Assert.Equal(1, (await PromoteAsync(world, "x")).Copied);

        Assert.EndsWith(".nar.xz", world.NarInfoOf(B, "x")!.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_the_targets_quota_nothing_is_copied()
    {
        await using var world = await CreateAsync(A);
        await world.MakeAsync(B, new JsonObject { ["quotaBytes"] = 500 });
        await world.PushAsync(A, World.Chain("x"));

        await RefusedAsync(ProblemKind.QuotaExceeded, () => PromoteAsync(world, "x"));

        Assert.Empty(world.StoreOf(B).Copies);
    }

    private static Task<Promotion> PromoteAsync(CachesWorld world, string root, OperationId? operation = null) =>
        PromoteAsync(world, new PromoteRequest { From = "a", Paths = [World.Hash(root)] }, operation);

    private static Task<Promotion> PromoteAsync(CachesWorld world, PromoteRequest request, OperationId? operation = null) =>
        world.Core.Promotions.PromoteAsync(B, request, Publishers.Victim, operation ?? OperationId.New(), static _ => { }, None);
}
