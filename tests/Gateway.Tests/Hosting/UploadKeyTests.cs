using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Tests.Embedded;
using OrleansCache.Gateway.Tests.Protocols.Niks3;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

/// <summary>Pushes whose upload URLs are signed by a key that may do nothing else, in a bucket with the policy of docs/server.md.</summary>
public sealed class UploadKeyTests
{
    private static CancellationToken None => CancellationToken.None;

    [UploadUserFact]
    public async Task Each_URL_that_a_push_hands_out_is_signed_by_the_upload_key_and_for_as_long_as_its_client_needs_it()
    {
        await using var cache = await Niks3Cache.StartAsync(onS3: true, uploader: CephServer.Uploader);

        var ours = await OurUrlsAsync(cache);
        var theirs = await Niks3UrlsAsync(cache);

        Assert.True(ours.Count > 30, $"{ours.Count} URLs");
        Assert.True(theirs.Count > 5, $"{theirs.Count} URLs");
        Assert.All(ours.Concat(theirs), url =>
        {
            Assert.Matches("^/test-[0-9a-f]+/nar/[0-9a-z]{52}\\.nar\\.zst$", url.AbsolutePath);
            Assert.Contains($"X-Amz-Credential={CephServer.Uploader!.AccessKey}%2F", url.Query, StringComparison.Ordinal);
        });
        Assert.All(ours, url => Assert.Contains("X-Amz-Expires=900&", url.Query, StringComparison.Ordinal));
        Assert.All(theirs, url => Assert.Contains("X-Amz-Expires=18000&", url.Query, StringComparison.Ordinal));
    }

    [UploadUserFact]
    public async Task A_push_of_niks3_s_client_works_whole()
    {
        await using var cache = await Niks3Cache.StartAsync(onS3: true, uploader: CephServer.Uploader);
        var root = TestPath.Make("app", 30 << 20, TestPath.Make("glibc")).BuiltWith("built\n");

        await cache.Client().PushAsync(root);

        foreach (var path in root.Closure())
            await cache.AssertPublishedAsync(path);
        Assert.Empty(await cache.FsckAsync());
    }

