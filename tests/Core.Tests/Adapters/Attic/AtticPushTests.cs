using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Adapters.Attic;

/// <summary>What attic's client puts in no order, and what becomes of it.</summary>
public sealed class AtticPushTests
{
    private const string Waiting = "select count(*) from waiting_path";

    [Fact]
    public async Task Paths_that_come_before_their_references_are_published_when_the_last_of_these_has_come()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);

        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("top", "left", "right", "top"));
        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("left", "base"));
        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("right", "base", "left"));
        Assert.Empty(world.Store.NarInfos);
        Assert.Equal(3, await world.QueryAsync<long>(Waiting));

        Assert.Equal(AtticOutcome.Published, await attic.UploadAsync("base"));

        foreach (var (name, references) in new[] { ("base", (string[])[]), ("left", ["base"]), ("right", ["base", "left"]),
            ("top", ["left", "right", "top"]) })
        {
            var info = world.NarInfoOf(name)!;
            Assert.Equal(references.Select(World.Hash).Order(), info.References.Select(r => r.Hash).Order());
            Assert.Equal("zstd", info.Compression);
            Assert.Equal(info.FileHash, Sha256Hash.Compute(world.Store.Objects[info.Url]));
            Assert.Equal(name, System.Text.Encoding.UTF8.GetString(Zstd.Decompress(world.Store.Objects[info.Url], 1000)));
        }

        Assert.Equal(0, await world.QueryAsync<long>(Waiting));
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
        Assert.Empty(await attic.MissingAsync("top", "left", "right", "base"));
    }

    [Fact]
    public async Task A_path_whose_reference_never_comes_is_never_shown_and_neither_are_two_that_refer_to_each_other()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);

        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("a", "b"));
        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("b", "a"));
        Assert.Equal(AtticOutcome.Waiting, await attic.UploadAsync("c", "a", "nowhere"));
        await world.TravelAsync(TimeSpan.FromMinutes(5));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(world.Store.NarInfos);
        var listed = (await world.Core.AtticPushes.ListWaitingAsync(CacheName.Default, 10, CancellationToken.None)).Paths;
        Assert.Equal(["a", "b", "c"], listed.Select(w => w.Path.Name));
        Assert.Equal(["a", "nowhere"], listed[2].Missing.Select(m => m.Name).Order());
        Assert.All(listed, w => Assert.Equal("ci", w.Publisher));
        Assert.Equal(3, (await world.Core.NumbersAsync(CacheName.Default, CancellationToken.None)).Waiting);
        Assert.Equal("", await world.FsckAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_waits_is_kept_while_its_publisher_asks_for_it_and_lapses_after_that_with_its_NAR(bool hasTwin)
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        // Its NAR is that of a path which nobody keeps any more.
        if (hasTwin)
            await attic.SendAsync("twin", content: "kept");
        await world.ExecuteAsync("delete from root");
        await attic.UploadAsync("kept", "late");
        await attic.UploadAsync("lapses", "never");

        for (var hour = 0; hour < 30; hour++)
        {
            await world.TravelAsync(TimeSpan.FromHours(1));
            Assert.Equal(["late"], await attic.MissingAsync("kept", "late"));
            if (hour % 10 == 0)
                await world.CollectAsync(World.Everything);
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
        }

        // The hold that took both ended a day after it was opened; the younger ones have what was asked for.
        await world.CollectAsync(World.Everything);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("kept", Assert.Single((await world.Core.AtticPushes.ListWaitingAsync(CacheName.Default, 10, CancellationToken.None))
            .Paths).Path.Name);
        Assert.Equal(["lapses"], await attic.MissingAsync("lapses", "kept"));
        Assert.Single(world.Store.Objects);

        Assert.Equal(AtticOutcome.Published, await attic.UploadAsync("late"));
        Assert.NotNull(world.NarInfoOf("kept"));
        Assert.Equal("", await world.FsckAsync());

        await attic.UploadAsync("again", "never");
        await world.ExecuteAsync("delete from root");
        await world.TravelAsync(TimeSpan.FromHours(30));
        await world.CollectAsync(World.Everything);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.Objects);
        Assert.Equal(0, await world.QueryAsync<long>(Waiting));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Waiting_paths_of_a_publisher_whose_pushes_are_ended_go_with_them()
    {
        await using var world = await World.CreateAsync();
        await new AtticClient(world).UploadAsync("a", "b");
        await new AtticClient(world, "other").UploadAsync("c", "b");

        await world.ExecuteAsync("select @fn@.end_pushes_of(id, 'ci') from cache");

        Assert.Equal("c", Assert.Single((await world.Core.AtticPushes.ListWaitingAsync(CacheName.Default, 10, CancellationToken.None))
            .Paths).Path.Name);
        await new AtticClient(world, "third").UploadAsync("b");
        Assert.Null(world.NarInfoOf("a"));
        Assert.NotNull(world.NarInfoOf("c"));
    }

    [Theory]
    [InlineData("wrong hash")]
    [InlineData("short")]
    [InlineData("long")]
    public async Task A_NAR_that_is_not_the_declared_one_is_refused_and_leaves_nothing_whether_it_is_there_or_not(string fault)
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        var nar = new byte[300_000];
        new Random(1).NextBytes(nar);
        byte[] sent = fault switch
        {
            "short" => nar[..^1],
            "long" => [.. nar, 0],
            _ => [.. nar[..^1], (byte)(nar[^1] ^ 1)],
        };

        var first = await Assert.ThrowsAsync<CacheProblemException>(() => attic.SendAsync(AtticClient.Path("a", nar),
            new MemoryStream(sent)));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(ProblemKind.BadRequest, first.Kind);
        Assert.Empty(world.Store.Objects);
        await attic.SendAsync(AtticClient.Path("a", nar), new MemoryStream(nar));
        var known = await Assert.ThrowsAsync<CacheProblemException>(() => attic.SendAsync(AtticClient.Path("b", nar),
            new MemoryStream(sent)));

        Assert.Equal(first.Message.Replace("-a ", "-b ", StringComparison.Ordinal)
            .Replace(World.Hash("a").ToString(), World.Hash("b").ToString(), StringComparison.Ordinal), known.Message);
        Assert.Null(world.NarInfoOf("b"));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task A_NAR_of_many_parts_is_compressed_on_its_way_and_one_that_breaks_off_leaves_nothing()
    {
        await using var world = await World.CreateAsync(new PushOptions { PartSize = 50_000 });
        var attic = new AtticClient(world);
        var nar = new byte[400_000];
        new Random(1).NextBytes(nar);
        var wrong = nar.ToArray();
        wrong[^1]++;

        await Assert.ThrowsAsync<CacheProblemException>(() => attic.SendAsync(AtticClient.Path("a", nar), new MemoryStream(wrong)));
        await Assert.ThrowsAsync<CacheProblemException>(() => attic.SendAsync(AtticClient.Path("a", nar), new MemoryStream(nar[..300_000])));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(world.Store.Objects);
        Assert.Empty(world.Store.OpenMultiparts);

        var done = await attic.SendAsync(AtticClient.Path("a", nar), new MemoryStream(nar));

        var info = world.NarInfoOf("a")!;
        Assert.Equal(nar, Zstd.Decompress(world.Store.Objects[info.Url], nar.Length));
        Assert.Equal((done.FileSize, (long?)world.Store.Objects[info.Url].Length), (info.FileSize!.Value, info.FileSize));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task A_NAR_is_stored_once_and_a_path_that_is_there_stays_as_it_is()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);

        Assert.Equal((AtticOutcome.Published, false), Of(await attic.SendAsync("a", content: "same")));
        Assert.Equal((AtticOutcome.Published, true), Of(await attic.SendAsync("b", content: "same")));
        Assert.Equal((AtticOutcome.Waiting, true), Of(await attic.SendAsync("c", ["d"], content: "same")));
        Assert.Single(world.Store.Objects.Keys, k => k.StartsWith("nar/", StringComparison.Ordinal));
        Assert.Equal((AtticOutcome.Present, true), Of(await attic.SendAsync("a", content: "same")));
        Assert.Equal((AtticOutcome.Conflict, false), Of(await attic.SendAsync("a", content: "another build")));
        Assert.Equal(Sha256Hash.Compute("same"u8), world.NarInfoOf("a")!.NarHash);
        Assert.Equal("", await world.FsckAsync());

        static (AtticOutcome, bool) Of(AtticUpload upload) => (upload.Outcome, upload.WasStored);
    }

    [Fact]
    public async Task A_path_whose_reference_came_by_another_protocol_is_the_housekeepers()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        await attic.UploadAsync("top", "middle");
        await attic.UploadAsync("middle", "v1", "nix");
        await world.PushAsync(World.Chain("v1"));
        await new StockNix(world).CopyAsync("nix");
        Assert.Null(world.NarInfoOf("middle"));

        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.NotNull(world.NarInfoOf("top"));
        Assert.Equal(0, await world.QueryAsync<long>(Waiting));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_path_that_is_refused_once_its_reference_is_there_waits_no_more_and_holds_up_nobody()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        var nar = "liar"u8.ToArray();
        var liar = AtticClient.Path("liar", nar) with { References = [new StorePath(World.Hash("base"), "another-name")] };
        Assert.Equal(AtticOutcome.Waiting, (await attic.SendAsync(liar, new MemoryStream(nar))).Outcome);
        await attic.UploadAsync("honest", "base");

        Assert.Equal(AtticOutcome.Published, await attic.UploadAsync("base"));

        Assert.Null(world.NarInfoOf("liar"));
        Assert.NotNull(world.NarInfoOf("honest"));
        Assert.Equal(0, await world.QueryAsync<long>(Waiting));
        Assert.Equal(["liar"], await attic.MissingAsync("liar"));
        var told = await Assert.ThrowsAsync<CacheProblemException>(() => attic.SendAsync(liar, new MemoryStream(nar)));
        Assert.Equal(ProblemKind.BadRequest, told.Kind);
        Assert.Equal(0, await world.QueryAsync<long>(Waiting));
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Paths_that_wait_count_as_closures_and_more_than_the_quota_are_refused()
    {
        await using var world = await World.CreateAsync(new PushOptions { Quotas = new Quotas { Publisher = new() { Roots = 2 } } });
        var attic = new AtticClient(world);
        await attic.UploadAsync("a", "never");
        await attic.UploadAsync("b", "never");
        await attic.UploadAsync("b", "never");

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => attic.UploadAsync("c", "never"));

        Assert.Equal(ProblemKind.QuotaExceeded, refused.Kind);
        Assert.Equal(2, await world.QueryAsync<long>(Waiting));
    }

    [Fact]
    public async Task One_publisher_has_a_bounded_number_of_paths_that_wait()
    {
        await using var world = await World.CreateAsync();
        await world.ExecuteAsync(
            """
            insert into waiting_path (cache_id, holder, hash, push_id, digest, refs, awaits, info, object_id, file_hash, weight, trust_group, rank, reads_others)
            select 1, 'ci', decode(lpad(to_hex(i), 40, '0'), 'hex'), 0, '', array['\xff'::bytea], '\xff', '', 0, '', 1, '', 0, true from generate_series(1, 50000) i
            """);

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => new AtticClient(world).UploadAsync("a", "never"));

        Assert.Equal(ProblemKind.QuotaExceeded, refused.Kind);
        Assert.Equal(AtticOutcome.Waiting, await new AtticClient(world, "other").UploadAsync("a", "never"));
    }

    [Fact]
    public async Task A_path_follows_from_its_content_address_whatever_order_its_references_come_in_or_is_refused_unread()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        var nar = "addressed"u8.ToArray();
        var references = new[] { "a", "b", "c" }.Select(n => new StorePath(World.Hash(n), n)).Order().ToArray();
        var address = AddressedPath.OfNar(Sha256Hash.Compute(nar));
        var path = AtticClient.Path("", nar, []) with
        {
            Path = AddressedPath.Of("addressed", address, references),
            Ca = address,
            References = [.. references.Reverse()],
        };
        var sent = new MemoryStream(nar);

        Assert.Equal(AtticOutcome.Waiting, (await attic.SendAsync(path, new MemoryStream(nar))).Outcome);
        var lie = await Assert.ThrowsAsync<CacheProblemException>(() => attic.SendAsync(path with { References = references[1..] }, sent));

        Assert.Equal((ProblemKind.Untrue, 0L), (lie.Kind, sent.Position));
        foreach (var name in (string[])["a", "b", "c"])
            await attic.UploadAsync(name);
        Assert.Contains($"{path.Path.Hash}.narinfo", world.Store.NarInfos);
        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Many_paths_are_asked_for_at_once_in_a_few_statements()
    {
        await using var world = await World.CreateAsync();
        var attic = new AtticClient(world);
        await attic.UploadAsync("p7");
        await attic.UploadAsync("p2400", "never");
        var names = Enumerable.Range(0, 2500).Select(i => $"p{i}").ToArray();
        var before = world.Core.Database.StatementCount;

        var missing = await attic.MissingAsync(names);

        Assert.Equal(names.Except(["p7", "p2400"]), missing);
        Assert.InRange(world.Core.Database.StatementCount - before, 1, 6);
    }
}
