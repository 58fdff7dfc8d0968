using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>Small NARs come to the gateway by one PUT, which reads them before it stores them.</summary>
public abstract partial class NewerClientTests
{
    private const int Large = (1 << 20) + 1;

    [Fact]
    public async Task A_small_NAR_has_one_URL_a_large_one_has_parts_and_older_clients_get_parts_only()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var small = TestPath.Make("small");
        var root = TestPath.Make("large", Large, small);

        var (_, pending) = await new NewerNiks3Client(client).CreateAsync(root);
        var (_, older) = await client.CreateAsync(root);

        Assert.NotNull(pending[small.NarKey]["presigned_url"]);
        Assert.Null(pending[small.NarKey]["multipart_info"]);
        Assert.Null(pending[root.NarKey]["presigned_url"]);
        Assert.All((string[])[small.NarKey, root.NarKey], key => Assert.NotNull(older[key]["multipart_info"]));
        Assert.NotNull(pending[root.NarKey]["multipart_info"]);
    }

    [Fact]
    public async Task What_came_by_one_PUT_was_read_and_its_narinfo_tells_the_file()
    {
        await using var cache = await StartAsync();
        var path = TestPath.Make("app");

        await new NewerNiks3Client(cache.Client()).PushAsync(path);

        var info = (await cache.NarInfoAsync(path))!;
        Assert.Equal(Sha256Hash.Compute((await cache.ReadAsync(info.Url))!), info.FileHash);
        Assert.Equal(1, await cache.CountAsync("select count(*) from object where kind = 'nar' and verified"));
    }

    [Fact]
    public async Task A_body_that_is_not_the_NAR_is_refused_and_leaves_nothing_and_the_right_one_is_taken_then()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var newer = new NewerNiks3Client(client);
        var path = TestPath.Make("app");
        var (id, pending) = await newer.CreateAsync(path);
        var url = new Uri((string)pending[path.NarKey]["presigned_url"]!);
        var right = Zstd.Compress(path.Nar);
        byte[][] wrong =
        [
            [], path.Nar, right[..^1], [.. right, 1], Zstd.Compress(path.Nar.AsSpan(1)), Zstd.Compress([.. path.Nar, 1]),
            Zstd.Compress(TestPath.Make("other").Nar), new byte[3 << 20],
        ];

        foreach (var body in wrong)
            Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(client, url, body));
        Assert.Equal(0, await cache.CountAsync("select count(*) from object where kind = 'nar' and state <> 'claimed'"));
        await client.UploadAsync(pending.Where(p => p.Key != path.NarKey).ToDictionary(), path);
        // Nothing is signed for a NAR that is not there.
        var signatures = (await Niks3Client.JsonAsync(await client.SendSignAsync(id, [path], "pushes")))["signatures"]!;
        Assert.Empty(signatures[path.NarInfoKey]!.AsArray());
        Assert.Equal(HttpStatusCode.Conflict, await newer.CompleteAsync(id));

        Assert.Equal(HttpStatusCode.OK, await PutAsync(client, url, right));
        await newer.SignAsync(id, pending, path);
        Assert.Equal(HttpStatusCode.NoContent, await newer.CompleteAsync(id));
        await cache.AssertPublishedAsync(path);
        Assert.Empty(await cache.FsckAsync());
    }

    [Fact]
    public async Task A_URL_that_is_used_again_changes_nothing_and_one_of_another_push_or_key_is_refused()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var newer = new NewerNiks3Client(client);
        var (path, other) = (TestPath.Make("app"), TestPath.Make("other"));
        var (id, pending) = await newer.CreateAsync(path);
        var (_, others) = await newer.CreateAsync(other);
        var again = (string)(await newer.CreateAsync(path)).Pending[path.NarKey]["presigned_url"]!;
        var url = (string)pending[path.NarKey]["presigned_url"]!;
        var otherUrl = (string)others[other.NarKey]["presigned_url"]!;
        var body = Zstd.Compress(path.Nar);
        await client.UploadAsync(pending, path);
        var stored = await cache.CountAsync("select file_size from object where kind = 'nar' and state = 'stored'");

        Assert.Equal(HttpStatusCode.OK, await PutAsync(client, new Uri(url), body));
        Assert.Equal(HttpStatusCode.OK, await PutAsync(client, new Uri(url), Zstd.Compress(path.Nar, level: 19)));
        Assert.Equal(stored, await cache.CountAsync("select file_size from object where kind = 'nar' and state = 'stored'"));
        // The upload of one push in the URL of another, under another key, without its seal, and without any.
        string Upload(string of) => of[of.IndexOf("upload=", StringComparison.Ordinal)..];
        foreach (var forged in new[]
        {
            otherUrl.Replace(Upload(otherUrl), Upload(url), StringComparison.Ordinal),
            otherUrl.Replace(other.NarKey[4..], path.NarKey[4..], StringComparison.Ordinal),
            otherUrl[..^1] + (otherUrl[^1] == '0' ? '1' : '0'), otherUrl.Replace("&" + Upload(otherUrl), "", StringComparison.Ordinal),
        })
            Assert.Equal(HttpStatusCode.NotFound, await PutAsync(client, new Uri(forged), Zstd.Compress(other.Nar)));
        Assert.Equal(HttpStatusCode.NotFound,
            await PutAsync(client, new Uri(again.Replace(Upload(again), Upload(url), StringComparison.Ordinal)), body));
        Assert.Equal(HttpStatusCode.Forbidden,
            await PutAsync(client, new Uri(otherUrl.Replace("secret=", "secret=0", StringComparison.Ordinal)), Zstd.Compress(other.Nar)));

        await newer.SignAsync(id, pending, path);
        Assert.Equal(HttpStatusCode.NoContent, await newer.CompleteAsync(id));
        await cache.AssertPublishedAsync(path);
        Assert.Equal(1, await cache.CountAsync("select count(*) from object where kind = 'nar' and state in ('stored', 'live')"));
    }

    [Fact]
    public async Task An_upload_by_one_PUT_has_no_parts_and_is_not_joined()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var path = TestPath.Make("app");
        var (_, pending) = await new NewerNiks3Client(client).CreateAsync(path);
        var url = (string)pending[path.NarKey]["presigned_url"]!;
        var upload = Uri.UnescapeDataString(url[(url.IndexOf("upload=", StringComparison.Ordinal) + 7)..]);

        Assert.Equal(HttpStatusCode.NotFound, await client.CompleteMultipartAsync(path.NarKey, upload, [new string('0', 32)]));
        Assert.Equal(HttpStatusCode.NotFound, (await client.PostAsync("api/multipart/request-parts", new JsonObject
        {
            ["object_key"] = path.NarKey,
            ["upload_id"] = upload,
            ["start_part_number"] = 1,
            ["num_parts"] = 1,
        })).StatusCode);
    }

    [Fact]
    public async Task After_the_end_of_its_push_a_URL_writes_nothing()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var path = TestPath.Make("app");
        var (_, pending) = await new NewerNiks3Client(client).CreateAsync(path);
        var url = new Uri((string)pending[path.NarKey]["presigned_url"]!);
        // Known to be open for a minute.
        Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(client, url, [1]));
        await cache.Core.Database.RunAsync("update push set expires = expires - interval '10 hours'", _ => { }, CancellationToken.None);
        Assert.Equal(HttpStatusCode.NoContent,
            (await client.SendAsync(HttpMethod.Delete, "api/pending_closures?older-than=1h")).StatusCode);

        Assert.Equal(HttpStatusCode.NotFound, await PutAsync(client, url, Zstd.Compress(path.Nar)));

        Assert.Equal(0, await cache.CountAsync("select count(*) from object where kind = 'nar' and state in ('stored', 'live')"));
        Assert.DoesNotContain(await cache.KeysAsync(), k => k.StartsWith("nar/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Listings_narinfos_and_NARs_are_written_to_the_store_once_each()
    {
        var writes = new ConcurrentQueue<ObjectKey>();
        await using var cache = await Niks3Cache.StartAsync(onS3, store => new StallingStore(store) { Writes = writes });
        var root = TestPath.Make("app", TestPath.Make("library").BuiltWith("log\n"));

        await new NewerNiks3Client(cache.Client()).PushAsync(root);

        Assert.All(writes.GroupBy(k => k), key => Assert.Single(key));
        Assert.Equal((root.Closure().Count() * 3) + 1, writes.Count(k => k != ObjectKey.NixCacheInfo && k != ObjectKey.Page));
    }

    private static async Task<HttpStatusCode> PutAsync(Niks3Client client, Uri url, byte[] body)
    {
        using var answer = await client.SendPutAsync(url, body, "application/octet-stream", null);
        return answer.StatusCode;
    }
}
