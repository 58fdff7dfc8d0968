using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Inspect.FilledCache;

namespace OrleansCache.Core.Tests.Inspect;

/// <summary>A cache that is damaged in one place at a time.</summary>
public sealed class FsckTests
{
    [Fact]
    public async Task A_sound_cache_has_no_findings_and_all_of_it_is_counted()
    {
        await using var world = await FilledAsync();

        var (findings, tally) = await CheckAsync(world);

        Assert.Empty(findings);
        // Three narinfos, three NARs, a listing, a log, a realisation and a pin; nix-cache-info and a stranger's file are not ours to
        // judge.
        Assert.Equal(new FsckChecked(Keys: 10, Paths: 3, Objects: 5, Pins: 1, Multiparts: 0), tally.ToWire());
    }

    [Fact]
    public async Task A_sound_cache_is_checked_by_its_listing_alone()
    {
        await using var world = await FilledAsync();
        world.Store.OnRead = key => throw new InvalidOperationException($"{key} was looked at");

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Theory]
    [InlineData("narinfo")]
    [InlineData("ls")]
    [InlineData("nar")]
    [InlineData("log")]
    [InlineData("realisation")]
    [InlineData("pin")]
    [InlineData("condemned")]
    public async Task What_is_not_in_the_bucket_is_missing(string what)
    {
        await using var world = await FilledAsync();
        if (what == "condemned")
            await world.ChangeAsync("update store_path set state = 'condemned'; update object set state = 'condemned'; delete from pin");
        var key = what switch
        {
            "narinfo" => NarInfoKey("c"),
            "condemned" => NarInfoKey("c"),
            "ls" => $"{World.Hash("b")}.ls",
            "nar" => world.NarInfoOf("a")!.Url,
            "log" => Log,
            "realisation" => Realisation,
            _ => "pins/main",
        };
        Assert.True(world.Store.Objects.Remove(key, out _));
        if (what == "condemned")
            world.Store.Objects.Remove("pins/main", out _);

        await AssertFindingAsync(world, FsckKind.MissingObject, key);
    }

    [Theory]
    [InlineData("nar/0000000000000000000000000000000000000000000000000000.nar.zst")]
    [InlineData("HASH.narinfo")]
    [InlineData("HASH.ls")]
    [InlineData("log/HASH-x.drv")]
    [InlineData("realisations/x!out.doi")]
    [InlineData("build-trace-v2/HASH-x.drv/out.doi")]
    [InlineData("pins/nobody")]
    public async Task What_no_row_leads_to_is_unknown(string key)
    {
        await using var world = await FilledAsync();
        key = key.Replace("HASH", World.Hash("x").ToString(), StringComparison.Ordinal);
        world.Store.Objects[key] = [1];

        await AssertFindingAsync(world, FsckKind.UnknownObject, key);
    }

