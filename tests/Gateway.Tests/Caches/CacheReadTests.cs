using System.Net;
using System.Net.Http.Json;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Caches;

/// <summary>Readers of a cache beside the default one: by its path, by its host, from its folder.</summary>
public sealed class CacheReadTests
{
    [Fact]
    public async Task A_cache_is_read_below_its_path_and_at_the_root_of_its_host()
    {
        await using var gateway = await CachesGateway.StartAsync();
        var made = await gateway.MakeAsync("team", """{"priority":30,"hosts":["team.test"]}""");
        var token = await gateway.TokenAsync("team");
        await gateway.PushAsync("team", token, "app", "of the team");
        var key = PublicKey.Parse(Assert.Single(made.PublicKeys));
        Assert.Equal(new Uri("http://team.test"), made.Substituter);

        foreach (var (root, host) in ((string, string?)[])[("/c/team", null), ("", "team.test"), ("/c/team", "team.test")])
        {
            Assert.Contains("Priority: 30", await TextAsync($"{root}/nix-cache-info", host), StringComparison.Ordinal);
            var info = NarInfo.Parse(await TextAsync($"{root}/{World.Hash("app")}.narinfo", host));
            Assert.True(info.Verify(key));
            Assert.NotEmpty(await TextAsync($"{root}/{info.Url}", host));
            Assert.Contains("http://team.test", await TextAsync($"{root}/", host), StringComparison.Ordinal);
            Assert.Equal("OK\n", await TextAsync($"{root}/health", host));
            using var config = await gateway.SendAsync(HttpMethod.Get, $"{root}/api/cache-config", host: host);
            Assert.Contains(key.ToString(), await config.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        Assert.Contains("Priority: 40", await TextAsync("/nix-cache-info", null), StringComparison.Ordinal);
        using (var missing = await gateway.SendAsync(HttpMethod.Get, $"/{World.Hash("app")}.narinfo"))
            Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        // The server's own routes stay its own under every host.
        Assert.NotEmpty(await TextAsync("/livez", "team.test"));
        using var info2 = await gateway.SendAsync(HttpMethod.Get, "/v1/caches/team", host: "team.test");
        Assert.Equal(30, (await info2.Content.ReadFromJsonAsync(ProtocolJson.Default.CacheInfo))!.Priority);
        // Whoever reads the folder finds the same.
        Assert.True(File.Exists(Path.Combine(gateway.Data, "caches", "team", $"{World.Hash("app")}.narinfo")));
        Assert.Contains("Priority: 30", await File.ReadAllTextAsync(Path.Combine(gateway.Data, "caches", "team", "nix-cache-info")),
            StringComparison.Ordinal);

        async Task<string> TextAsync(string path, string? host)
        {
            using var answer = await gateway.SendAsync(HttpMethod.Get, path, host: host);
            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path} at {host}: {(int)answer.StatusCode}");
            return await answer.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task Stock_Nix_writes_to_a_cache_below_its_path()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("team");
        var token = await gateway.TokenAsync("team", TokenScope.Push);
        var nar = new TextNar("app", "by nix copy");
        var file = Sha256Hash.Compute(nar.File);
        var name = $"nar/{file.ToNix32()}.nar.zst";
        using var put = await gateway.SendAsync(HttpMethod.Put, $"/c/team/{name}", token, body: nar.File);
        Assert.True(put.StatusCode == HttpStatusCode.Created, await put.Content.ReadAsStringAsync());
        var text = $"StorePath: /nix/store/{nar.Hash}-app\nURL: {name}\nCompression: zstd\nFileHash: {file}\nFileSize: {nar.File.Length}\n" +
            $"NarHash: {nar.Path().NarHash}\nNarSize: {nar.Path().NarSize}\nReferences: \n";
        using var published = await gateway.SendAsync(HttpMethod.Put, $"/c/team/{nar.Hash}.narinfo", token, body: System.Text.Encoding.UTF8.GetBytes(text));
        Assert.True(published.StatusCode == HttpStatusCode.Created, await published.Content.ReadAsStringAsync());

        using var read = await gateway.SendAsync(HttpMethod.Get, $"/c/team/{nar.Hash}.narinfo", token);
        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        using var elsewhere = await gateway.SendAsync(HttpMethod.Get, $"/{nar.Hash}.narinfo");
        Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);
    }

    [Fact]
    public async Task Under_the_URL_for_reading_who_may_pin_reads_what_others_pushed()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("team", """{"private":true}""");
        await gateway.PushAsync("team", await gateway.TokenAsync("team", TokenScope.Push), "app", "by a lower rank");
        var (all, pusher) = (await gateway.TokenAsync("team"), await gateway.TokenAsync("team", TokenScope.Push));
        var narinfo = $"{World.Hash("app")}.narinfo";

        foreach (var (path, token, status) in new[]
        {
            ($"/c/team/{narinfo}", all, HttpStatusCode.NotFound), ($"/r/team/{narinfo}", all, HttpStatusCode.OK),
            ($"/r/team/{narinfo}", pusher, HttpStatusCode.Forbidden), ($"/r/team/{narinfo}", null, HttpStatusCode.Unauthorized),
            ($"/r/default/{narinfo}", all, HttpStatusCode.NotFound), ("/r/default/nix-cache-info", null, HttpStatusCode.OK),
        })
        {
            using var answer = await gateway.SendAsync(HttpMethod.Get, path, token);
            Assert.Equal((path, status), (path, answer.StatusCode));
        }

        using var put = await gateway.SendAsync(HttpMethod.Put, $"/r/team/{narinfo}", all, body: [1]);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, put.StatusCode);
        Assert.Contains("nix copy --to http://…/c/team", (await put.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Caches_are_made_changed_and_deleted_over_HTTP()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("team", """{"verify":"off"}""");
        var admin = await gateway.TokenAsync("team", TokenScope.Admin);

        using (var list = await gateway.SendAsync(HttpMethod.Get, "/v1/caches", CachesGateway.Operator))
            Assert.Equal([("default", 40, $"{gateway.Url}"), ("team", null, $"{gateway.Url}c/team")],
                (await list.Content.ReadFromJsonAsync(ProtocolJson.Default.CacheList))!.Caches.Select(c =>
                    (c.Name, c.Settings.Priority, $"{c.Substituter}")));
        // An admin of the cache sets what concerns it alone.
        using (var set = await gateway.SendAsync(HttpMethod.Patch, "/v1/caches/team/settings", admin, """{"private":true,"gcOlderThan":"48h"}"""))
            Assert.Equal((HttpStatusCode.OK, true), (set.StatusCode, (await set.Content.ReadFromJsonAsync(ProtocolJson.Default.CacheDescription))!.Settings.Private));
        using (var set = await gateway.SendAsync(HttpMethod.Patch, "/v1/caches/team/settings", admin, """{"hosts":["cache.test"]}"""))
            Assert.Equal(HttpStatusCode.Forbidden, set.StatusCode);
        using (var read = await gateway.SendAsync(HttpMethod.Get, "/c/team/nix-cache-info"))
            Assert.Equal(HttpStatusCode.Unauthorized, read.StatusCode);
        using (var rotated = await gateway.SendAsync(HttpMethod.Post, "/v1/caches/team/keys", admin, """{"replaces":true}"""))
        {
            var text = await rotated.Content.ReadAsStringAsync();
            Assert.Equal(HttpStatusCode.Created, rotated.StatusCode);
            // Secrets are told to nobody.
            Assert.DoesNotContain("secret", text, StringComparison.OrdinalIgnoreCase);
        }

        using (var deleted = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/team", admin))
            Assert.Equal(HttpStatusCode.Forbidden, deleted.StatusCode);
        using (var deleted = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/team", CachesGateway.Operator))
            Assert.Equal(HttpStatusCode.Accepted, deleted.StatusCode);
        using var gone = await gateway.SendAsync(HttpMethod.Get, "/v1/caches/team", CachesGateway.Operator);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        // Who deleted it is told to who may know of all caches.
        using (var audit = await gateway.SendAsync(HttpMethod.Get, "/v1/caches/team/audit?limit=1", CachesGateway.Operator))
        {
            var line = Assert.Single((await audit.Content.ReadFromJsonAsync(ProtocolJson.Default.AuditPage))!.Lines);
            Assert.Equal(("cache.delete", "cache:team"), (line.Action, line.Subject));
            Assert.StartsWith("file:", line.Publisher, StringComparison.Ordinal);
        }

        foreach (var (cache, token, status) in new[]
        {
            ("team", admin, HttpStatusCode.Unauthorized), ("team", await gateway.TokenAsync("default"), HttpStatusCode.Forbidden),
            ("nowhere", CachesGateway.Operator, HttpStatusCode.NotFound),
        })
        {
            using var audit = await gateway.SendAsync(HttpMethod.Get, $"/v1/caches/{cache}/audit", token);
            Assert.Equal((cache, status), (cache, audit.StatusCode));
        }
    }
}
