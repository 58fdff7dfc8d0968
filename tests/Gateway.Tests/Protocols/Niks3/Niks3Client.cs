using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>
/// Sends what niks3's client sends, in its order: written from what that was observed to send. It wants multipart uploads for all NARs, as
/// clients up to 1.6.0 do, and opens a pending closure for each root.
/// </summary>
internal sealed class Niks3Client(HttpClient http, Func<IReadOnlyList<Uri>> servers, string prefix, string token)
{
    private const string PendingClosures = "pending_closures";
    private const int PartSize = 10 << 20;
    private int _requests;

    /// <summary>All of a push of some roots: one pending closure each, what they share is uploaded once. Answers their ids.</summary>
    public async Task<IReadOnlyList<string>> PushAsync(params TestPath[] roots)
    {
        var (ids, pending) = await CreateAsync(roots);
        await UploadAsync(pending, roots);
        await SignAsync(ids, pending, roots);
        foreach (var id in ids)
            Assert.Equal(HttpStatusCode.NoContent, await CompleteAsync(id));
        return ids;
    }

    /// <summary>Opens a pending closure for each root. Of an object that several ask for the last answer counts.</summary>
    public async Task<(IReadOnlyList<string> Ids, Dictionary<string, JsonNode> Pending)> CreateAsync(params TestPath[] roots)
    {
        var ids = new List<string>();
        var pending = new Dictionary<string, JsonNode>();
        foreach (var root in roots)
        {
            var answer = await JsonAsync(await PostAsync("api/pending_closures", CreateBody(root)));
            ids.Add((string)answer["id"]!);
            Assert.True(DateTimeOffset.TryParse((string)answer["started_at"]!, out _));
            foreach (var (key, item) in answer["pending_objects"]!.AsObject())
                pending[key] = item!;
        }

        return (ids, pending);
    }

    public static JsonObject CreateBody(TestPath root, bool verify = false)
    {
        var objects = root.Closure().SelectMany(path =>
        {
            string[] references = [.. path.References.Select(r => r.NarInfoKey), path.NarKey, path.ListingKey,
                .. path.Realisation is { } key ? new[] { key } : []];
            return (JsonNode?[])
            [
                Item(path.NarInfoKey, "narinfo", references),
                new JsonObject { ["key"] = path.NarKey, ["type"] = "nar", ["refs"] = new JsonArray(), ["nar_size"] = path.Nar.Length },
                Item(path.ListingKey, "listing"),
                path.Log is null ? null : Item(path.LogKey, "build_log"),
                path.Realisation is null ? null : Item(path.Realisation, "realisation"),
            ];
        });
        return new JsonObject
        {
            ["closure"] = root.NarInfoKey,
            ["objects"] = new JsonArray([.. objects.Where(o => o is not null)]),
            ["verify_s3"] = verify
        };

        static JsonObject Item(string key, string type, params string[] references) =>
            new() { ["key"] = key, ["type"] = type, ["refs"] = new JsonArray([.. references.Select(r => (JsonNode)r)]) };
    }

    /// <summary>Uploads what is pending, but no narinfo.</summary>
    public async Task UploadAsync(Dictionary<string, JsonNode> pending, params TestPath[] roots)
    {
        var paths = roots.SelectMany(r => r.Closure()).Distinct().ToList();
        foreach (var (key, item) in pending)
        {
            switch ((string)item["type"]!)
            {
                case "nar":
                    // A key that it did not ask for makes it give up.
                    var path = paths.First(p => p.NarKey == key);
                    if (item["multipart_info"] is { } multipart)
                        await UploadNarAsync(key, multipart, path);
                    else
                        Assert.Equal(HttpStatusCode.OK, await PutAsync(item, Zstd.Compress(path.Nar), "application/octet-stream", null));
                    break;
                case "listing":
                    Assert.Equal(HttpStatusCode.OK,
                        await PutAsync(item, Zstd.Compress(Encoding.UTF8.GetBytes(paths.Single(p => p.ListingKey == key).Listing)),
                        "application/octet-stream", "zstd"));
                    break;
                case "build_log":
                    Assert.Equal(HttpStatusCode.OK,
                        await PutAsync(item,
                        Zstd.Compress(Encoding.UTF8.GetBytes(paths.First(p => p.Deriver is not null && p.LogKey == key).Log!)),
                        "text/plain; charset=utf-8", "zstd"));
                    break;
                case "realisation":
                    Assert.Equal(HttpStatusCode.OK,
                        await PutAsync(item,
                        Zstd.Compress(
                        Encoding.UTF8.GetBytes($$"""{"outPath":"{{paths.First(p => p.Realisation == key).Path.BaseName}}"}""")),
                        "application/octet-stream", "zstd"));
                    break;
                default:
                    Assert.Equal("narinfo", (string)item["type"]!);
                    break;
            }
        }
    }

    /// <summary>In parts, one after the other; asks for more URLs when there are not enough.</summary>
    public async Task UploadNarAsync(string key, JsonNode multipart, TestPath path)
    {
        Assert.Equal(HttpStatusCode.NoContent, await CompleteMultipartAsync(key, (string)multipart["upload_id"]!,
            await UploadPartsAsync(key, multipart, Zstd.Compress(path.Nar))));
    }

