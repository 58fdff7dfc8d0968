using System.Text;
using OrleansCache.Core.Fsck;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Nix;
using OrleansCache.Protocol;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Fsck;

/// <summary>A cache of a ← b ← c with a listing of b, a log of a, a realisation of c and a pin; damaged in one place at a time.</summary>
public sealed class FsckTests
{
    private static readonly StorePath Drv = StorePath.Parse($"{World.Hash("drv")}-a.drv");
    private static readonly string Log = $"log/{Drv.BaseName}";
    private static readonly string Realisation = $"realisations/sha256:{new string('0', 64)}!out.doi";

    [Fact]
    public async Task A_sound_cache_has_no_findings_and_all_of_it_is_counted()
    {
        await using var world = await FilledAsync();

        var (findings, tally) = await CheckAsync(world);

        Assert.Empty(findings);
        // Three narinfos, three NARs, a listing, a log, a realisation and a pin; nix-cache-info and a stranger's file are not ours to judge.
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

        Assert.Contains($"in {field}.", (await AssertFindingAsync(world, FsckKind.WrongNarinfo, NarInfoKey("b"))).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_narinfo_that_is_none_is_found_and_one_in_another_form_is_right()
    {
        await using var world = await FilledAsync();
        Put(world, NarInfoKey("a"), "<html>");
        Put(world, NarInfoKey("b"), world.NarInfoOf("b")!.Print() + "FieldOfTomorrow: 1\n");

        await AssertFindingAsync(world, FsckKind.WrongNarinfo, NarInfoKey("a"));
    }

    [Fact]
    public async Task A_narinfo_whose_signatures_are_being_added_is_right()
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync("update store_path set recorded = false, unwritten = true, signatures = array_append(signatures, 'other-1:AAAA') where name = 'b'");

        Assert.Empty((await CheckAsync(world)).Findings);
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
        await world.ExecuteAsync("insert into object (cache_id, key, kind, state) values (1, 'nar/' || repeat('0', 52) || '.nar.zst', 'nar', 'tombstone')");

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

        Assert.Contains(World.Path("a").Path.ToString(), (await AssertFindingAsync(world, FsckKind.WrongPin, "pins/main")).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("update pin set revision = 2", true)]
    [InlineData("update pin set deleted = true, revision = 2", true)]
    [InlineData("update pin set deleted = true, revision = 2", false)]
    public async Task A_pin_that_is_being_written_or_deleted_is_right(string state, bool there)
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync(state);
        Put(world, "pins/main", World.Path("a").Path.ToString());
        if (!there)
            world.Store.Objects.Remove("pins/main", out _);

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task An_open_multipart_upload_without_a_row_is_found_and_one_that_is_about_to_be_noted_is_not()
    {
        await using var world = await FilledAsync(new PushOptions { SinglePutLimit = 500 });
        await world.BeginAsync(World.Chain("new"));
        var known = Assert.Single(world.Store.OpenMultiparts);
        world.Store.OpenMultiparts["young"] = known.Value;
        world.Store.OpenMultiparts["lost"] = "nar/0000000000000000000000000000000000000000000000000000.nar.zst";
        world.Store.OpenMultiparts["stranger"] = "backup/db.tar";

        await AssertFindingAsync(world, FsckKind.UnknownMultipart, world.Store.OpenMultiparts["lost"]);

        world.Store.MultipartsInitiated = DateTimeOffset.UtcNow.AddDays(-1);
        Assert.Equal(new HashSet<string> { known.Value, world.Store.OpenMultiparts["lost"] }, (await CheckAsync(world)).Findings.Select(f => f.Key).ToHashSet());
    }

    [Fact]
    public async Task Uploads_under_way_and_deletions_under_way_are_right_whether_their_objects_are_there_or_not()
    {
        await using var world = await FilledAsync();
        await world.BeginAsync(World.Chain("claimed"));
        await world.UploadAsync(await world.BeginAsync(World.Chain("stored")));
        var arrived = await world.BeginAsync(World.Chain("arrived"));
        world.Store.Upload(arrived.Uploads[0].Url!, [1]);
        await world.ChangeAsync("update store_path set state = 'deleting' where state = 'live'; update object set state = 'deleting' where state = 'live'; delete from pin");
        world.Store.Objects.Remove("pins/main", out _);
        world.Store.Objects.Remove(NarInfoKey("c"), out _);

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task A_recorded_upload_whose_bytes_are_lost_is_found_before_anybody_commits_it()
    {
        await using var world = await FilledAsync();
        var push = await world.BeginAsync(World.Chain("new"));
        await world.UploadAsync(push);
        var key = await world.QueryAsync<string>("select key from object where state = 'stored'");
        Assert.True(world.Store.Objects.Remove(key, out _));

        await AssertFindingAsync(world, FsckKind.MissingObject, key);
    }

    [Fact]
    public async Task A_push_that_commits_between_the_listing_and_the_look_gives_no_finding()
    {
        await using var world = await FilledAsync();
        world.Store.OnListed = async () =>
        {
            world.Store.OnListed = () => Task.CompletedTask;
            await world.PushAsync(World.Chain("a", "late"));
        };

        var (findings, tally) = await CheckAsync(world);

        Assert.Empty(findings);
        Assert.Equal(4, tally.Paths);
    }

    [Fact]
    public async Task A_path_that_is_swept_between_the_listing_and_the_look_gives_no_finding()
    {
        await using var world = await FilledAsync();
        world.Store.OnListed = async () =>
        {
            world.Store.OnListed = () => Task.CompletedTask;
            await world.ChangeAsync("update store_path set state = 'gone' where name = 'c'; delete from pin");
            world.Store.Objects.Remove(NarInfoKey("c"), out _);
            world.Store.Objects.Remove("pins/main", out _);
            await world.ChangeAsync("update object set state = 'gone' where kind = 'realisation'");
            world.Store.Objects.Remove(Realisation, out _);
        };

        Assert.Empty((await CheckAsync(world)).Findings);
    }

    [Fact]
    public async Task A_row_that_changes_while_its_object_is_looked_at_is_looked_at_again()
    {
        await using var world = await FilledAsync();
        var swept = world.Store.Objects[NarInfoKey("c")];
        Assert.True(world.Store.Objects.Remove(NarInfoKey("c"), out _));
        var looks = 0;
        world.Store.OnRead = async key =>
        {
            // The row was live when it was read; its object is gone when it is looked at; and all is well again at the second look.
            if (key.ToString() == NarInfoKey("c") && ++looks == 1)
                await world.ExecuteAsync("update store_path set generation = generation + 1 where name = 'c'");
            else if (looks == 2)
                world.Store.Objects[NarInfoKey("c")] = swept;
        };

        Assert.Empty((await CheckAsync(world)).Findings);
        Assert.Equal(2, looks);
    }

    [Fact]
    public async Task A_cache_that_was_collected_has_no_findings_at_any_time_of_the_collection()
    {
        await using var world = await FilledAsync();
        await world.ExecuteAsync("delete from pin; delete from root");
        world.Store.Objects.Remove("pins/main", out _);
        world.Store.OnWrite = async (_, _) =>
        {
            Assert.Empty((await CheckAsync(world)).Findings);
            return MemoryObjectStore.Answer.Normal;
        };

        var run = await world.Core.Collection.StartAsync(CacheName.Default, new GcRequest { Force = true }, OperationId.New(), CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () => (run = await world.Core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State != GcState.Running);

        Assert.Equal((GcState.Done, 8), (run.State, run.ObjectsDeletedAfterGracePeriod));
        var (findings, tally) = await CheckAsync(world);
        Assert.Empty(findings);
        Assert.Equal((0, 0), (tally.Keys, tally.Paths));
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

        Assert.Equal(ProblemKind.UnknownCache, Assert.Throws<CacheProblemException>(() => world.Core.Fsck.CheckAsync(nowhere, new FsckTally(), CancellationToken.None)).Kind);
    }

    private static async Task<World> FilledAsync(PushOptions? options = null)
    {
        var world = await World.CreateAsync(options);
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        foreach (var grant in push.Uploads)
            await world.UploadAsync(push, [grant]);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport
        {
            Logs = [new LogContent { Drv = Drv, Path = World.Hash("a"), Content = [1, 2] }],
            Listings = [new PathListing { Path = World.Hash("b"), Content = [2] }],
            Realisations = [new RealisationContent { Id = $"sha256:{new string('0', 64)}!out", Path = World.Hash("c"), Content = "{}" }],
        }, CancellationToken.None);
        await world.CommitAsync(push);
        await world.ExecuteAsync("insert into pin (cache_id, name, path_id, revision, written) select 1, 'main', id, 1, 1 from store_path where name = 'c'");
        await world.ExecuteAsync("insert into pin_revision (pin_id, revision, path_id) select id, 1, path_id from pin");
        Put(world, "pins/main", World.Path("c").Path.ToString());
        Put(world, "nix-cache-info", "StoreDir: /nix/store\n");
        Put(world, "backup/db.tar", "theirs");
        return world;
    }

    private static async Task<(List<FsckFinding> Findings, FsckTally Tally)> CheckAsync(World world)
    {
        var tally = new FsckTally();
        var findings = new List<FsckFinding>();
        await foreach (var finding in world.Core.Fsck.CheckAsync(CacheName.Default, tally, CancellationToken.None))
            findings.Add(finding);
        return (findings, tally);
    }

    private static async Task<FsckFinding> AssertFindingAsync(World world, FsckKind kind, string key)
    {
        var finding = Assert.Single((await CheckAsync(world)).Findings);
        Assert.Equal((kind, key), (finding.Kind, finding.Key));
        return finding;
    }

    private static string NarInfoKey(string name) => $"{World.Hash(name)}.narinfo";

    private static void Put(World world, string key, string text) => world.Store.Objects[key] = Encoding.UTF8.GetBytes(text);
}
