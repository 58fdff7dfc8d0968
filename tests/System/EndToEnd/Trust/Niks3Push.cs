using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Nix;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// A push as niks3's clients make it: 1. create, 2. NARs in parts, 3. listings, logs and realisations, 4. sign, 5. complete.
/// </summary>
internal sealed class Niks3Push : IUrlPush
{
    private const int PartSize = 10 << 20;
    private readonly Publisher _publisher;
    private readonly IReadOnlyList<TrustPath> _paths;

    private Niks3Push(Publisher publisher, TrustPath root, JsonNode created) =>
        (_publisher, _paths, Id, Pending) = (publisher, [.. root.Closure()], (string)created["id"]!,
            created["pending_objects"]!.AsObject());

    public string Id { get; }

    /// <summary>By key, what is to be sent.</summary>
    public JsonObject Pending { get; }

    public static string NarKey(TrustPath path) => $"nar/{path.NarHash.ToNix32()}.nar.zst";

    public static async Task<Niks3Push> CreateAsync(Publisher publisher, TrustPath root) =>
        new(publisher, root, (await publisher.PostAsync("/api/pending_closures", CreateBody(root))).OrThrow().Json);

    public static JsonObject CreateBody(TrustPath root)
    {
        var objects = new Dictionary<string, JsonNode>();
        foreach (var path in root.Closure())
        {
            string[] references = [.. path.References.Select(r => r.NarInfoKey), NarKey(path), path.ListingKey, .. path.Realisation is null
                ? Array.Empty<string>() : [RealisationKey(path)]];
            objects[path.NarInfoKey] = Item(path.NarInfoKey, "narinfo", references);
            objects[NarKey(path)] = new JsonObject
            {
                ["key"] = NarKey(path),
                ["type"] = "nar",
                ["refs"] = new JsonArray(),
                ["nar_size"] = path.NarSize
            };
            objects[path.ListingKey] = Item(path.ListingKey, "listing");
            if (path.Log is not null)
                objects[LogKey(path)] = Item(LogKey(path), "build_log");
            if (path.Realisation is not null)
                objects[RealisationKey(path)] = Item(RealisationKey(path), "realisation");
        }

        return new JsonObject { ["closure"] = root.NarInfoKey, ["objects"] = new JsonArray([.. objects.Values]) };

        static JsonObject Item(string key, string type, params string[] references) =>
            new() { ["key"] = key, ["type"] = type, ["refs"] = new JsonArray([.. references.Select(r => (JsonNode)r)]) };
    }

    public async Task UploadAsync()
    {
        await UploadNarsAsync();
        await SendExtrasAsync();
        await SignAsync();
    }

    public async Task UploadNarsAsync()
    {
        foreach (var path in _paths.DistinctBy(NarKey).Where(p => Pending.ContainsKey(NarKey(p))))
        {
            var (upload, etags) = (UploadOf(path), new List<string>());
            foreach (var part in path.File.Chunk(PartSize))
                etags.Add(await SendPartAsync(path, etags.Count, part));
            var done = await CompleteUploadAsync(_publisher, path, upload, etags);
            // An upload that has ended is asked for: somebody else may have it by now.
            if (!done.IsSuccess
                && (await _publisher.SendAsync(HttpMethod.Head,
                $"/api/objects/{NarKey(path)}")).Status != System.Net.HttpStatusCode.NoContent)
                throw new RefusedException(done);
        }
    }

    public async Task SendAgainAsync(TrustPath path, byte[] file)
    {
        foreach (var (i, part) in file.Chunk(PartSize).Index())
            await SendPartAsync(path, i, part);
    }

    public string UploadOf(TrustPath path) => (string)Pending[NarKey(path)]!["multipart_info"]!["upload_id"]!;

    /// <summary>Its ETag.</summary>
    public async Task<string> SendPartAsync(TrustPath path, int index, byte[] part)
    {
        var url = (string)Pending[NarKey(path)]!["multipart_info"]!["part_urls"]![index]!;
        return (await _publisher.SendAsync(HttpMethod.Put, url, Publisher.Bytes(part, "application/octet-stream"), isSigned: true))
            .OrThrow().Headers["ETag"].Single().Trim('"');
    }

    public async Task SendExtrasAsync()
    {
        foreach (var path in _paths)
        {
            await SendIfPendingAsync(path.ListingKey, path.Listing);
            if (path.Log is not null)
                await SendIfPendingAsync(LogKey(path), path.Log, path.PackedLog);
            if (path.Realisation is not null)
                await SendIfPendingAsync(RealisationKey(path), path.RealisationText);
        }
    }

    public async Task SignAsync()
    {
        if (_paths.Where(p => Pending.ContainsKey(p.NarInfoKey)).ToList() is { Count: > 0 } unsigned)
            (await SendSignAsync(_publisher, Id, unsigned)).OrThrow();
    }

    public async Task CommitAsync() => (await SendCompleteAsync(_publisher, Id)).OrThrow();

    // The steps that anybody may try on anybody's push.

    public static Task<Answer> SendSignAsync(Publisher who, string id, IEnumerable<TrustPath> paths) =>
        who.PostAsync($"/api/pending_closures/{id}/sign", new JsonObject
        {
            ["narinfos"] = new JsonObject(paths.Select(p => KeyValuePair.Create<string, JsonNode?>(p.NarInfoKey, new JsonObject
            {
                ["store_path"] = p.Path.ToString(),
                ["url"] = NarKey(p),
                ["compression"] = "zstd",
                ["nar_hash"] = p.NarHash.ToNix32String(),
                ["nar_size"] = p.NarSize,
                ["references"] = new JsonArray([.. p.References.Select(r => (JsonNode)r.Path.ToString())]),
                ["deriver"] = p.Deriver?.ToString(),
                ["signatures"] = new JsonArray([.. p.Signatures.Select(s => (JsonNode)s)]),
                ["ca"] = p.Ca,
            }))),
        });

    public static Task<Answer> SendCompleteAsync(Publisher who, string push) => who.PostAsync($"/api/pending_closures/{push}/complete");

    public static Task<Answer> MorePartsAsync(Publisher who, TrustPath path, string upload) =>
        who.PostAsync("/api/multipart/request-parts", new JsonObject
        {
            ["object_key"] = NarKey(path),
            ["upload_id"] = upload,
            ["start_part_number"] = 1,
            ["num_parts"] = 1,
        });

    public static Task<Answer> CompleteUploadAsync(Publisher who, TrustPath path, string upload, IEnumerable<string> etags) =>
        who.PostAsync("/api/multipart/complete", new JsonObject
        {
            ["object_key"] = NarKey(path),
            ["upload_id"] = upload,
            ["parts"] = new JsonArray([.. etags.Select((e, i) => (JsonNode)new JsonObject { ["part_number"] = i + 1, ["etag"] = e })]),
        });

    private static string LogKey(TrustPath path) => $"log/{path.LogDrv!.Value.BaseName}";

    private static string RealisationKey(TrustPath path) => $"realisations/{path.Realisation}.doi";

    private async Task SendIfPendingAsync(string key, string text, byte[]? packed = null)
    {
        if ((string?)Pending[key]?["presigned_url"] is { } url)
            (await _publisher.SendAsync(HttpMethod.Put, url, Publisher.Bytes(packed ?? Zstd.Compress(Encoding.UTF8.GetBytes(text)),
                "application/octet-stream", "zstd"), isSigned: true)).OrThrow();
    }
}