    [UploadUserFact]
    public async Task Fresh_URLs_work_and_the_catalog_knows_for_how_long()
    {
        await using var cache = await Niks3Cache.StartAsync(onS3: true, uploader: CephServer.Uploader);
        using var http = Http(cache);
        var opened = await BeginAsync(http, TestPath.Make("app"));
        await cache.Core.Database.RunAsync("update object set url_expires = clock_timestamp() - interval '1 hour'", _ => { }, None);

        var fresh = (await PostAsync(http, $"pushes/{opened["id"]}/uploads/{opened["uploads"]![0]!["id"]}/urls",
            new JsonObject()))["grant"]!;

        var known = await cache.Core.Database.SingleAsync("select url_expires from object", _ => { }, r =>
            r.GetFieldValue<DateTimeOffset>(0), None);
        // The URL is signed a moment after the catalog has noted it; what relies on that waits a day longer.
        Assert.True(known + new PushOptions().LateUpload >= fresh["expires"]!.GetValue<DateTimeOffset>(), $"{known} {fresh["expires"]}");
        Assert.True(known > DateTimeOffset.UtcNow, $"{known}");
        using var request = new HttpRequestMessage(HttpMethod.Put, (string)fresh["url"]!) { Content = new ByteArrayContent([1]) };
        foreach (var (name, value) in fresh["headers"]!.AsObject())
        {
            if (!request.Headers.TryAddWithoutValidation(name, (string)value!))
                request.Content.Headers.TryAddWithoutValidation(name, (string)value!);
        }

        using var store = new HttpClient();
        using var put = await store.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, put.StatusCode);
    }

    [UploadUserFact]
    public async Task A_URL_of_niks3_s_client_is_dead_when_its_push_has_been_ended()
    {
        await using var cache = await Niks3Cache.StartAsync(onS3: true, uploader: CephServer.Uploader);
        var client = cache.Client();
        var root = TestPath.Make("app");
        var (_, pending) = await client.CreateAsync(root);
        var url = new Uri((string)pending[root.NarKey]["multipart_info"]!["part_urls"]![0]!);
        Assert.Equal(HttpStatusCode.OK, await PutPartAsync(client, url));

        await cache.Core.Database.RunAsync("update push set expires = expires - interval '10 hours'", _ => { }, None);
        Assert.Equal(HttpStatusCode.NoContent,
            (await client.SendAsync(HttpMethod.Delete, "api/pending_closures?older-than=1h30m")).StatusCode);
        await cache.Core.RunHousekeepingAsync(None);

        Assert.Equal(HttpStatusCode.NotFound, await PutPartAsync(client, url));
    }

    [UploadUserFact]
    public async Task A_URL_of_niks3_s_client_is_dead_when_its_push_has_been_committed_with_the_NAR_of_another()
    {
        await using var cache = await Niks3Cache.StartAsync(onS3: true, uploader: CephServer.Uploader);
        var client = cache.Client();
        var root = TestPath.Make("app");
        var (ids, pending) = await client.CreateAsync(root);
        var url = new Uri((string)pending[root.NarKey]["multipart_info"]!["part_urls"]![0]!);
        Assert.Equal(HttpStatusCode.OK, await PutPartAsync(client, url));

        await client.PushAsync(root);
        await client.SignAsync(ids, pending, root);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
        await cache.Core.RunHousekeepingAsync(None);

        Assert.Equal(HttpStatusCode.NotFound, await PutPartAsync(client, url));
        await cache.AssertPublishedAsync(root);
    }

    [UploadUserFact]
    public async Task A_server_with_such_a_key_starts_without_a_word_about_it()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync(CephServer.Uploader);

        await using var server = await ServerProcess.StartAsync(folder["data"], bucket.ServerOptions);

        Assert.DoesNotContain("upload", server.Errors, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(await WarningsAsync(server));
        Assert.DoesNotContain(await bucket.KeysAsync(), key => key.Contains("probe", StringComparison.Ordinal));
    }

    [UploadUserFact]
    public async Task A_server_without_one_says_so_at_its_start_and_to_doctor()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();

        await using var server = await ServerProcess.StartAsync(folder["data"], bucket.ServerOptions);

        var warning = Assert.Single(await WarningsAsync(server));
        Assert.Contains($"{bucket.Name}/nar/*", warning, StringComparison.Ordinal);
        Assert.Contains("--s3-upload-access-key-file", warning, StringComparison.Ordinal);
        Assert.Contains(warning, server.Errors, StringComparison.Ordinal);
    }

    [UploadUserFact]
    public async Task A_server_whose_upload_key_may_do_more_says_what_and_serves()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync();
        string[] own = [.. bucket.ServerOptions.Select(o => o.Replace("--s3-access", "--s3-upload-access", StringComparison.Ordinal)
            .Replace("--s3-secret", "--s3-upload-secret", StringComparison.Ordinal)).TakeLast(4)];

        await using var server = await ServerProcess.StartAsync(folder["data"], [.. bucket.ServerOptions, .. own]);

        var warning = Assert.Single(await WarningsAsync(server));
        Assert.Contains($"bucket {bucket.Name} may also get, list, delete, put outside nar/", warning, StringComparison.Ordinal);
        Assert.Contains(warning, server.Errors, StringComparison.Ordinal);
    }

    [UploadUserFact]
    public async Task A_server_whose_upload_key_cannot_put_does_not_start()
    {
        using var folder = new TempFolder();
        using var bucket = await ObjectBucket.CreateAsync(CephServer.Uploader);
        await (await CephServer.Shared).SetPolicyAsync(bucket.Name, CephServer.Uploader!.Policy(bucket.Name, "elsewhere/"));

        var (exit, _, errors) = await ServerProcess.RunAsync(null,
            ["--data", folder["data"], "--listen", "127.0.0.1:0", .. bucket.ServerOptions]);

        Assert.Equal(2, exit);
        Assert.Contains($"may not put {bucket.Name}/nar/*",
            EmbeddedServerTests.Sentence(string.Join('\n', errors.TrimEnd().Split('\n').TakeLast(1))), StringComparison.Ordinal);
    }

    // One NAR by one PUT and one of many parts, and fresh ones of both.
    private static async Task<List<Uri>> OurUrlsAsync(Niks3Cache cache)
    {
        using var http = Http(cache);
        var opened = await BeginAsync(http, TestPath.Make("small"), TestPath.Make("large", 17 << 20));
        var uploads = opened["uploads"]!.AsArray();
        Assert.Equal(2, uploads.Count);
        var urls = uploads.SelectMany(u => Urls(u!)).ToList();
        foreach (var upload in uploads)
            urls.AddRange(Urls((await PostAsync(http, $"pushes/{opened["id"]}/uploads/{upload!["id"]}/urls",
                new JsonObject { ["firstPart"] = 1, ["count"] = 100 }))["grant"]!));
        return urls;

        static IEnumerable<Uri> Urls(JsonNode grant) => ((JsonNode?[])[grant["url"], .. grant["parts"]!.AsArray()])
            .Where(u => u is not null).Select(u => new Uri((string)u!));
    }

    private static async Task<List<Uri>> Niks3UrlsAsync(Niks3Cache cache)
    {
        var client = cache.Client();
        var root = TestPath.Make("app", 30 << 20);
        var (_, pending) = await client.CreateAsync(root);
        var upload = pending[root.NarKey]["multipart_info"]!;
        var more = await Niks3Client.JsonAsync(await client.PostAsync("api/multipart/request-parts", new JsonObject
        {
            ["object_key"] = root.NarKey,
            ["upload_id"] = (string)upload["upload_id"]!,
            ["start_part_number"] = 4,
            ["num_parts"] = 3,
        }));
        return [.. upload["part_urls"]!.AsArray().Concat(more["part_urls"]!.AsArray()).Select(u => new Uri((string)u!))];
    }

    private static HttpClient Http(Niks3Cache cache) =>
        new()
        {
            BaseAddress = new Uri(cache.Urls[0], "/v1/caches/default/"),
            DefaultRequestHeaders = { Authorization = new("Bearer", "correct-horse") }
        };

    private static Task<JsonNode> BeginAsync(HttpClient http, params TestPath[] paths) => PostAsync(http, "pushes", new JsonObject
    {
        ["roots"] = new JsonArray([.. paths.Select(p => (JsonNode)p.Path.Hash.ToString())]),
        ["paths"] = new JsonArray([.. paths.Select(p => (JsonNode)new JsonObject
        {
            ["path"] = p.Path.ToString(),
            ["narHash"] = p.NarHash.ToString(),
            ["narSize"] = p.Nar.Length,
            ["references"] = new JsonArray(),
        })]),
    });

    private static async Task<JsonNode> PostAsync(HttpClient http, string route, JsonNode body)
    {
        using var answer = await http.PostAsJsonAsync(new Uri(route, UriKind.Relative), body);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, string.Create(CultureInfo.InvariantCulture, $"{answer.StatusCode}: {text}"));
        return JsonNode.Parse(text)!;
    }

    private static async Task<HttpStatusCode> PutPartAsync(Niks3Client client, Uri url)
    {
        using var answer = await client.SendPutAsync(url, [1], "application/octet-stream", null);
        return answer.StatusCode;
    }

    private static async Task<IReadOnlyList<string>> WarningsAsync(ServerProcess server)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/caches/default/warnings");
        request.Headers.Authorization = new("Bearer", (await File.ReadAllTextAsync(Path.Combine(server.Data, "token"))).Trim());
        using var answer = await server.Client.SendAsync(request);
        return [.. JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["warnings"]!.AsArray().Select(w => (string)w!)];
    }
}
