using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.EndToEnd.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Bench.Hostile;

/// <summary>Requests that are all under way at once, as the last byte of each does not come.</summary>
internal static class OpenBodies
{
    public const int AtOnce = 40;
    private const int Size = 4 << 10;
    private const int WideWindow = 27, NixWindow = 23;
    private const int Rests = 5;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    /// <summary>What ordinary clients send comes first.</summary>
    public static IReadOnlyList<Kind> Kinds { get; } =
    [
        new("ordinary JSON", Ordinary, (server, _) => Task.FromResult(JsonHead(server, ""))),
        new("JSON with a wide window", Bomb("{", 121, ' ', WideWindow), (server, _) =>
            Task.FromResult(JsonHead(server, "Content-Encoding: zstd\r\n"))),
        new("JSON of one long string", Bomb("{\"paths\":[\"", 60, 'a', NixWindow), (server, _) =>
            Task.FromResult(JsonHead(server, "Content-Encoding: zstd\r\n"))),
        new("listings of stock Nix", Bomb("{", 121, ' ', WideWindow), (server, _) =>
            Task.FromResult(NixHead(server, $"{NewHash()}.ls", "Content-Encoding: zstd\r\n"))),
        new("logs of stock Nix", Bomb("log", 121, ' ', NixWindow), (server, _) =>
            Task.FromResult(NixHead(server, $"log/{NewHash()}-own.drv", "Content-Encoding: zstd\r\n"))),
        new("NARs of stock Nix", Bomb("nix-archive-1", 121, '\0', WideWindow), (server, _) =>
            Task.FromResult(NixHead(server, $"nar/{Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)).ToNix32()}.nar.zst", ""))),
        new("listings of niks3's clients", Bomb("{", 121, ' ', WideWindow), Niks3HeadAsync),
    ];

    /// <summary>The largest resident set, in MiB, of a server of its own, until it has come to rest.</summary>
    public static async Task<double> MeasureAsync(ServerLab lab, Kind kind)
    {
        await using var server = await lab.StartServerAsync();
        using var http = new HttpClient { BaseAddress = new Uri(server.Url) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token(server));
        var requests = new List<OpenRequest>();
        try
        {
            foreach (var head in await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => kind.Head(server, http))))
                requests.Add(await OpenRequest.SendAsync(new Uri(server.Url), $"{head}Content-Length: {kind.Body.Length + 1}", kind.Body));
            for (var (cpu, still) = (-1.0, 0); still < Rests; await Task.Delay(Look))
            {
                var now = server.GatewayCpu;
                (cpu, still) = (now, now == cpu ? still + 1 : 0);
            }

            return server.GatewayPeakMegabytes;
        }
        finally
        {
            requests.ForEach(request => request.Dispose());
        }
    }

    public static string Token(CacheServer server) => File.ReadAllText(server.TokenFile).Trim();

    private static byte[] Ordinary
    {
        get
        {
            var text = new StringBuilder("{\"paths\":[");
            while (text.Length < Size - 40)
                text.Append(text[^1] == '[' ? "" : ",").Append('"').Append(NewHash()).Append('"');
            return Encoding.ASCII.GetBytes($"{text}]");
        }
    }

    private static byte[] Bomb(string before, long mebibytes, char fill, int windowLog) =>
        ZstdBomb.Make(before, mebibytes << 20, fill, "", windowLog);

    private static StorePathHash NewHash() => StorePathHash.FromBytes(RandomNumberGenerator.GetBytes(StorePathHash.ByteLength));

    private static string JsonHead(CacheServer server, string more) =>
        $"POST /v1/caches/default/missing HTTP/1.1\r\nAuthorization: Bearer {Token(server)}\r\nContent-Type: application/json\r\n{more}";

    private static string NixHead(CacheServer server, string key, string more) =>
        $"PUT /c/default/{key} HTTP/1.1\r\nAuthorization: Basic " +
            $"{Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Token(server)}"))}\r\n{more}";

    // A closure of its own, for the URL of its listing.
    private static async Task<string> Niks3HeadAsync(CacheServer server, HttpClient http)
    {
        var (path, nar) = (NewHash(), $"nar/{Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)).ToNix32()}.nar.zst");
        var body = new JsonObject
        {
            ["closure"] = $"{path}.narinfo",
            ["objects"] = new JsonArray(
                Item($"{path}.narinfo", "narinfo", nar, $"{path}.ls"), Item($"{path}.ls", "listing"),
                new JsonObject { ["key"] = nar, ["type"] = "nar", ["refs"] = new JsonArray(), ["nar_size"] = 1000 }),
        };
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri("/api/pending_closures", UriKind.Relative), content);
        var text = await answer.Content.ReadAsStringAsync();
        var url = answer.IsSuccessStatusCode ? (string?)JsonNode.Parse(text)!["pending_objects"]![$"{path}.ls"]?["presigned_url"] : null;
        return url is null ? throw new BenchException($"niks3's create: {answer.StatusCode} {text}")
            : $"PUT {new Uri(url).PathAndQuery} HTTP/1.1\r\nContent-Encoding: zstd\r\n";

        static JsonObject Item(string key, string type, params string[] references) =>
            new() { ["key"] = key, ["type"] = type, ["refs"] = new JsonArray([.. references.Select(r => (JsonNode)r)]) };
    }

    /// <param name="Body">All but its last byte.</param>
    /// <param name="Head">Of a request, but for its length.</param>
    internal sealed record Kind(string Name, byte[] Body, Func<CacheServer, HttpClient, Task<string>> Head);
}
