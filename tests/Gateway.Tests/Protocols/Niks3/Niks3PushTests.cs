using System.Net;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>Pushes of niks3's clients, over each store and two gateways that take turns.</summary>
public abstract partial class Niks3PushTests(bool onS3)
{
    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task A_closure_is_published_as_it_was_signed_whatever_narinfo_the_client_puts()
    {
        await using var cache = await StartAsync();
        var glibc = TestPath.Make("glibc");
        var self = TestPath.Make("empty-ish", 200);
        var root = TestPath.Make("app", glibc, self).BuiltWith("built\n");

        await cache.Client().PushAsync(root);

        foreach (var path in root.Closure())
            await cache.AssertPublishedAsync(path);
        Assert.Equal("built\n", Encoding.UTF8.GetString(Zstd.Decompress((await cache.ReadAsync(root.LogKey))!, 1000)));
        Assert.Empty(await cache.FsckAsync());
    }

    [Fact]
    public async Task It_works_under_the_name_of_the_cache_too()
    {
        await using var cache = await StartAsync();
        var root = TestPath.Make("app");

        await cache.Client("/c/default").PushAsync(root);

        await cache.AssertPublishedAsync(root);
        Assert.Equal((HttpStatusCode.NotFound, "There is no cache 'other' on this server."),
            await Niks3Client.ErrorAsync(await cache.Client("/c/other").PostAsync("api/pending_closures", Niks3Client.CreateBody(root))));
    }

    [Fact]
    public async Task Only_what_is_missing_is_asked_for_and_every_nar_has_parts_for_old_clients()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var half = TestPath.Make("half").BuiltWith("log\n");
        await client.PushAsync(half);
        var root = TestPath.Make("root", half);

        var (_, pending) = await client.CreateAsync(root);

