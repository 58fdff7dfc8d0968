using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>
/// Pushes with the requests of niks3's clients, in their order: 1. create, 2. NARs in parts, 3. listings, logs, realisations, 4. sign, 5.
/// complete. A NAR whose upload has ended is asked for, and left out when somebody else has finished it. Sometimes it pins what it has
/// pushed, or starts a collection.
/// </summary>
/// <param name="pin">Moved by this client alone; null: it has none.</param>
internal sealed class Niks3Client(HttpMessageInvoker balancer, HttpClient store, StormCache cache, RetryPolicy retry, StormReport tally,
    PinName? pin)
{
    private const int UploadsAtOnce = 4;
    private readonly ForeignHttp _http = new(balancer, retry, new AuthenticationHeaderValue("Bearer", cache.Honest.Secret), "");
    private string _prefix = "";

    /// <inheritdoc cref="Attempts.UntilItEndsAsync"/>
    public async Task<PushEnd?> PushAsync(SimulatedClosure cargo, Random random, CancellationToken stopped)
    {
        // The default cache is there under its name, too.
        _prefix = random.Next(2) == 0 && cache.IsDefault ? "" : $"/c/{cache.Name}";
        var end = await cache.Attempts.UntilItEndsAsync("niks3", cargo.Root, (story, cancellationToken) =>
            OnceAsync(cargo, random, story, cancellationToken), stopped);
        if (end == PushEnd.Committed && pin is { } name)
            await PinAsync(name, cargo.Root, stopped);
        if (random.Next(100) == 0)
            await CollectAsync(random, stopped);
        return end;
    }

    private async Task<PushEnd> OnceAsync(SimulatedClosure cargo, Random random, List<string> story, CancellationToken cancellationToken)
    {
        // 1. A hundredth of the clients dies in the middle; nothing tells the server.
        var fate = random.Next(100);
        var created = await AskAsync("create", "pending_closures", CreateBody(cargo), cancellationToken);
        var (id, pending) = ((string)created["id"]!, created["pending_objects"]!.AsObject());
        story.Add(string.Create(CultureInfo.InvariantCulture,
            $"{DateTime.UtcNow:HH:mm:ss.fff} closure {id}: {pending.Count} objects pending"));

        // 2
        var byNar = cargo.Paths.DistinctBy(path => NarKey(path.Build)).ToDictionary(path => NarKey(path.Build), path => path.Build);
        var nars = pending.Where(item => (string)item.Value!["type"]! == "nar").ToList();
        cache.Overheard.Note(new Leak(id, cargo, null, [],
            nars.ToDictionary(item => byNar[item.Key].NarHash, item => (string)item.Value!["multipart_info"]!["upload_id"]!)));
        var (asksForMore, left) = (random.Next(20) == 0, 0);
        await Parallel.ForEachAsync(
            fate == 0 ? nars.Take(nars.Count / 2) : nars, new ParallelOptions
            {
                MaxDegreeOfParallelism = UploadsAtOnce,
                CancellationToken = cancellationToken
            },
            async (item, c) => Interlocked.Add(ref left, await UploadNarAsync(item.Key, item.Value!["multipart_info"]!,
                byNar[item.Key].File, asksForMore, c) ? 0 : 1));
        if (fate == 0)
            return Dies();

        // 3
        foreach (var path in cargo.Paths)
        {
            await PutIfPendingAsync(pending, ListingKey(path), path.Build.Listing, "application/octet-stream", cancellationToken);
            if (path.Package.Deriver is { } deriver)
                await PutIfPendingAsync(pending, LogKey(deriver), Zstd.Compress(Encoding.UTF8.GetBytes($"building {deriver}\n")),
                    "text/plain; charset=utf-8", cancellationToken);
            if (path.Package.Realisation is { } realisation)
                await PutIfPendingAsync(pending, realisation,
                    Zstd.Compress(Encoding.UTF8.GetBytes($$"""{"outPath":"{{path.Path.BaseName}}"}""")),
                    "application/octet-stream", cancellationToken);
        }

        await cache.Promises.CheckPresentAsync($"closure {id}", cargo.Paths.Where(path => !pending.ContainsKey(NarInfoKey(path)))
            .Select(path => path.Path.Hash), random, cancellationToken);

        // 4
        var unsigned = cargo.Paths.Where(path => pending.ContainsKey(NarInfoKey(path))).ToList();
        if (unsigned.Count > 0)
        {
            await AskAsync("sign", $"pending_closures/{id}/sign", SignBody(unsigned), cancellationToken);
            foreach (var path in unsigned)
                await PutIfPendingAsync(pending, NarInfoKey(path), Zstd.Compress("URL: somewhere/else\n"u8), "text/x-nix-narinfo",
                    cancellationToken);
        }

        if (fate == 1)
            return Dies();

        // 5
        var clock = Stopwatch.StartNew();
        var completed = await PostAsync($"pending_closures/{id}/complete", null, cancellationToken);
        // It was told that somebody else has the NAR, which is advice: the collector may have taken that since.
        if (left > 0 && completed.Is(HttpStatusCode.Conflict))
            throw new BeginAgainException("niks3: a NAR that somebody else had", completed.Text);
        completed.OrThrow("complete", HttpStatusCode.NoContent);
        story.Add(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} closure {id}: complete"));
        await cache.Promises.CheckCommittedAsync($"closure {id}", cargo.Root, clock, random, cancellationToken);
        return PushEnd.Committed;
    }

    private PushEnd Dies()
    {
        tally.Count("given up");
        return PushEnd.GivenUp;
    }

    /// <summary>False: somebody else has uploaded it.</summary>
    private async Task<bool> UploadNarAsync(string key, JsonNode multipart, byte[] file, bool asksForMore,
        CancellationToken cancellationToken)
    {
        var upload = (string)multipart["upload_id"]!;
        var url = new Uri((string)multipart["part_urls"]![0]!);
        if (asksForMore)
        {
            var more = await PostAsync("multipart/request-parts", new JsonObject
            {
                ["object_key"] = key,
                ["upload_id"] = upload,
                ["start_part_number"] = 1,
                ["num_parts"] = 1
            }, cancellationToken);
            if (more.Is(HttpStatusCode.NotFound))
                return await IsThereAsync(key, more, cancellationToken);
            url = new Uri((string)JsonNode.Parse(more.OrThrow("request-parts", HttpStatusCode.OK).Text)!["part_urls"]![0]!);
        }

        var part = await retry.RunAsync("uploading a part", async c =>
        {
            using var answer = await store.PutAsync(url, new ByteArrayContent(file), c);
            return RetryPolicy.IsTransient(answer.StatusCode) ? throw new TransientException($"{answer.StatusCode}")
                : new ForeignAnswer(answer.StatusCode, "", answer.Headers.ETag?.Tag.Trim('"'));
        }, cancellationToken);
        if (part.Is(HttpStatusCode.NotFound))
            return await IsThereAsync(key, part, cancellationToken);
        part.OrThrow("a part", HttpStatusCode.OK);
        var done = await PostAsync("multipart/complete", new JsonObject
        {
            ["object_key"] = key,
            ["upload_id"] = upload,
            ["parts"] = new JsonArray(new JsonObject { ["part_number"] = 1, ["etag"] = part.ETag }),
        }, cancellationToken);
        if (done.Is(HttpStatusCode.NotFound))
            return await IsThereAsync(key, done, cancellationToken);
        done.OrThrow("multipart/complete", HttpStatusCode.NoContent);
        tally.Count("NARs uploaded");
        return true;
    }

    private async Task<bool> IsThereAsync(string key, ForeignAnswer ended, CancellationToken cancellationToken) =>
        (await _http.SendAsync(HttpMethod.Head, $"{_prefix}/api/objects/{key}", null, cancellationToken)).Is(HttpStatusCode.NoContent)
            ? false
            : throw new BeginAgainException("niks3: an upload ended", $"{key}: {ended.Text}");

    private async Task PinAsync(PinName name, StorePath path, CancellationToken stopped)
    {
        try
        {
            var answer = await PostAsync($"pins/{name}", new JsonObject { ["store_path"] = path.ToString() }, stopped);
            // The collector came first; or after it somebody whose bytes no server has read.
            if (answer.Is(HttpStatusCode.NotFound, HttpStatusCode.Conflict))
            {
                tally.Count("pins refused: niks3");
                return;
            }

            answer.OrThrow("pin", HttpStatusCode.NoContent);
            tally.Count("pins moved");
            if (await cache.Api.PinAsync(name, stopped) is var now && now.Path != path)
                tally.Violation($"I7: after niks3's pin of {path.BaseName}, nobody else moves it, pin {name} is {now}");
        }
        catch (Exception e) when (!stopped.IsCancellationRequested)
        {
            tally.Violation($"pin {name}: {e.GetType().Name} {e.Message}");
        }
    }

    // What comes of it is the collector's matter: the same run, another's, or a new one.
    private async Task CollectAsync(Random random, CancellationToken stopped)
    {
        var seconds = CollectLoop.ShortestRetention.TotalSeconds + random.Next(5);
        var query = string.Create(CultureInfo.InvariantCulture,
            $"older-than={seconds:0}s&failed-uploads-older-than={random.Next(3)}s&force={(random.Next(4) == 0 ? "true" : "false")}");
        tally.Count("gc by niks3");
        (await _http.SendAsync(HttpMethod.Delete, $"{_prefix}/api/closures?{query}", null, stopped))
            .OrThrow("gc", HttpStatusCode.Accepted, HttpStatusCode.Conflict);
    }

    private async Task PutIfPendingAsync(JsonObject pending, string key, byte[] body, string type, CancellationToken cancellationToken)
    {
        // The URL names a gateway, which is behind the balancer.
        if ((string?)pending[key]?["presigned_url"] is { } url)
            (await _http.SendAsync(HttpMethod.Put, new Uri(url).PathAndQuery, ForeignHttp.Body(body, type, "zstd"), cancellationToken,
                anonymous: true)).OrThrow($"PUT {key}", HttpStatusCode.OK);
    }

    private async Task<JsonNode> AskAsync(string what, string path, JsonNode body, CancellationToken cancellationToken) =>
        JsonNode.Parse((await PostAsync(path, body, cancellationToken)).OrThrow(what, HttpStatusCode.OK).Text)!;

    private Task<ForeignAnswer> PostAsync(string path, JsonNode? body, CancellationToken cancellationToken) =>
        _http.SendAsync(HttpMethod.Post, $"{_prefix}/api/{path}", ForeignHttp.Text(body?.ToJsonString() ?? "", "application/json"),
            cancellationToken);

    private static JsonObject CreateBody(SimulatedClosure cargo)
    {
        var objects = new Dictionary<string, JsonNode>();
        foreach (var path in cargo.Paths)
        {
            var (package, nar, listing) = (path.Package, NarKey(path.Build), ListingKey(path));
            string[] references = [.. path.References.Select(r => $"{r.Hash}.narinfo"), nar, listing,
                .. package.Realisation is { } realised ? new[] { realised } : []];
            objects[NarInfoKey(path)] = Item(NarInfoKey(path), "narinfo", references);
            objects[nar] = new JsonObject
            {
                ["key"] = nar,
                ["type"] = "nar",
                ["refs"] = new JsonArray(),
                ["nar_size"] = path.Build.Nar.Length
            };
            objects[listing] = Item(listing, "listing");
            if (package.Deriver is { } deriver)
                objects[LogKey(deriver)] = Item(LogKey(deriver), "build_log");
            if (package.Realisation is { } realisation)
                objects[realisation] = Item(realisation, "realisation");
        }

        return new JsonObject
        {
            ["closure"] = $"{cargo.Root.Hash}.narinfo",
            ["objects"] = new JsonArray([.. objects.Values]),
            ["verify_s3"] = false
        };

        static JsonObject Item(string key, string type, params string[] references) =>
            new() { ["key"] = key, ["type"] = type, ["refs"] = new JsonArray([.. references.Select(r => (JsonNode)r)]) };
    }

    private static JsonObject SignBody(IEnumerable<CargoPath> paths) => new()
    {
        ["narinfos"] = new JsonObject(paths.Select(path => KeyValuePair.Create<string, JsonNode?>(NarInfoKey(path), new JsonObject
        {
            ["store_path"] = path.Path.ToString(),
            ["url"] = NarKey(path.Build),
            ["compression"] = "zstd",
            ["nar_hash"] = path.Build.NarHash.ToNix32String(),
            ["nar_size"] = path.Build.Nar.Length,
            // Go's empty list.
            ["references"] = path.References.Count == 0 ? null : new JsonArray([.. path.References.Select(r => (JsonNode)r.ToString())]),
            ["deriver"] = path.Package.Deriver?.ToString(),
        }))),
    };

    private static string NarKey(Build build) => $"nar/{build.NarHash.ToNix32()}.nar.zst";

    private static string NarInfoKey(CargoPath path) => $"{path.Path.Hash}.narinfo";

    private static string ListingKey(CargoPath path) => $"{path.Path.Hash}.ls";

    private static string LogKey(StorePath deriver) => $"log/{deriver.BaseName}";
}