    [Fact]
    public async Task A_probe_of_the_upload_key_is_no_finding()
    {
        await using var world = await FilledAsync();
        world.Store.Objects["nar/upload-key-probe-0"] = [1];

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task A_listing_that_its_path_does_not_know_of_would_be_left_behind()
    {
        await using var world = await FilledAsync();
        world.Store.Objects[$"{World.Hash("a")}.ls"] = [1];

        await AssertFindingAsync(world, FsckKind.UnknownObject, $"{World.Hash("a")}.ls");
    }

    [Fact]
    public async Task The_narinfo_and_the_NAR_of_a_path_that_is_gone_are_unknown()
    {
        await using var world = await FilledAsync();
        var nar = world.NarInfoOf("c")!.Url;
        await world.ChangeAsync("update store_path set state = 'gone' where name = 'c'");
        await world.ChangeAsync($"update object set state = 'gone' where key = '{nar}'");
        await world.ExecuteAsync("delete from pin");
        world.Store.Objects.Remove("pins/main", out _);

        var (findings, _) = await CheckAsync(world);

        Assert.Equal([NarInfoKey("c"), nar], findings.Select(f => f.Key).Order(StringComparer.Ordinal));
        Assert.All(findings, f => Assert.Equal(FsckKind.UnknownObject, f.Kind));
    }

    [Fact]
    public async Task A_NAR_or_log_of_another_size_is_found()
    {
        await using var world = await FilledAsync();
        world.Store.Objects[world.NarInfoOf("b")!.Url] = new byte[77];
        world.Store.Objects[Log] = [];

        var (findings, _) = await CheckAsync(world);

        Assert.Equal([Log, world.NarInfoOf("b")!.Url], findings.Select(f => f.Key).Order(StringComparer.Ordinal));
        Assert.All(findings, f => Assert.Equal(FsckKind.WrongSize, f.Kind));
    }

    [Theory]
    [InlineData("URL")]
    [InlineData("NarHash")]
    [InlineData("References")]
    [InlineData("Sig")]
    public async Task A_narinfo_that_says_something_else_than_its_row_is_found(string field)
    {
        await using var world = await FilledAsync();
        var info = world.NarInfoOf("b")!;
        Put(world, NarInfoKey("b"), (field switch
        {
            "URL" => info with { Url = world.NarInfoOf("a")!.Url },
            "NarHash" => info with { NarHash = Sha256Hash.Compute([1]) },
            "References" => info with { References = [] },
            _ => info with { Signatures = [] },
        }).Print());

        Assert.Contains($"in {field}.", (await AssertFindingAsync(world, FsckKind.WrongNarinfo, NarInfoKey("b"))).Detail,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_narinfo_that_is_none_is_found_and_one_in_another_form_is_right()
    {
        await using var world = await FilledAsync();
        Put(world, NarInfoKey("a"), "<html>");
        Put(world, NarInfoKey("b"), world.NarInfoOf("b")!.Print() + "FieldOfTomorrow: 1\n");

        await AssertFindingAsync(world, FsckKind.WrongNarinfo, NarInfoKey("a"));
    }

    [Theory]
    [InlineData("update store_path set state = 'condemned' where name = 'a'", "b")]
    [InlineData("update object set state = 'condemned' where kind = 'log'", "a")]
    [InlineData("update store_path set refs = array[424242] where name = 'b'", "b")]
    public async Task A_live_path_that_needs_what_is_not_live_is_found(string damage, string path)
    {
        await using var world = await FilledAsync();
        await world.ChangeAsync(damage);

        var finding = await AssertFindingAsync(world, FsckKind.DanglingReference, NarInfoKey(path));

        Assert.Equal(path, finding.Path?.Name);
    }

    [Theory]
    [InlineData("insert into moving_path select 1, 'deleting', id from store_path where name = 'a'")]
    [InlineData("insert into moving_path select 1, 'publishing', id from store_path where name = 'a'")]
    [InlineData("update store_path set recorded = false where name = 'a'")]
    [InlineData("update store_path set unwritten = true where name = 'a'")]
    public async Task A_path_that_is_not_listed_as_what_it_is_is_found(string damage)
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync(damage);

        await AssertFindingAsync(world, FsckKind.WrongList, NarInfoKey("a"));
    }

    [Fact]
    public async Task An_object_that_is_to_be_deleted_and_in_no_list_is_found()
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync(
            "insert into object (cache_id, key, kind, state) values (1, 'nar/' || repeat('0', 52) || '.nar.zst', 'nar', 'tombstone')");

        await AssertFindingAsync(world, FsckKind.WrongList, $"nar/{new string('0', 52)}.nar.zst");
    }

    [Fact]
    public async Task A_pin_whose_path_is_not_live_is_found()
    {
        await using var world = await FilledAsync();
        await world.ChangeAsync("update store_path set state = 'condemned' where name = 'c'");

        await AssertFindingAsync(world, FsckKind.DanglingReference, "pins/main");
    }

    [Fact]
    public async Task A_pin_that_names_another_path_in_the_bucket_is_found()
    {
        await using var world = await FilledAsync();
        Put(world, "pins/main", World.Path("a").Path.ToString());

        Assert.Contains(World.Path("a").Path.ToString(), (await AssertFindingAsync(world, FsckKind.WrongPin, "pins/main")).Detail,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ten_thousand_damaged_keys_are_all_found()
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync("""
            insert into object (cache_id, key, kind, state, file_size) select 1, 'nar/' || lpad(n::text, 52, '0') || '.nar.zst', 'nar', 'live', 1 from generate_series(1, 20000, 2) n
            """);
        for (var n = 2; n <= 3000; n += 2)
            world.Store.Objects[$"nar/{n:d52}.nar.zst"] = [1];

        var (findings, _) = await CheckAsync(world);

        Assert.Equal(10_000, findings.Count(f => f.Kind == FsckKind.MissingObject));
        Assert.Equal(1_500, findings.Count(f => f.Kind == FsckKind.UnknownObject));
        Assert.Equal(11_500, findings.Select(f => f.Key).Distinct().Count());
    }

    [Fact]
    public async Task A_cache_that_does_not_exist_is_told_before_anything_is_read()
    {
        await using var world = await World.CreateAsync();
        Assert.True(CacheName.TryParse("nowhere", out var nowhere));

        Assert.Equal(ProblemKind.UnknownCache,
            Assert.Throws<CacheProblemException>(() => world.Core.Fsck.CheckAsync(nowhere, new FsckTally(), CancellationToken.None)).Kind);
    }
}
