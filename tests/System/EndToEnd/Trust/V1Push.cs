using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Nix;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>A push by our own protocol, request by request: 1. begin, 2. uploads and waits, 3. reports, 4. commit.</summary>
internal sealed class V1Push : IUrlPush
{
    public const string Cache = "/v1/caches/default";

    // A push that is told to wait for longer never gets on.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly Publisher _publisher;
    private readonly Dictionary<string, TrustPath> _paths;

    private V1Push(Publisher publisher, TrustPath root, JsonNode opened)
    {
        (_publisher, Opened) = (publisher, opened);
        _paths = root.Closure().ToDictionary(p => p.Path.Hash.ToString());
    }

    /// <summary>The answer to begin.</summary>
    public JsonNode Opened { get; }

    public string Id => (string)Opened["id"]!;

    /// <summary>Of one path: <c>present</c>, or its state among the missing.</summary>
    public string StateOf(TrustPath path) =>
        (string?)Opened["missing"]!.AsArray().FirstOrDefault(m => (string)m!["path"]! == path.Path.Hash.ToString())?["state"] ?? "present";

    /// <summary>Whether one of the answer's lists names the path.</summary>
    public bool Lists(string list, TrustPath path) => Opened[list]?.AsArray().Any(p => (string)p! == path.Path.Hash.ToString()) == true;

    public JsonNode GrantOf(TrustPath path) => Opened["uploads"]!.AsArray()
        .Single(g => (string)g!["id"]! == Upload(Opened["missing"]!, path))!;

    public static async Task<V1Push> BeginAsync(Publisher publisher, TrustPath root, JsonObject? body = null, string? key = null) =>
        new(publisher, root, (await SendBeginAsync(publisher, body ?? Body(root), key)).OrThrow().Json);

    public static Task<Answer> SendBeginAsync(Publisher publisher, JsonObject body, string? key = null) =>
        publisher.PostAsync($"{Cache}/pushes", body, key is null ? [] : [("Idempotency-Key", key)]);

    /// <summary>A push with a pin on its root, all of it.</summary>
    public static async Task<V1Push> PinnedAsync(Publisher publisher, TrustPath root, string pin)
    {
        var push = await BeginAsync(publisher, root, Body(root, pin));
        await push.UploadAsync();
        await push.CommitAsync();
        return push;
    }

    public static JsonObject Body(TrustPath root, string? pin = null)
    {
        var closure = root.Closure().ToList();
        var body = new JsonObject
        {
            ["roots"] = new JsonArray(root.Path.Hash.ToString()),
            ["paths"] = new JsonArray([.. closure.Select(Declaration)]),
            ["logs"] = new JsonArray([.. closure.Where(p => p.Log is not null)
                .Select(p => new JsonObject { ["drv"] = p.LogDrv!.Value.BaseName, ["path"] = p.Path.Hash.ToString() })]),
            ["realisations"] = new JsonArray([.. closure.Where(p => p.Realisation is not null)
                .Select(p => new JsonObject { ["id"] = p.Realisation, ["path"] = p.Path.Hash.ToString() })]),
        };
        if (pin is not null)
            body["pin"] = new JsonObject { ["name"] = pin };
        return body;
    }

    private static JsonObject Declaration(TrustPath path)
    {
        var declaration = new JsonObject
        {
            ["path"] = path.Path.BaseName,
            ["narHash"] = path.NarHash.ToNix32String(),
            ["narSize"] = path.NarSize,
            ["references"] = new JsonArray([.. path.References.Select(r => (JsonNode)r.Path.Hash.ToString())]),
            ["signatures"] = new JsonArray([.. path.Signatures.Select(s => (JsonNode)s)]),
        };
        if (path.Deriver is { } deriver)
            declaration["deriver"] = deriver.BaseName;
        if (path.Ca is { } ca)
            declaration["ca"] = ca;
        return declaration;
    }

    public async Task UploadAsync()
    {
        await UploadNarsAsync();
        await ReportExtrasAsync();
    }

    public async Task UploadNarsAsync()
    {
        var clock = Stopwatch.StartNew();
        for (var (missing, grants) = (Opened["missing"]!, Opened["uploads"]!); ;)
        {
            var waiting = States(missing, "wait");
            foreach (var upload in missing.AsArray().Where(m => (string)m!["state"]! == "upload").GroupBy(m => (string)m!["upload"]!))
            {
                List<string> named = [.. upload.Select(m => (string)m!["path"]!)];
                var grant = grants.AsArray().Single(g => (string)g!["id"]! == upload.Key)!;
                await SendFileAsync(grant, _paths[named[0]].File);
                var report = await ReportAsync(Reported(grant, _paths[named[0]]));
                if (report["rejected"]!.AsArray().Count > 0)
                    waiting.AddRange(named);
            }

            if (waiting.Count == 0)
                return;
            if (clock.Elapsed > Patience)
                throw new TimeoutException($"push {Id} of {_publisher.Id} is still told to wait for {string.Join(", ", waiting)}");
            var answer = (await WaitAsync(_publisher, Id, waiting)).OrThrow().Json;
            (missing, grants) = (answer["paths"]!, answer["uploads"]!);
        }
    }

