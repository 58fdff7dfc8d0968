using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>What the routes of niks3 answer, apart from pushes that go well.</summary>
public class Niks3RouteTests
{
    [Fact]
    public async Task A_key_that_is_none_of_the_closure_is_not_signed()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var (ids, _) = await client.CreateAsync(TestPath.Make("app"));

        Assert.Equal(HttpStatusCode.Forbidden,
            (await Niks3Client.ErrorAsync(await client.SendSignAsync(ids[0], [TestPath.Make("other")]))).Status);
        Assert.Equal(HttpStatusCode.NotFound,
            (await Niks3Client.ErrorAsync(await client.SendSignAsync("999999", [TestPath.Make("other")]))).Status);
        Assert.Equal("{}", (await Niks3Client.JsonAsync(await client.SendSignAsync(ids[0], [])))["signatures"]!.ToJsonString());
    }

    [Fact]
    public async Task What_is_signed_must_be_what_the_closure_was_opened_with()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        var (ids, _) = await client.CreateAsync(app);

        foreach (var wrong in new[] { app with { Nar = app.Nar[1..] }, app with { References = [app] } })
            Assert.Equal(HttpStatusCode.BadRequest, (await Niks3Client.ErrorAsync(await client.SendSignAsync(ids[0], [wrong]))).Status);
    }

    [Fact]
    public async Task A_path_that_is_there_already_is_answered_the_signatures_that_it_has()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        await client.PushAsync(app);
        var (ids, _) = await client.CreateAsync(app);

        var answer = await Niks3Client.JsonAsync(await client.SendSignAsync(ids[0], [app with { Nar = [1] }]));

        Assert.Equal((await cache.NarInfoAsync(app))!.Signatures, answer["signatures"]![app.NarInfoKey]!.AsArray().Select(s => (string)s!));
    }

    [Theory]
    [InlineData("pending_closures", """{"closure":"0c5b8vw40dy178xlpddw65q9gf1h2186.narinfo","objects":[null]}""")]
    [InlineData("multipart/complete",
        """{"object_key":"nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst","upload_id":"1","parts":[null]}""")]
    public async Task A_null_in_a_list_is_refused(string route, string json)
    {
        await using var cache = await Niks3Cache.StartAsync();

        var (status, text) = await Niks3Client.ErrorAsync(await cache.Client().PostAsync($"api/{route}", JsonNode.Parse(json)));

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("null is not allowed in a list", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_closure_that_was_not_signed_is_not_published()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        var (ids, pending) = await client.CreateAsync(app);
        await client.UploadAsync(pending, app);

        var (status, text) = await Niks3Client.ErrorAsync(await client.PostAsync($"api/pending_closures/{ids[0]}/complete", null));

        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("not described", text, StringComparison.Ordinal);
        await client.SignAsync(ids, pending, app);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
    }

    [Fact]
    public async Task A_push_of_our_own_protocol_gives_a_path_the_name_that_a_pending_closure_did_not_know()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        var (ids, pending) = await client.CreateAsync(app);
        await client.UploadAsync(pending, app);

        var begin = new BeginPush
        {
            Roots = [app.Path.Hash],
            Paths = [new PathDeclaration { Path = app.Path, NarHash = app.NarHash, NarSize = app.Nar.Length }]
        };
        var opened = await cache.Core.Pushes.BeginAsync(CacheName.Default, begin, OperationId.New(), CancellationToken.None);
        Assert.True(PushId.TryParse(opened.Id, out var push));
        Assert.Equal(PathState.Stored, Assert.Single(opened.Missing).State);
        await cache.Core.Pushes.CommitAsync(CacheName.Default, push, TimeSpan.FromSeconds(30), CancellationToken.None);

        Assert.Equal(app.Path, (await cache.NarInfoAsync(app))!.StorePath);
        await client.SignAsync(ids, pending, app);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
    }

    [Fact]
    public async Task Requests_that_no_client_sends_are_told_what_is_wrong_in_one_line()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        JsonObject Body(Action<JsonObject> change)
        {
            var body = Niks3Client.CreateBody(app);
            change(body);
            return body;
        }

        static JsonNode Other(JsonNode item, string name, long value)
        {
            var copy = item.DeepClone();
            copy[name] = value;
            return copy;
        }

        foreach (var body in new JsonNode[]
        {
            new JsonObject(),
            new JsonObject { ["closure"] = app.NarInfoKey },
            new JsonObject { ["closure"] = app.NarInfoKey, ["objects"] = new JsonArray() },
            Body(b => b["closure"] = app.ListingKey),
            Body(b => b["closure"] = TestPath.Make("other").NarInfoKey),
            Body(b => b["objects"]![0]!["key"] = "../x.narinfo"),
            Body(b => b["objects"]![0]!["type"] = "listing"),
            Body(b => b["objects"]![0]!["refs"] = null),
            Body(b => b["objects"]![0]!["refs"]!.AsArray().Add(TestPath.Make("other").NarInfoKey)),
            Body(b => b["objects"]![1]!["key"] = "nar/x.nar.zst"),
            Body(b => b["objects"]![1]!["nar_size"] = 0),
            Body(b => b["objects"]![1]!["nar_size"] = -1),
            Body(b => b["objects"]![1]!["nar_size"] = (1L << 44) + 1),
            Body(b => b["objects"]![1]!["nar_size"] = ulong.MaxValue),
            Body(b => b["objects"]!.AsArray().Add(Other(b["objects"]![1]!, "nar_size", 1))),
            Body(b => b["objects"]!.AsArray().Add(new JsonObject { ["type"] = "realisation", ["key"] = "realisations/sha256:00!out.doi" })),
            Body(b => b["objects"]!.AsArray().Add(new JsonObject { ["type"] = "realisation", ["key"] = "realisations/x:1!out.doi" })),
            Body(b => b["objects"]!.AsArray()
                .Add(new JsonObject { ["type"] = "build_log", ["key"] = "log/0c5b8vw40dy178xlpddw65q9gf1h2186-x" })),
            Body(b => b["objects"]![1] = null),
            JsonNode.Parse("[]")!,
        })
        {
            var (status, text) = await Niks3Client.ErrorAsync(await client.PostAsync("api/pending_closures", body));
            Assert.True(status == HttpStatusCode.BadRequest, $"{body.ToJsonString()}: {status} {text}");
        }
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_413_a_wrong_method_405_and_no_token_401()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();

        using var large = await client.SendAsync(HttpMethod.Post, "api/multipart/complete",
            new StringContent(new string(' ', (8 << 20) + 1)));
        using var method = await client.SendAsync(HttpMethod.Patch, "api/pending_closures");
        using var token = await client.SendAsync(HttpMethod.Post, "api/pending_closures", bearer: "wrong");
        using var unknown = await client.SendAsync(HttpMethod.Get, "api/nothing");

        Assert.Equal(
            [HttpStatusCode.RequestEntityTooLarge, HttpStatusCode.MethodNotAllowed, HttpStatusCode.Unauthorized, HttpStatusCode.NotFound],
            [large.StatusCode, method.StatusCode, token.StatusCode, unknown.StatusCode]);
        foreach (var answer in new[] { large, method, token, unknown })
            await Niks3Client.ErrorAsync(answer);
    }

    [Fact]
    public async Task A_url_for_what_is_no_nar_is_good_for_its_own_push_and_only_while_that_is_open()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app").BuiltWith("log\n");
        var (ids, pending) = await client.CreateAsync(app);
        var url = (string)pending[app.ListingKey]["presigned_url"]!;
        var foreign = url.Replace(app.ListingKey, $"log/{TestPath.New("x.drv").BaseName}", StringComparison.Ordinal);

        foreach (var refused in new[] { url[..^1] + (url[^1] == '0' ? '1' : '0'),
            url[..url.IndexOf('?', StringComparison.Ordinal)], foreign })
        {
            using var answer = await client.SendPutAsync(new Uri(refused), [1], "text/plain", null);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }

        using var strange = await client.SendPutAsync(new Uri(url.Replace(app.ListingKey, "index.html", StringComparison.Ordinal)), [1],
            "text/html", null);
        Assert.Equal(HttpStatusCode.BadRequest, strange.StatusCode);
        await client.UploadAsync(pending, app);
        await client.SignAsync(ids, pending, app);
        await client.CompleteAsync(ids[0]);
        using var late = await client.SendPutAsync(new Uri(url), [1], "text/plain", null);
        Assert.Equal(HttpStatusCode.Forbidden, late.StatusCode);
        await cache.AssertPublishedAsync(app);
    }

    [Fact]
    public async Task A_listing_or_log_that_readers_could_not_decompress_is_refused()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app").BuiltWith("log\n");
        var (ids, pending) = await client.CreateAsync(app);
        var whole = Zstd.Compress("{}"u8);

        foreach (var key in (string[])[app.ListingKey, app.LogKey])
        {
            var url = new Uri((string)pending[key]["presigned_url"]!);
            foreach (var body in (byte[][])[ZstdBomb.Make("{", 100, ' ', "}", windowLog: 24),
                ZstdBomb.Make("{", 100, ' ', "}", dictionary: 1), whole[..^1], [.. whole, 1]])
                Assert.Equal(HttpStatusCode.BadRequest, (await client.SendPutAsync(url, body, "application/json", "zstd")).StatusCode);
            Assert.True((await client.SendPutAsync(url, ZstdBomb.Make("{", 100, ' ', "}", windowLog: 23), "application/json",
                "zstd")).IsSuccessStatusCode);
        }

        foreach (var (part, etag) in new[] { (1, new string('a', 201)), (1, "a\0b"), (1, "a b") })
        {
            var request = new JsonObject
            {
                ["object_key"] = app.NarKey,
                ["upload_id"] = "1",
                ["parts"] = new JsonArray(new JsonObject { ["part_number"] = part, ["etag"] = etag })
            };
            Assert.Equal(HttpStatusCode.BadRequest,
                (await Niks3Client.ErrorAsync(await client.PostAsync("api/multipart/complete", request))).Status);
        }
    }

    [Fact]
    public async Task Objects_and_closures_are_found_by_the_keys_that_the_client_gave_them()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var library = TestPath.Make("library").Realised();
        var root = TestPath.Make("root", library).BuiltWith("log\n");
        await client.PushAsync(root);

        string[] keys = [root.NarInfoKey, root.ListingKey, root.NarKey, root.LogKey, library.NarInfoKey, library.ListingKey, library.NarKey,
            library.Realisation!];
        foreach (var key in keys)
            Assert.Equal(HttpStatusCode.NoContent, await client.HeadAsync(key));
        Assert.Equal(HttpStatusCode.NotFound, await client.HeadAsync("nix-cache-info"));
        var closure = await Niks3Client.JsonAsync(await client.SendAsync(HttpMethod.Get, $"api/closures/{root.NarInfoKey}"));
        Assert.Equal(keys.Order(), closure["objects"]!.AsArray().Select(o => (string)o!).Order());
        Assert.Equal(root.NarInfoKey, (string)closure["id"]!);
        Assert.Equal(HttpStatusCode.NotFound,
            (await Niks3Client.ErrorAsync(await client.SendAsync(HttpMethod.Get, $"api/closures/{library.NarInfoKey}"))).Status);
    }

    [Fact]
    public async Task Pins_are_made_listed_and_deleted()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        await client.PushAsync(app);
        Task<HttpResponseMessage> PinAsync(string name, string path) =>
            client.SendAsync(HttpMethod.Post, $"api/pins/{name}", new StringContent($$"""{"store_path":"{{path}}"}"""));

        Assert.Equal(HttpStatusCode.NoContent, (await PinAsync("prod", app.Path.ToString())).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await PinAsync("a%20b", app.Path.ToString())).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await PinAsync("prod", "/etc/passwd")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await PinAsync("prod", TestPath.New("absent").ToString())).StatusCode);
        var pin = Assert.Single((await Niks3Client.JsonAsync(await client.SendAsync(HttpMethod.Get, "api/pins"))).AsArray())!;
        Assert.Equal(("prod", app.Path.ToString(), app.NarInfoKey),
            ((string)pin["name"]!, (string)pin["store_path"]!, (string)pin["narinfo_key"]!));
        Assert.Equal(app.Path.ToString(), Encoding.UTF8.GetString((await cache.ReadAsync("pins/prod"))!).TrimEnd());
        Assert.Equal(HttpStatusCode.NoContent, (await client.SendAsync(HttpMethod.Delete, "api/pins/prod")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.SendAsync(HttpMethod.Delete, "api/pins/prod")).StatusCode);
    }

    [Fact]
    public async Task What_the_cache_is_is_told_to_anybody()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app", TestPath.Make("library"));
        await client.PushAsync(app);
        // What a cache holds is counted once a minute: a server that has just started has counted this.
        await cache.AddGatewayAsync();
        await cache.StopGatewayAsync(0);

        using var health = await client.SendAsync(HttpMethod.Get, "health", bearer: "wrong");
        var config = await Niks3Client.JsonAsync(await client.SendAsync(HttpMethod.Get, "api/cache-config?issuer=x", bearer: "wrong"));
        using var stats = await client.SendAsync(HttpMethod.Get, "api/cache-stats", bearer: "wrong");

        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
        Assert.Contains((string)config["substituter_url"]!, cache.Urls.Select(u => u.OriginalString.TrimEnd('/')));
        Assert.Equal(Niks3Cache.Key.PublicKey.ToString(), (string)Assert.Single(config["public_keys"]!.AsArray())!);
        Assert.Equal("*", Assert.Single(stats.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal($$"""{"objects":4,"logical_bytes":{{app.Closure().Sum(p => p.Nar.Length)}}}""",
            await stats.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Pending_closures_that_have_not_lapsed_are_not_ended_and_lapsed_ones_are()
    {
        await using var cache = await Niks3Cache.StartAsync();
        var client = cache.Client();
        var app = TestPath.Make("app");
        var (ids, pending) = await client.CreateAsync(app);

        Assert.Equal(HttpStatusCode.BadRequest, (await client.SendAsync(HttpMethod.Delete, "api/pending_closures")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent,
            (await client.SendAsync(HttpMethod.Delete, "api/pending_closures?older-than=0s")).StatusCode);
        await client.UploadAsync(pending, app);
        await client.SignAsync(ids, pending, app);
        await cache.Core.Database.RunAsync("update push set expires = expires - interval '10 hours'", _ => { }, CancellationToken.None);
        Assert.Equal(HttpStatusCode.NoContent,
            (await client.SendAsync(HttpMethod.Delete, "api/pending_closures?older-than=1h30m")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, await client.CompleteAsync(ids[0]));
    }
}