    public async Task<List<string>> UploadPartsAsync(string key, JsonNode multipart, byte[] file)
    {
        var urls = multipart["part_urls"]!.AsArray().Select(u => (string)u!).ToList();
        var etags = new List<string>();
        for (var at = 0; at < file.Length; at += PartSize)
        {
            if (etags.Count == urls.Count)
            {
                var more = await JsonAsync(await PostAsync("api/multipart/request-parts", new JsonObject
                {
                    ["object_key"] = key,
                    ["upload_id"] = (string)multipart["upload_id"]!,
                    ["start_part_number"] = etags.Count + 1,
                    ["num_parts"] = 100,
                }));
                Assert.Equal(etags.Count + 1, (int)more["start_part_number"]!);
                urls.AddRange(more["part_urls"]!.AsArray().Select(u => (string)u!));
            }

            using var answer = await SendPutAsync(new Uri(urls[etags.Count]), file[at..Math.Min(file.Length, at + PartSize)],
                "application/octet-stream", null);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            etags.Add(answer.Headers.ETag!.Tag.Trim('"'));
        }

        return etags;
    }

    public async Task<HttpStatusCode> CompleteMultipartAsync(string key, string upload, IReadOnlyList<string> etags)
    {
        using var answer = await PostAsync("api/multipart/complete", new JsonObject
        {
            ["object_key"] = key,
            ["upload_id"] = upload,
            ["parts"] = new JsonArray([.. etags.Select((e, i) => (JsonNode)new JsonObject { ["part_number"] = i + 1, ["etag"] = e })]),
        });
        return answer.StatusCode;
    }

    /// <summary>Signs under each id what its closure has of what is pending, and puts the narinfos that it writes itself.</summary>
    public async Task SignAsync(IReadOnlyList<string> ids, Dictionary<string, JsonNode> pending, params TestPath[] roots)
    {
        for (var i = 0; i < ids.Count; i++)
        {
            var paths = roots[i].Closure().Where(p => pending.ContainsKey(p.NarInfoKey)).ToList();
            if (!pending.Values.Any(p => (string)p["type"]! == "narinfo"))
                return;
            var signatures = (await JsonAsync(await SendSignAsync(ids[i], paths)))["signatures"]!.AsObject();
            foreach (var path in paths)
            {
                Assert.True(Niks3Cache.Key.PublicKey.Verify(
                    NarInfo.FingerprintOf(path.Path, path.NarHash, path.Nar.Length, [.. path.References.Select(r => r.Path).Order()]),
                        (string)signatures[path.NarInfoKey]![0]!));
                Assert.Equal(HttpStatusCode.OK, await PutAsync(pending[path.NarInfoKey], Zstd.Compress("URL: somewhere/else\n"u8),
                    "text/x-nix-narinfo", "zstd"));
            }
        }
    }

    public Task<HttpResponseMessage> SendSignAsync(string id, IEnumerable<TestPath> paths, string route = PendingClosures) =>
        PostAsync($"api/{route}/{id}/sign", new JsonObject
        {
            ["narinfos"] = new JsonObject(paths.Select(p => KeyValuePair.Create<string, JsonNode?>(p.NarInfoKey, new JsonObject
            {
                ["store_path"] = p.Path.ToString(),
                ["url"] = p.NarKey,
                ["compression"] = "zstd",
                ["nar_hash"] = p.NarHash.ToNix32String(),
                ["nar_size"] = p.Nar.Length,
                // Go's empty list.
                ["references"] = p.References.Count == 0 ? null : new JsonArray([.. p.References.Select(r => (JsonNode)r.Path.ToString())]),
                ["deriver"] = p.Deriver?.ToString(),
            }))),
        });

    public async Task<HttpStatusCode> CompleteAsync(string id, string route = PendingClosures)
    {
        using var answer = await PostAsync($"api/{route}/{id}/complete", null);
        return answer.StatusCode;
    }

    public async Task<HttpStatusCode> HeadAsync(string key)
    {
        using var answer = await SendAsync(HttpMethod.Head, $"api/objects/{key}");
        return answer.StatusCode;
    }

    public async Task<HttpStatusCode> PutAsync(JsonNode item, byte[] body, string type, string? encoding)
    {
        using var answer = await SendPutAsync(new Uri((string)item["presigned_url"]!), body, type, encoding);
        return answer.StatusCode;
    }

    /// <summary>A PUT to a URL that was handed out: without the token.</summary>
    public async Task<HttpResponseMessage> SendPutAsync(Uri url, byte[] body, string type, string? encoding)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        if (encoding is not null)
            content.Headers.ContentEncoding.Add(encoding);
        return await http.PutAsync(url, content);
    }

    public Task<HttpResponseMessage> PostAsync(string path, JsonNode? body) =>
        SendAsync(HttpMethod.Post, path, new StringContent(body?.ToJsonString() ?? "", Encoding.UTF8, "application/json"));

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null, string? bearer = null)
    {
        var urls = servers();
        using var request = new HttpRequestMessage(method,
            new Uri(urls[_requests++ % urls.Count], $"{prefix}/{path}"))
        { Content = content };
        request.Headers.Authorization = new("Bearer", bearer ?? token);
        return await http.SendAsync(request);
    }

    public static async Task<JsonNode> JsonAsync(HttpResponseMessage answer, HttpStatusCode status = HttpStatusCode.OK)
    {
        using (answer)
        {
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.StatusCode == status, $"{answer.StatusCode}: {text}");
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions()) ?? throw new JsonException("null");
        }
    }

    /// <summary>The one line that an error must be.</summary>
    public static async Task<(HttpStatusCode Status, string Text)> ErrorAsync(HttpResponseMessage answer)
    {
        using (answer)
        {
            Assert.Equal("text/plain", answer.Content.Headers.ContentType?.MediaType);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.Equal(text.Length - 1, text.IndexOf('\n', StringComparison.Ordinal));
            return (answer.StatusCode, text.TrimEnd());
        }
    }
}