    /// <summary>Listings, logs and realisations.</summary>
    public async Task ReportExtrasAsync()
    {
        // What the cache was found to have is not sent.
        var missing = Opened["missing"]!.AsArray().Select(m => (string)m!["path"]!).ToHashSet();
        var logs = Opened["missingLogs"]!.AsArray().Select(l => (string)l!).ToHashSet();
        var realisations = Opened["missingRealisations"]!.AsArray().Select(r => (string)r!).ToHashSet();
        await ReportAsync(new JsonObject
        {
            ["listings"] = new JsonArray([.. _paths.Values.Where(p => missing.Contains(p.Path.Hash.ToString())).Select(Listing)]),
            ["logs"] = new JsonArray([.. _paths.Values.Where(p => p.Log is not null && logs.Contains(p.LogDrv!.Value.BaseName))
                .Select(p => new JsonObject { ["drv"] = p.LogDrv!.Value.BaseName, ["path"] = p.Path.Hash.ToString(),
                    ["content"] = p.PackedLog is { } packed ? Convert.ToBase64String(packed) : Packed(p.Log!) })]),
            ["realisations"] = new JsonArray([.. _paths.Values.Where(p => p.Realisation is not null && realisations.Contains(p.Realisation))
                .Select(p => new JsonObject { ["id"] = p.Realisation, ["path"] = p.Path.Hash.ToString(),
                    ["content"] = p.RealisationText })]),
        });
    }

    public static JsonObject Listing(TrustPath path) => new() { ["path"] = path.Path.Hash.ToString(), ["content"] = Packed(path.Listing) };

    public static string Packed(string text) => Convert.ToBase64String(Zstd.Compress(Encoding.UTF8.GetBytes(text)));

    /// <summary>What a report says of one upload.</summary>
    public static JsonObject Reported(JsonNode grant, TrustPath path) => new()
    {
        ["uploads"] = new JsonArray(new JsonObject
        {
            ["upload"] = (string)grant["id"]!,
            ["fileHash"] = path.FileHash.ToNix32String(),
            ["fileSize"] = path.File.Length,
            ["md5"] = new JsonArray([.. path.File.Chunk((int?)grant["partSize"] ?? path.File.Length)
                .Select(part => (JsonNode)Convert.ToHexStringLower(MD5.HashData(part)))]),
        }),
    };

    public Task SendAgainAsync(TrustPath path, byte[] file) => SendFileAsync(GrantOf(path), file);

    // By one URL, or in parts.
    private async Task SendFileAsync(JsonNode grant, byte[] file)
    {
        if (grant["url"] is not null)
        {
            await SendAsync(grant, file);
            return;
        }

        foreach (var (i, part) in file.Chunk((int)grant["partSize"]!).Index())
            await SendPartAsync(grant, i, part);
    }

    /// <summary>One PUT to a URL that was handed out.</summary>
    public async Task<Answer> SendAsync(JsonNode grant, byte[] file)
    {
        var headers = grant["headers"]!.AsObject().Select(h => (h.Key, (string)h.Value!)).ToArray();
        var answer = await _publisher.SendAsync(HttpMethod.Put, (string)grant["url"]!, Publisher.Bytes(file, "application/x-nix-nar"),
            isSigned: true, headers: headers);
        return answer.Status == HttpStatusCode.PreconditionFailed ? answer : answer.OrThrow();
    }

    /// <summary>One part of a multipart upload.</summary>
    public async Task SendPartAsync(JsonNode grant, int index, byte[] part) =>
        (await _publisher.SendAsync(HttpMethod.Put, (string)grant["parts"]![index]!, Publisher.Bytes(part, "application/x-nix-nar"),
            isSigned: true)).OrThrow();

    public async Task<JsonNode> ReportAsync(JsonObject report) => (await SendReportAsync(_publisher, Id, report)).OrThrow().Json;

    public async Task CommitAsync()
    {
        var clock = Stopwatch.StartNew();
        Answer answer;
        do
            answer = (await SendCommitAsync(_publisher, Id)).OrThrow();
        while (answer.Status == HttpStatusCode.Accepted && clock.Elapsed < Patience);
        if (answer.Status == HttpStatusCode.Accepted)
            throw new TimeoutException($"push {Id} of {_publisher.Id} is still {answer.Text}");
    }

    // The steps that anybody may try on anybody's push.

    public static Task<Answer> SendReportAsync(Publisher who, string push, JsonObject report) =>
        who.PostAsync($"{Cache}/pushes/{push}/uploaded", report);

    public static Task<Answer> WaitAsync(Publisher who, string push, IEnumerable<string> paths, int seconds = 2) =>
        who.PostAsync($"{Cache}/pushes/{push}/wait", new JsonObject
        {
            ["paths"] = new JsonArray([.. paths.Select(p => (JsonNode)p)]),
            ["timeoutSeconds"] = seconds
        });

    public static Task<Answer> UrlsAsync(Publisher who, string push, string upload) =>
        who.PostAsync($"{Cache}/pushes/{push}/uploads/{Uri.EscapeDataString(upload)}/urls",
            new JsonObject { ["firstPart"] = 1, ["count"] = 1 });

    public static Task<Answer> SendCommitAsync(Publisher who, string push) => who.PostAsync($"{Cache}/pushes/{push}/commit");

    public static Task<Answer> RenewAsync(Publisher who, string push) => who.PostAsync($"{Cache}/pushes/{push}/renew");

    public static Task<Answer> EndAsync(Publisher who, string push) => who.SendAsync(HttpMethod.Delete, $"{Cache}/pushes/{push}");

    private static List<string> States(JsonNode missing, string state) =>
        [.. missing.AsArray().Where(m => (string)m!["state"]! == state).Select(m => (string)m!["path"]!)];

    private static string? Upload(JsonNode missing, TrustPath path) => (string?)missing.AsArray()
        .FirstOrDefault(m => (string)m!["path"]! == path.Path.Hash.ToString())?["upload"];
}
