using System.Net;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>What a client finds missing in the store comes back under the key that it had.</summary>
public abstract partial class Niks3PushTests
{
    [Fact]
    public async Task A_NAR_that_the_store_has_lost_is_asked_for_again_and_nothing_else_changes()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var library = TestPath.Make("library");
        var root = TestPath.Make("app", library);
        await client.PushAsync(root);
        var url = (await cache.NarInfoAsync(library))!.Url;
        Assert.Empty((await VerifyAsync(client, root)).Pending);
        await LoseAsync(cache, url);

        var (id, pending) = await VerifyAsync(client, root);

        Assert.Equal([library.NarKey], pending.Keys);
        Assert.Null(pending[library.NarKey]["multipart_info"]);
        // Nothing but the NAR is taken.
        Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(client, pending[library.NarKey], Zstd.Compress(root.Nar)));
        Assert.Null(await cache.ReadAsync(url));
        var file = Zstd.Compress(library.Nar, level: 19);
        for (var i = 0; i < 2; i++)
            Assert.Equal(HttpStatusCode.OK, await PutAsync(client, pending[library.NarKey], file));
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(id));

        Assert.Equal(file, await cache.ReadAsync(url));
        foreach (var path in root.Closure())
            await cache.AssertPublishedAsync(path);
        var info = (await cache.NarInfoAsync(library))!;
        Assert.Equal((url, Sha256Hash.Compute(file)), (info.Url, info.FileHash));
        Assert.Empty((await VerifyAsync(client, root)).Pending);
        Assert.Empty(await cache.FsckAsync());
    }

    [Fact]
    public async Task A_narinfo_that_the_store_has_lost_the_server_writes_again()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app", TestPath.Make("library"));
        await client.PushAsync(root);
        foreach (var path in root.Closure())
            await LoseAsync(cache, path.NarInfoKey);

        var (id, pending) = await VerifyAsync(client, root);

        Assert.Empty(pending);
        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(id));
        foreach (var path in root.Closure())
            await cache.AssertPublishedAsync(path);
        Assert.Empty(await cache.FsckAsync());
    }

    [Fact]
    public async Task Two_that_bring_a_lost_NAR_at_once_both_succeed()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app");
        await client.PushAsync(root);
        await LoseAsync(cache, (await cache.NarInfoAsync(root))!.Url);
        var (first, second) = (await VerifyAsync(client, root), await VerifyAsync(client, root));

        var body = Zstd.Compress(root.Nar);
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.OK], await Task.WhenAll(PutAsync(client, first.Pending[root.NarKey], body),
            PutAsync(cache.Client(), second.Pending[root.NarKey], body)));

        await cache.AssertPublishedAsync(root);
        Assert.Empty(await cache.FsckAsync());
    }

    [Fact]
    public async Task After_its_push_a_URL_for_a_lost_NAR_writes_nothing()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app");
        await client.PushAsync(root);
        var url = (await cache.NarInfoAsync(root))!.Url;
        await LoseAsync(cache, url);
        var (id, pending) = await VerifyAsync(client, root);
        // Known to be open for a minute.
        Assert.Equal(HttpStatusCode.BadRequest, await PutAsync(client, pending[root.NarKey], [1]));

        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(id));

        Assert.Equal(HttpStatusCode.NotFound, await PutAsync(client, pending[root.NarKey], Zstd.Compress(root.Nar)));
        Assert.Null(await cache.ReadAsync(url));
    }

    [Fact]
    public async Task A_lost_NAR_that_this_client_cannot_bring_is_told_and_nothing_is_asked_for()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("app");
        await client.PushAsync(root);
        var key = (await cache.NarInfoAsync(root))!.Url;
        await LoseAsync(cache, key);

        var (status, text) = await Niks3Client.ErrorAsync(await client.PostAsync("api/pending_closures",
            Niks3Client.CreateBody(TestPath.Make("other-build") with { Path = root.Path }, verify: true)));

        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains(key, text, StringComparison.Ordinal);
    }

    private static async Task<(string Id, Dictionary<string, JsonNode> Pending)> VerifyAsync(Niks3Client client, TestPath root)
    {
        var answer = await Niks3Client.JsonAsync(await client.PostAsync("api/pending_closures",
            Niks3Client.CreateBody(root, verify: true)));
        return ((string)answer["id"]!, answer["pending_objects"]!.AsObject().ToDictionary(p => p.Key, p => p.Value!));
    }

    private static async Task LoseAsync(Niks3Cache cache, string key) =>
        Assert.Equal([FencedOutcome.Done], await cache.Store.DeleteAsync([ObjectKey.Parse(key)], DateTimeOffset.UtcNow.AddMinutes(1), None));

    private static Task<HttpStatusCode> PutAsync(Niks3Client client, JsonNode item, byte[] body) =>
        client.PutAsync(item, body, "application/octet-stream", null);
}
