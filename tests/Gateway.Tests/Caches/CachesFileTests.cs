using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Caches;

/// <summary>Caches that a file declares.</summary>
public sealed class CachesFileTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task The_file_makes_caches_changes_them_and_leaves_others_alone()
    {
        await using var gateway = await CachesGateway.StartAsync();
        using var folder = new TempFolder();
        var key = SecretKey.Generate("team-1");
        await File.WriteAllTextAsync(folder["team.key"], key.Export());
        await gateway.MakeAsync("mine");

        var others = await DeclareAsync("""{"caches":[{"name":"team","private":true,"keys":["team.key"]},{"name":"mirror","priority":60}] }""");

        Assert.Equal(["mine"], others);
        var team = await gateway.Core.Caches.ShowAsync(CachesGateway.NameOf("team"), None);
        Assert.Equal((true, key.PublicKey.ToString()), (team.Declared, Assert.Single(team.PublicKeys)));
        await gateway.PushAsync("team", await gateway.TokenAsync("team"), "app", "signed by the file's key");
        using (var read = await gateway.SendAsync(HttpMethod.Get, $"/c/team/{World.Hash("app")}.narinfo", CachesGateway.Operator))
            Assert.True(NarInfo.Parse(await read.Content.ReadAsStringAsync()).Verify(key.PublicKey));
        // The catalog has no secret of it.
        Assert.Equal(0, await gateway.Core.Database.SingleAsync("select count(*) from cache_key k join cache c on c.id = k.cache_id where c.name = 'team'",
            static _ => { }, r => r.GetInt64(0), None));
        using (var refused = await gateway.SendAsync(HttpMethod.Patch, "/v1/caches/team/settings", CachesGateway.Operator, """{"private":false}"""))
            Assert.Equal("urn:orleans-cache:error:cache-declared", (await refused.ProblemAsync()).Type);
        using (var refused = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/team?force=true", CachesGateway.Operator))
            Assert.Equal("urn:orleans-cache:error:cache-declared", (await refused.ProblemAsync()).Type);

        // The next start, with another file.
        others = await DeclareAsync("""{"caches":[{"name":"team","keys":["team.key"]}]}""");
        Assert.Equal(["mine", "mirror"], others);
        Assert.Null((await gateway.Core.Caches.ShowAsync(CachesGateway.NameOf("team"), None)).Settings.Private);
        using var set = await gateway.SendAsync(HttpMethod.Patch, "/v1/caches/mirror/settings", CachesGateway.Operator, """{"priority":50}""");
        Assert.True(set.IsSuccessStatusCode);

        async Task<IReadOnlyList<string>> DeclareAsync(string text)
        {
            await File.WriteAllTextAsync(folder["caches.json"], text);
            return await gateway.Core.DeclareAsync(CachesFile.Read(folder["caches.json"]), None);
        }
    }

    [Theory]
    [InlineData("[]", "$: an object with the one member 'caches' is wanted")]
    [InlineData("""{"caches":[{}]}""", "$.caches[0]: an object with a 'name' is wanted")]
    [InlineData("""{"caches":[{"name":"UPPER"}]}""", "$.caches[0].name")]
    [InlineData("""{"caches":[{"name":"default"}]}""", "$.caches[0].name: the default cache")]
    [InlineData("""{"caches":[{"name":"a"},{"name":"a"}]}""", "$.caches[1].name: 'a' is there twice")]
    [InlineData("""{"caches":[{"name":"a","privat":true}]}""", "$.caches[0]: 'privat' is no setting; bucket, prefix, private")]
    [InlineData("""{"caches":[{"name":"a","gcGrace":"6"}]}""", "$.caches[0]: gcGrace is '6', which lacks its unit")]
    [InlineData("""{"caches":[{"name":"a","private":"yes"}]}""", "$.caches[0]: private is of another type")]
    [InlineData("""{"caches":[{"name":"a",""", "is not JSON")]
    public async Task A_fault_is_named_with_its_place(string text, string why)
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["caches.json"], text);

        var fault = Assert.Throws<StartupException>(() => CachesFile.Read(folder["caches.json"]));

        Assert.Contains(why, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"name":"b","hosts":["mine.test"]}""", "cache 'b': The host 'mine.test' leads to cache 'mine' already")]
    [InlineData("""{"name":"b","hosts":["a.test"]}""", "cache 'b': The host 'a.test' leads to cache 'a' already")]
    [InlineData("""{"name":"b","bucket":"other"}""", "cache 'b': Bucket and prefix are places in an S3 store")]
    [InlineData("""{"name":"b","keys":["gone.key"]}""", "gone.key of its keys cannot be read")]
    [InlineData("""{"name":"b","keys":["caches.json"]}""", "caches.json holds no signing key")]
    [InlineData("""{"name":"gone"}""", "cache 'gone': it is being deleted")]
    [InlineData("""{"name":"b","stageOf":"nobody"}""", "cache 'b': There is no cache 'nobody' to be a stage of")]
    [InlineData("""{"name":"b","stageOf":"gone"}""", "cache 'b': There is no cache 'gone' to be a stage of")]
    [InlineData("""{"name":"mine","hosts":["mine.test"],"stageOf":"default"}""", "cache 'mine': Cache 'mine' is no stage, and stays so")]
    public async Task A_file_that_is_refused_has_changed_nothing(string last, string why)
    {
        await using var gateway = await CachesGateway.StartAsync();
        using var folder = new TempFolder();
        await gateway.MakeAsync("mine", """{"hosts":["mine.test"]}""");
        await gateway.MakeAsync("changed");
        await gateway.MakeAsync("gone");
        await gateway.Core.Caches.DeleteAsync(CachesGateway.NameOf("gone"), force: true, Caller.Server, None);
        await File.WriteAllTextAsync(folder["caches.json"],
            $$"""{"caches":[{"name":"changed","private":true},{"name":"a","hosts":["a.test"]},{{last}}]}""");

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() =>
            gateway.Core.DeclareAsync(CachesFile.Read(folder["caches.json"]), None));

        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
        Assert.Equal([("changed", false), ("default", false), ("gone", false), ("mine", false)],
            (await gateway.Core.Caches.ListAsync(None)).Caches.Select(c => (c.Name, c.Declared)));
        Assert.Null((await gateway.Core.Caches.ShowAsync(CachesGateway.NameOf("changed"), None)).Settings.Private);
    }

    [Fact]
    public async Task A_stage_is_declared_after_its_parent_and_is_what_it_was_at_the_next_start()
    {
        await using var gateway = await CachesGateway.StartAsync();
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["caches.json"], """{"caches":[{"name":"a"},{"name":"b","stageOf":"a"}]}""");

        for (var start = 0; start < 2; start++)
            await gateway.Core.DeclareAsync(CachesFile.Read(folder["caches.json"]), None);

        Assert.Equal("a", (await gateway.Core.Caches.ShowAsync(CachesGateway.NameOf("b"), None)).Settings.StageOf);
    }

    [Fact]
    public async Task A_cache_whose_key_files_are_gone_is_deleted_all_the_same_and_served_no_more()
    {
        using var folder = new TempFolder();
        using var data = DataDirectory.Open(folder["data"]);
        var url = new Uri("http://cache.test");
        var places = new CachePlaces(new ServerSettings { Listen = new System.Net.IPEndPoint(0, 0) }, data,
            new DirectoryObjectStore(new DirectoryOptions { Root = data.StoreFolder, PublicUrl = url, UrlSecret = data.UrlSecret(), Scope = "default" }),
            url);
        var cache = new CacheDefinition(CachesGateway.NameOf("a"), new CacheSettings { Keys = [folder["gone.key"]] }, null, "");

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() => places.OpenAsync(cache, None));
        Assert.Contains("gone.key of its keys cannot be read", refused.Message, StringComparison.Ordinal);
        Assert.Empty((await places.OpenAsync(cache with { IsDeleting = true }, None)).Keys);
    }

    [Theory]
    [InlineData("", "c/a/", null)]
    [InlineData("", "", "below its prefix only")]
    [InlineData("", "nar/", "below its prefix only")]
    [InlineData("", "team", "below its prefix only")]
    [InlineData("", "c/", "below its prefix only")]
    [InlineData("cache", "cache/c/a/", null)]
    [InlineData("cache", "team/", null)]
    [InlineData("cache", "cache/", "below its prefix only")]
    [InlineData("cache", "cache/log/", "below its prefix only")]
    [InlineData("a/b", "a/", "below its prefix only")]
    [InlineData("", "/team", "not with a slash")]
    public void A_place_lies_neither_in_the_default_caches_nor_above_it(string root, string prefix, string? why)
    {
        using var main = new OrleansCache.Core.Store.S3.S3ObjectStore(new() { Bucket = "main", AccessKey = "x", SecretKey = "y" });
        var places = new CachePlaces(new ServerSettings
        {
            Listen = new System.Net.IPEndPoint(0, 0),
            S3 = new S3Settings { Bucket = "main", Prefix = root },
        }, null, main, new Uri("http://cache.test"));
        var cache = CachesGateway.NameOf("a");

        if (why is null)
            Assert.Equal(("main", prefix.EndsWith('/') ? prefix : prefix + "/"), places.PlaceOf(cache, new CacheSettings { Prefix = prefix }));
        else
            Assert.Contains(why, Assert.Throws<CacheProblemException>(() => places.PlaceOf(cache, new CacheSettings { Prefix = prefix })).Message,
                StringComparison.Ordinal);
        Assert.Equal(("other", ""), places.PlaceOf(cache, new CacheSettings { Bucket = "other" }));
    }
}
