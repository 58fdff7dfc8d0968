using System.Net;
using System.Text.Json.Nodes;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>
/// The same as newer clients send it: they ask what the cache is and what it has, push all the rest at once, upload small NARs as the
/// server says, and tell of each upload by one PUT.
/// </summary>
internal sealed class NewerNiks3Client(Niks3Client client)
{
    private const string Pushes = "pushes";

    /// <summary>Answers the id of the push; null when all is there.</summary>
    public async Task<string?> PushAsync(params TestPath[] roots)
    {
        Assert.True((bool)(await Niks3Client.JsonAsync(await client.SendAsync(HttpMethod.Get, "api/cache-config")))["pushes"]!);
        var present = await PresentAsync([.. roots.Select(r => r.NarInfoKey)]);
        roots = [.. roots.Where(r => !present.Contains(r.NarInfoKey))];
        if (roots.Length == 0)
            return null;
        var (id, pending) = await CreateAsync(roots);
        await client.UploadAsync(pending, roots);
        foreach (var key in pending.Where(p => p.Value["presigned_url"] is not null).Select(p => p.Key))
            Assert.Equal(HttpStatusCode.NoContent, await RegisterAsync(key));
        await SignAsync(id, pending, roots);
        Assert.Equal(HttpStatusCode.NoContent, await CompleteAsync(id));
        return id;
    }

    public async Task<IReadOnlyList<string>> PresentAsync(params string[] keys)
    {
        var answer = await Niks3Client.JsonAsync(await client.PostAsync("api/objects/present",
            new JsonObject { ["keys"] = new JsonArray([.. keys.Select(k => (JsonNode)k)]) }));
        return [.. answer["present"]!.AsArray().Select(k => (string)k!)];
    }

    public async Task<(string Id, Dictionary<string, JsonNode> Pending)> CreateAsync(params TestPath[] roots)
    {
        var answer = await Niks3Client.JsonAsync(await client.PostAsync("api/pushes", CreateBody(roots)));
        return ((string)answer["id"]!, answer["pending_objects"]!.AsObject().ToDictionary(p => p.Key, p => p.Value!));
    }

    /// <summary>Every object once, and logs among the references of what they tell of.</summary>
    public static JsonObject CreateBody(TestPath[] roots, bool verify = false)
    {
        var objects = roots.SelectMany(r => Niks3Client.CreateBody(r)["objects"]!.AsArray()).Select(o => o!.DeepClone())
            .DistinctBy(o => (string)o["key"]!).ToList();
        foreach (var path in roots.SelectMany(r => r.Closure()).Distinct().Where(p => p.Log is not null))
            objects.First(o => (string)o["key"]! == path.NarInfoKey)["refs"]!.AsArray().Add(path.LogKey);
        return new JsonObject
        {
            ["roots"] = new JsonArray([.. roots.Select(r => (JsonNode)r.NarInfoKey)]),
            ["objects"] = new JsonArray([.. objects]),
            ["verify_s3"] = verify,
        };
    }

    public async Task SignAsync(string id, Dictionary<string, JsonNode> pending, params TestPath[] roots)
    {
        var paths = roots.SelectMany(r => r.Closure()).Distinct().Where(p => pending.ContainsKey(p.NarInfoKey)).ToList();
        if (paths.Count == 0)
            return;
        var signatures = (await Niks3Client.JsonAsync(await client.SendSignAsync(id, paths, Pushes)))["signatures"]!.AsObject();
        foreach (var path in paths)
        {
            Assert.True(Niks3Cache.Key.PublicKey.Verify(
                NarInfo.FingerprintOf(path.Path, path.NarHash, path.Nar.Length, [.. path.References.Select(r => r.Path).Order()]),
                (string)signatures[path.NarInfoKey]![0]!));
            Assert.Equal(HttpStatusCode.OK,
                await client.PutAsync(pending[path.NarInfoKey], Zstd.Compress("URL: else\n"u8), "text/x-nix-narinfo", "zstd"));
        }
    }

    public Task<HttpStatusCode> CompleteAsync(string id) => client.CompleteAsync(id, Pushes);

    public async Task<HttpStatusCode> RegisterAsync(string key)
    {
        using var answer = await client.PostAsync("api/uploads/complete", new JsonObject { ["object_key"] = key });
        return answer.StatusCode;
    }
}