        Assert.Equal(new[] { root.NarInfoKey, root.ListingKey, root.NarKey }.Order(), pending.Keys.Order());
        Assert.Null(pending[root.NarKey]["presigned_url"]);
        Assert.Equal(2, pending[root.NarKey]["multipart_info"]!["part_urls"]!.AsArray().Count);
        Assert.Null(pending[root.NarInfoKey]["multipart_info"]);
    }

    [Fact]
    public async Task With_nothing_pending_complete_alone_is_enough()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app");
        await client.PushAsync(root);

        var (ids, pending) = await client.CreateAsync(root);

        Assert.Empty(pending);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
    }

    [Fact]
    public async Task What_several_ids_share_is_uploaded_under_one_of_them_and_found_by_all()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var shared = TestPath.Make("shared").BuiltWith("shared log\n").Realised();
        TestPath[] roots = [TestPath.Make("one", shared), TestPath.Make("two", shared), TestPath.Make("three", shared)];

        // The last answer's URLs are used, and the first id is completed first.
        var ids = await client.PushAsync(roots);

        Assert.Equal(3, ids.Distinct().Count());
        foreach (var path in roots.SelectMany(r => r.Closure()))
            await cache.AssertPublishedAsync(path);
        Assert.NotNull(await cache.ReadAsync(shared.LogKey));
        Assert.NotNull(await cache.ReadAsync(shared.Realisation!));
    }

    [Fact]
    public async Task Two_paths_with_one_nar_share_one_upload()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var one = TestPath.Make("one");
        var two = one with { Path = TestPath.New("two") };
        var root = TestPath.Make("root", one, two);

        var (_, pending) = await client.CreateAsync(root);
        await client.PushAsync(root);

        Assert.Equal(2, pending.Keys.Count(k => k.StartsWith("nar/", StringComparison.Ordinal)));
        Assert.Equal((await cache.NarInfoAsync(one))!.Url, (await cache.NarInfoAsync(two))!.Url);
        await cache.AssertPublishedAsync(two);
    }

    [Fact]
    public async Task Clients_that_push_the_same_at_once_upload_it_each_and_both_succeed()
    {
        await using var cache = await StartAsync();
        var root = TestPath.Make("root", TestPath.Make("a"), TestPath.Make("b"));
        var (first, second) = (cache.Client(), cache.Client());

        var (ids1, pending1) = await first.CreateAsync(root);
        var (ids2, pending2) = await second.CreateAsync(root);
        Assert.Equal(pending1.Keys.Order(), pending2.Keys.Order());
        Assert.NotEqual((string)pending1[root.NarKey]["multipart_info"]!["upload_id"]!,
            (string)pending2[root.NarKey]["multipart_info"]!["upload_id"]!);
        await first.UploadAsync(pending1, root);
        await second.UploadAsync(pending2, root);
        await first.SignAsync(ids1, pending1, root);
        await second.SignAsync(ids2, pending2, root);
        Assert.Equal([HttpStatusCode.NoContent, HttpStatusCode.NoContent],
            await Task.WhenAll(first.CompleteAsync(ids1[0]), second.CompleteAsync(ids2[0])));

        foreach (var path in root.Closure())
            await cache.AssertPublishedAsync(path);
    }

    [Fact]
    public async Task Many_clients_with_overlapping_closures_all_succeed()
    {
        await using var cache = await StartAsync();
        var common = TestPath.Make("common", TestPath.Make("base"));
        var roots = Enumerable.Range(0, 10).Select(i => TestPath.Make($"root-{i}", common)).ToArray();

        await Task.WhenAll(roots.Select((_, i) => cache.Client().PushAsync(roots[i], roots[(i + 1) % roots.Length])));

        foreach (var path in roots.SelectMany(r => r.Closure()).Distinct())
            await cache.AssertPublishedAsync(path);
        Assert.DoesNotContain(await cache.FsckAsync(), f => f.Path is not null);
    }

    [Fact]
    public async Task Complete_answers_the_same_again_after_a_lost_answer()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();

        var ids = await client.PushAsync(TestPath.Make("app"));

        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
        Assert.Equal([HttpStatusCode.NotFound, HttpStatusCode.NotFound],
            [await client.CompleteAsync("999999"), await client.CompleteAsync("x")]);
    }

    [Fact]
    public async Task The_parts_of_a_large_nar_are_joined_and_joining_them_again_changes_nothing()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("large", 45 << 20);
        var (ids, pending) = await client.CreateAsync(root);
        var multipart = pending[root.NarKey]["multipart_info"]!;
        Assert.Equal(6, multipart["part_urls"]!.AsArray().Count);
        // As if it had got fewer: it asks for more.
        multipart["part_urls"]!.AsArray().RemoveAt(5);
        while (multipart["part_urls"]!.AsArray().Count > 1)
            multipart["part_urls"]!.AsArray().RemoveAt(1);

        var etags = await client.UploadPartsAsync(root.NarKey, multipart, Zstd.Compress(root.Nar));
        var upload = (string)multipart["upload_id"]!;
        Assert.Equal(HttpStatusCode.NotFound, await client.HeadAsync(root.NarKey));
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteMultipartAsync(root.NarKey, upload, etags));
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteMultipartAsync(root.NarKey, upload, etags));
        Assert.Equal(HttpStatusCode.NoContent, await client.HeadAsync(root.NarKey));
        await client.UploadAsync(pending.Where(p => p.Key == root.ListingKey).ToDictionary(), root);
        await client.SignAsync(ids, pending, root);

        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteMultipartAsync(root.NarKey, upload, etags));
        await cache.AssertPublishedAsync(root);
    }

    [Fact]
    public async Task A_url_of_a_part_that_is_used_after_completion_alters_nothing()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app");
        var (ids, pending) = await client.CreateAsync(root);
        await client.UploadAsync(pending, root);
        await client.SignAsync(ids, pending, root);
        var url = new Uri((string)pending[root.NarKey]["multipart_info"]!["part_urls"]![0]!);

        using var before = await client.SendPutAsync(url, [1, 2, 3], "application/octet-stream", null);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
        using var after = await client.SendPutAsync(url, [1, 2, 3], "application/octet-stream", null);

        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (before.StatusCode, after.StatusCode));
        await cache.AssertPublishedAsync(root);
    }

    [Fact]
    public async Task A_client_whose_upload_has_ended_learns_that_a_peer_has_finished_the_same()
    {
        await using var cache = await StartAsync();
        var root = TestPath.Make("app");
        var (slow, peer) = (cache.Client(), cache.Client());
        var (ids, pending) = await slow.CreateAsync(root);
        var multipart = pending[root.NarKey]["multipart_info"]!;
        var etags = await slow.UploadPartsAsync(root.NarKey, multipart, Zstd.Compress(root.Nar));
        await peer.PushAsync(root);
        Assert.True(PushId.TryParse(ids[0], out var push));
        await cache.Core.Pushes.As(Caller.Server).AbortAsync(CacheName.Default, push, None);

        Assert.Equal(HttpStatusCode.NotFound, await slow.CompleteMultipartAsync(root.NarKey, (string)multipart["upload_id"]!, etags));
        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound),
            (await slow.HeadAsync(root.NarKey), await slow.HeadAsync(TestPath.Make("other").NarKey)));
        Assert.Equal(HttpStatusCode.NotFound, await slow.CompleteAsync(ids[0]));
        var more = await slow.PostAsync("api/multipart/request-parts", new System.Text.Json.Nodes.JsonObject
        {
            ["object_key"] = root.NarKey,
            ["upload_id"] = (string)multipart["upload_id"]!,
            ["start_part_number"] = 1,
            ["num_parts"] = 2,
        });
        Assert.Equal(HttpStatusCode.NotFound, (await Niks3Client.ErrorAsync(more)).Status);
    }

    [Fact]
    public async Task Parts_that_are_not_what_was_sent_are_refused_and_nothing_is_published()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app");
        var (ids, pending) = await client.CreateAsync(root);
        var multipart = pending[root.NarKey]["multipart_info"]!;
        var upload = (string)multipart["upload_id"]!;
        await client.UploadPartsAsync(root.NarKey, multipart, Zstd.Compress(root.Nar));

        // Another MD5 than the store has; on a directory, which has none, another NAR.
        if (!onS3)
            await client.UploadPartsAsync(root.NarKey, multipart, Zstd.Compress(new byte[root.Nar.Length]));
        Assert.Equal(HttpStatusCode.BadRequest, await client.CompleteMultipartAsync(root.NarKey, upload, [new string('0', 32)]));
        await client.UploadAsync(pending.Where(p => p.Key == root.ListingKey).ToDictionary(), root);
        // What never came is described, and not signed.
        Assert.Equal($$$"""{"signatures":{"{{{root.NarInfoKey}}}":[]}}""",
            await (await client.SendSignAsync(ids[0], [root])).Content.ReadAsStringAsync());

        var (status, text) = await Niks3Client.ErrorAsync(await client.PostAsync($"api/pending_closures/{ids[0]}/complete", null));
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains(root.Path.Hash.ToString(), text, StringComparison.Ordinal);
        Assert.Null(await cache.NarInfoAsync(root));
    }

    [Fact]
    public async Task A_log_is_kept_as_long_as_the_path_that_it_tells_of()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var library = TestPath.Make("library").BuiltWith("of the library\n");
        var tool = TestPath.Make("tool").BuiltWith("of the tool\n");
        // Its deriver has no log of its own, and the log is of a path that this closure does not have.
        var root = TestPath.Make("root", library, tool) with { Deriver = TestPath.New("root.drv") };
        await client.PushAsync(root);
        Assert.Equal(HttpStatusCode.NoContent,
            (await client.SendAsync(HttpMethod.Post, "api/pins/keep",
            new StringContent($$"""{"store_path":"{{library.Path}}"}"""))).StatusCode);

        await cache.CollectAsync();

        await cache.AssertPublishedAsync(library);
        Assert.Equal("of the library\n", Encoding.UTF8.GetString(Zstd.Decompress((await cache.ReadAsync(library.LogKey))!, 1000)));
        Assert.Null(await cache.NarInfoAsync(root));
        Assert.Null(await cache.ReadAsync(tool.LogKey));
    }

    [Fact]
    public async Task A_log_of_a_derivation_that_has_made_none_of_the_paths_is_not_kept()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var drv = TestPath.New("gone.drv");
        var root = TestPath.Make("root");
        var body = Niks3Client.CreateBody(root);
        body["objects"]!.AsArray().Add(new System.Text.Json.Nodes.JsonObject
        {
            ["key"] = $"log/{drv.BaseName}",
            ["type"] = "build_log",
            ["refs"] = new System.Text.Json.Nodes.JsonArray()
        });
        var answer = await Niks3Client.JsonAsync(await client.PostAsync("api/pending_closures", body));
        var pending = answer["pending_objects"]!.AsObject().ToDictionary(p => p.Key, p => p.Value!);
        Assert.Equal(HttpStatusCode.OK, await client.PutAsync(pending[$"log/{drv.BaseName}"], "plain\n"u8.ToArray(), "text/plain", null));
        pending.Remove($"log/{drv.BaseName}");
        await client.UploadAsync(pending, root);
        await client.SignAsync([(string)answer["id"]!], pending, root);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync((string)answer["id"]!));
        var closure = await Niks3Client.JsonAsync(await client.SendAsync(HttpMethod.Get, $"api/closures/{root.NarInfoKey}"));

        Assert.Equal(
            new[] { root.NarInfoKey, root.NarKey, root.ListingKey }.Order(),
            closure["objects"]!.AsArray().Select(o => (string)o!).Order());
        Assert.Null(await cache.ReadAsync($"log/{drv.BaseName}"));
    }

    [Fact]
    public async Task A_commit_that_its_server_left_half_way_is_finished_when_it_is_asked_for_again()
    {
        StallingStore? stalling = null;
        await using var cache = await Niks3Cache.StartAsync(onS3, store => stalling is null ? stalling = new StallingStore(store) : store);
        var client = cache.Client();
        var root = TestPath.Make("root", TestPath.Make("a"));
        var (ids, pending) = await client.CreateAsync(root);
        await client.UploadAsync(pending, root);
        await client.SignAsync(ids, pending, root);
        stalling!.Stalls = true;
        var dying = new Niks3Client(cache.Http(), () => [cache.Urls[0]], "", "correct-horse").CompleteAsync(ids[0]);
        await stalling.Stalled.Task;

        await cache.StopGatewayAsync(0);
        try
        {
            Assert.NotEqual(HttpStatusCode.NoContent, await dying);
        }
        catch (HttpRequestException)
        {
            // Cut off: no answer either.
        }

        // The other server's housekeeping goes on with it as soon as the first is taken for dead.
        var joined = client.CompleteAsync(ids[0]);
        await Eventually.BecomesTrueAsync(async () =>
        {
            await cache.Core.RunHousekeepingAsync(None);
            return joined.IsCompleted;
        });
        Assert.Equal(HttpStatusCode.NoContent, await joined);
        foreach (var path in root.Closure())
            await cache.AssertPublishedAsync(path);
    }

    private Task<Niks3Cache> StartAsync() => Niks3Cache.StartAsync(onS3);
}

public sealed class Niks3PushTestsOnADirectory() : Niks3PushTests(onS3: false);

public sealed class Niks3PushTestsOnS3() : Niks3PushTests(onS3: true);
