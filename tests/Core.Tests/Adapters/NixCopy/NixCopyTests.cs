using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Adapters.NixCopy;

/// <summary>What stock Nix gives and what becomes of it, without a collection in between.</summary>
public sealed class NixCopyTests
{
    private const string ForgetRoots = "delete from root";

    [Fact]
    public async Task Many_looks_at_once_are_a_few_statements()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain([.. Enumerable.Range(0, 100).Select(i => $"p{i}")]));
        var nix = new StockNix(world);
        await nix.AskAsync("p0");
        var before = world.Core.Database.StatementCount;

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => nix.AskAsync($"p{i}")));

        Assert.Equal(100, answers.Count(a => a));
        Assert.InRange(world.Core.Database.StatementCount - before, 1, 30);
        Assert.Equal(100, await world.QueryAsync<int>("select cardinality(paths) from push where holder = 'ci'"));
    }

    [Fact]
    public async Task A_path_that_is_there_with_another_NAR_stays_as_it_is_and_one_with_the_same_NAR_gets_the_new_signatures()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("a");
        await nix.PutNarAsync("a", content: "another build");
        var builder = SecretKey.Generate("builder-1");
        var signature = builder.Sign(StockNix.Info("a").Fingerprint());

        Assert.Equal(NarInfoOutcome.Conflict, await nix.PutInfoAsync("a", content: "another build"));
        Assert.Equal(StockNix.Info("a").NarHash, world.NarInfoOf("a")!.NarHash);
        Assert.Equal(NarInfoOutcome.Present, await nix.PutInfoAsync("a", signatures: [signature, "builder-2:AAAA"]));
        Assert.True(world.NarInfoOf("a")!.Verify(builder.PublicKey));
        Assert.True(world.NarInfoOf("a")!.Verify(World.Key.PublicKey));
        Assert.Equal(2, world.NarInfoOf("a")!.Signatures.Count);
    }

    [Fact]
    public async Task Every_put_can_be_sent_again_and_a_path_that_refers_to_itself_is_one()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        for (var i = 0; i < 3; i++)
        {
            await nix.PutNarAsync("a");
            Assert.Equal(i == 0 ? NarInfoOutcome.Published : NarInfoOutcome.Present, await nix.PutInfoAsync("a", ["a"]));
        }

        Assert.Equal([World.Hash("a")], world.NarInfoOf("a")!.References.Select(r => r.Hash));
        Assert.Single(world.Store.Objects.Keys, k => k.StartsWith("nar/", StringComparison.Ordinal));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Listings_logs_realisations_and_debug_info_live_and_die_with_their_path_whichever_comes_first()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        var (file, _) = StockNix.File("a");
        var debug = Encoding.UTF8.GetBytes($$"""{"archive":"../nar/{{file}}","member":"lib/debug/x.debug"}""");
        await nix.KeepAsync(new NixExtra(ObjectKey.Listing(World.Hash("a")), NixExtraKind.Listing, World.Hash("a"), null,
            Zstd.Compress("{}"u8)));
        await nix.KeepAsync(new NixExtra(ObjectKey.Parse("debuginfo/aabb"), NixExtraKind.DebugInfo, null, file.FileHash, debug));
        await nix.KeepAsync(new NixExtra(ObjectKey.Log(new StorePath(World.Hash("a.drv"), "a.drv")), NixExtraKind.Log, World.Hash("a.drv"),
            null, Zstd.Compress("early"u8)));
        Assert.NotNull(await world.Core.NixCopy.FindWaitingAsync(CacheName.Default, StockNix.Caller(), ObjectKey.Listing(World.Hash("a")),
            CancellationToken.None));
        Assert.Empty(world.Store.Objects);

        await nix.PutNarAsync("a");
        await nix.PutInfoAsync("a", deriver: "a.drv");
        await nix.KeepAsync(new NixExtra(ObjectKey.Realisation(RealisationId.Parse($"sha256:{new string('0', 64)}!out")),
            NixExtraKind.Realisation, World.Hash("a"), null, "{}"u8.ToArray()));
        await nix.CopyAsync("b");
        await nix.PutNarAsync("c");
        await nix.PutInfoAsync("c", deriver: "c.drv");
        await nix.KeepAsync(new NixExtra(ObjectKey.Log(new StorePath(World.Hash("c.drv"), "c.drv")), NixExtraKind.Log, World.Hash("c.drv"),
            null, Zstd.Compress("late"u8)));

        string[] extras = [$"{World.Hash("a")}.ls", "debuginfo/aabb", $"log/{World.Hash("a.drv")}-a.drv",
            $"log/{World.Hash("c.drv")}-c.drv", $"realisations/sha256:{new string('0', 64)}!out.doi"];
        Assert.Equal(extras.Order(), world.Store.Objects.Keys.Where(k => !k.EndsWith(".narinfo", StringComparison.Ordinal)
            && !k.StartsWith("nar/", StringComparison.Ordinal)).Order());
        Assert.Contains($"../{world.NarInfoOf("a")!.Url}", Encoding.UTF8.GetString(world.Store.Objects["debuginfo/aabb"]),
            StringComparison.Ordinal);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from nix_pending"));
        Assert.Equal("", await world.FsckAsync());

        await new Collector(world).RunAsync();
        Assert.All(extras, e => Assert.Contains(e, world.Store.Objects.Keys));
        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(3));
        await world.CollectAsync(World.Everything);
        Assert.Empty(world.Store.Objects);
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task A_NAR_of_many_parts_is_joined_only_when_it_is_whole_and_right_and_else_nothing_is_left()
    {
        var options = new PushOptions { PartSize = 5000 };
        await using var world = await World.CreateAsync(options);
        var nar = new byte[20_000];
        new Random(1).NextBytes(nar);
        var name = StockNix.Name(nar, ".nar");

        var cut = await Assert.ThrowsAsync<CacheProblemException>(() => ReceiveAsync(nar[..15_000]));
        var changed = await Assert.ThrowsAsync<CacheProblemException>(() => ReceiveAsync([.. nar[..^1], (byte)(nar[^1] ^ 1)]));

        Assert.Equal((ProblemKind.BadRequest, ProblemKind.BadRequest), (cut.Kind, changed.Kind));
        Assert.Contains("15000 of 20000", cut.Message, StringComparison.Ordinal);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.Objects);
        Assert.Empty(world.Store.OpenMultiparts);
        Assert.Equal("", await world.FsckAsync());

        await ReceiveAsync(nar);
        Assert.Equal(nar, Assert.Single(world.Store.Objects).Value);
        Assert.EndsWith(".nar", world.Store.Objects.Keys.Single(), StringComparison.Ordinal);

        Task ReceiveAsync(byte[] body) => world.Core.NixCopy.ReceiveNarAsync(CacheName.Default, StockNix.Caller(), name,
            new MemoryStream(body), nar.Length, CancellationToken.None);
    }

    [Fact]
    public async Task A_narinfo_with_more_references_than_a_path_may_have_is_refused()
    {
        await using var world = await World.CreateAsync(new PushOptions { MaxReferences = 2 });
        var nix = new StockNix(world);
        await world.PushAsync(World.Closure(World.Path("a"), World.Path("b"), World.Path("c")));
        await nix.PutNarAsync("put");
        Assert.Equal(NarInfoOutcome.Published, await nix.PutInfoAsync("put", ["a", "b"]));

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => nix.PutInfoAsync("more", ["a", "b", "c"]));

        Assert.Equal(ProblemKind.TooLarge, problem.Kind);
        Assert.Contains("3 references", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_push_of_our_own_uses_a_NAR_that_stock_Nix_put_and_never_a_key_of_another_compression()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        var nar = "some contents"u8.ToArray();
        var name = StockNix.Name(nar, ".nar");
        await world.Core.NixCopy.ReceiveNarAsync(CacheName.Default, StockNix.Caller(), name, new MemoryStream(nar), nar.Length,
            CancellationToken.None);

        var push = await world.BeginAsync(World.Closure(World.Path("a", content: "some contents", size: nar.Length)));
        Assert.Empty(push.Uploads);
        await world.CommitAsync(push);
        Assert.Equal("none", world.NarInfoOf("a")!.Compression);

        await world.ExecuteAsync(ForgetRoots);
        await world.TravelAsync(TimeSpan.FromHours(3));
        await world.CollectAsync(World.Everything);
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.PushAsync(World.Closure(World.Path("a", content: "some contents", size: nar.Length)));
        Assert.Equal("zstd", world.NarInfoOf("a")!.Compression);
        Assert.EndsWith(".nar.zst", world.NarInfoOf("a")!.Url, StringComparison.Ordinal);
        Assert.False(await nix.AskNarAsync("a"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_that_somebody_called_wrongly_and_never_brought_is_published_under_its_name()
    {
        await using var world = await World.CreateAsync();
        await world.AbortAsync(
            await world.BeginAsync(World.Closure(World.Path("a") with { Path = new StorePath(World.Hash("a"), "wrong") })));

        await new StockNix(world).CopyAsync("a");

        Assert.Equal("a", world.NarInfoOf("a")!.StorePath.Name);
        Assert.True(world.NarInfoOf("a")!.Verify(World.Key.PublicKey));
    }
}
