using System.Globalization;
using System.IO.Compression;
using System.Text;
using OrleansCache.Core.Tokens;

namespace OrleansCache.Gateway.Tests.Hostile;

/// <param name="Bytes">As they go over the wire.</param>
/// <param name="End">Nothing comes after them, though more may have been announced.</param>
internal sealed record HostileRequest(string Kind, byte[] Bytes, bool End);

/// <summary>
/// Requests that an honest client does not send, each made from a number alone. None of them may change anything: where a body might happen
/// to be valid, something else about the request is not.
/// </summary>
internal sealed class RequestGenerator(HostileServer server, int seed)
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    private static readonly string[] Methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "PROPFIND",
        "get", "G\tET", ""];

    private static readonly string[] Segments =
    [
        "..", ".", "", "%2e%2e", "%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "%252e%252e", "..\\..", "%5c..", "%00", "a%00b", "%ff%fe",
            "%c0%ae%c0%ae", "%e2%80%ae", ".tmp", ".lock", ".multipart", "nar", "pins",
        "c", "default", "other", "v1", "caches", "upload", "openapi", "x.narinfo", "prod-web", ";a=b", "a b", "%20", "~", "'", "\"", "<x>",
            "{}", "*", "%", "%g1", "?", "#", "con", "\u00e9", "%F0%9F%92%A9",
    ];

    private static readonly string[] Numbers =
        ["0", "-1", "1e999", "-1e999", "99999999999999999999", "9223372036854775807", "-9223372036854775808", "1.5", "0x10", "1e-400",
            "NaN", "Infinity", "٣", "+1", "01", "2147483648", ""];

    private static readonly List<(string Coding, byte[] Body)> Bombs = [.. " \"1".SelectMany(MakeBombs)];

    /// <summary>The same for the same seed and number.</summary>
    public HostileRequest Make(int number)
    {
        var random = new Random(unchecked(seed * 1_000_003 + number));
        return random.Next(100) switch
        {
            < 18 => Path(random),
            < 30 => ForgedUpload(random),
            < 36 => BrokenUpload(random),
            < 66 => WrongJson(random),
            < 68 => Bomb(random),
            < 78 => ForgedToken(random),
            < 90 => OddHeaders(random),
            < 92 => Flood(random),
            < 99 => Garbage(random),
            _ => Stalled(random),
        };
    }

    private HostileRequest Path(Random random)
    {
        var path = new StringBuilder();
        string[] starts = ["", "/nar", "/log", "/pins", "/realisations", "/build-trace-v2", "/build-trace-v2/x.drv", "/c/default",
            "/c/default/nar", "/upload", "/upload/nar", "/v1/caches", "/v1/caches/default", "/v1/caches/default/pins", "/openapi"];
        path.Append(Pick(random, starts));
        for (var i = random.Next(1, 5); i > 0; i--)
            path.Append('/').Append(random.Next(8) == 0 ? new string((char)random.Next('a', 'z'), random.Next(200, 3000))
                : Pick(random, Segments));
        if (random.Next(4) == 0)
            path.Append('?').Append(Pick(random, Segments)).Append('=').Append(Pick(random, Numbers));
        // A pin of that name is not there, so deleting it changes nothing; every other change needs a body.
        var text = path.ToString().Contains("prod-web", StringComparison.Ordinal) ? "/pins/prod-web/" + Pick(random, Segments)
            : path.ToString();
        return Request("path", Pick(random, Methods), text, random.Next(2) == 0 ? Authorized() : "", []);
    }

    private HostileRequest ForgedUpload(Random random)
    {
        var urls = server.Open.Uploads.SelectMany(u => u.Url is null ? u.Parts : [u.Url]).ToList();
        var good = Pick(random, urls).PathAndQuery;
        var (kind, url) = random.Next(6) switch
        {
            0 => ("expired URL", Pick(random, server.ExpiredUrls).PathAndQuery),
            1 => ("URL without query", good[..good.IndexOf('?', StringComparison.Ordinal)]),
            2 => ("URL with a parameter twice", good + "&" + good[(good.IndexOf('?', StringComparison.Ordinal) + 1)..]
                .Split('&')[random.Next(2)]),
            3 => ("URL with another number", string.Join('&', good.Split('&').Select(p => p.StartsWith("sig", StringComparison.Ordinal) ? p
                : p.Split('=')[0] + "=" + Pick(random, Numbers)))),
            4 => ("URL cut short", good[..random.Next(1, good.Length)]),
            _ => ("URL with another character", Change(random, good)),
        };
        return Request($"upload, {kind}", "PUT", url, "", Bytes(random, random.Next(2000)));
    }

    // The URL is good, the body is not: nothing of it may be there afterwards.
    private HostileRequest BrokenUpload(Random random)
    {
        var grant = server.Open.Uploads[random.Next(2)];
        var url = (grant.Url ?? Pick(random, grant.Parts)).PathAndQuery;
        var body = Bytes(random, random.Next(1, 2000));
        return random.Next(6) switch
        {
            5 => Raw("upload of more than was declared", Head("PUT", url, "Content-Length: 200000\r\n"), Bytes(random, 200_000), end: true),
            0 => Raw("upload cut short", Head("PUT", url, $"Content-Length: {body.Length + random.Next(1, 5000)}\r\n"), body, end: true),
            1 => Raw("upload in chunks", Head("PUT", url, "Transfer-Encoding: chunked\r\n"),
                Encoding.Latin1.GetBytes("5\r\nhello\r\n0\r\n\r\n"), end: true),
            2 => Raw("upload without length", Head("PUT", url, ""), [], end: true),
            3 => Raw("upload of a strange length",
                Head("PUT", url,
                $"Content-Length: {Pick(random, ["-1", "1e9", "99999999999999999999", "9223372036854775807", "1, 2", "0x10"])}\r\n"),
                body, end: true),
            _ => Raw("upload of two lengths", Head("PUT", url, $"Content-Length: {body.Length}\r\nContent-Length: {body.Length + 1}\r\n"),
                body, end: true),
        };
    }

    private HostileRequest WrongJson(Random random)
    {
        var (method, path, template) = JsonTemplates.Pick(random, server.Open.Id);
        var body = Encoding.UTF8.GetBytes(JsonTemplates.Spoil(random, template));
        if (random.Next(10) == 0)
            body = [.. body.Take(random.Next(body.Length + 1))];
        if (random.Next(15) == 0)
            body = Bytes(random, random.Next(500));
        // A key of the schedule's own starts no collection, whatever the body says.
        var headers = new StringBuilder(Authorized()).Append("Idempotency-Key: schedule:").Append(random.Next()).Append("\r\n");
        headers.Append(Pick(random, ["Content-Type: application/json\r\n", "Content-Type: application/json\r\n",
            "Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", "Content-Type: application/json; charset=utf-16\r\n",
            "Content-Type: /\r\n", ""]));
        switch (random.Next(8))
        {
            case 0:
                headers.Append("Content-Encoding: gzip\r\n");
                body = random.Next(2) == 0 ? Gzip(body) : body;
                break;
            case 1:
                headers.Append("Content-Encoding: zstd\r\n");
                body = random.Next(2) == 0 ? HostileServer.Compress(body) : body;
                break;
            case 2:
                headers.Append(CultureInfo.InvariantCulture,
                    $"Content-Encoding: {Pick(random, ["br", "gzip, zstd", "GZIP", "identity", "x", ""])}\r\n");
                break;
        }

        return random.Next(8) == 0
            ? Raw($"JSON cut short, {path}", Head(method, path,
                headers.Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length + 10}\r\n").ToString()), body, end: true)
            : Request($"JSON, {path}", method, path, headers.ToString(), body);
    }

    private static HostileRequest Bomb(Random random)
    {
        var (coding, body) = Pick(random, Bombs);
        return Request($"{coding} bomb", "POST", "/v1/caches/default/missing",
            $"{Authorized()}Content-Type: application/json\r\nContent-Encoding: {coding}\r\n", body);
    }

    private HostileRequest ForgedToken(Random random)
    {
        var (method, path, template) = JsonTemplates.Pick(random, server.Open.Id);
        var secret = random.Next(8) switch
        {
            0 => Change(random, HostileServer.Token),
            1 => TokenSecret.New(),
            2 => "oct_" + new string('é', 52),
            3 => new string('x', random.Next(1, 20_000)),
            4 => Pick(random, Segments),
            _ => Pick(random, server.WeakTokens),
        };
        var basic = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Pick(random, Segments)}:{secret}"));
        var header = random.Next(6) switch
        {
            0 => $"Authorization: Basic {basic}\r\n",
            1 => $"Authorization: Basic {Change(random, basic)}\r\n",
            2 => $"Authorization: Bearer {secret}\r\nAuthorization: Bearer {Pick(random, server.WeakTokens)}\r\n",
            3 => $"Authorization: {Pick(random, ["Digest", "Negotiate", "", "Bearer", "Basic Basic"])} {secret}\r\n",
            _ => $"Authorization: Bearer {secret}\r\n",
        };
        return Request($"token, {path}", method, path, header + "Content-Type: application/json\r\n", Encoding.UTF8.GetBytes(template));
    }

    // Reads, and changes whose condition cannot hold.
    private HostileRequest OddHeaders(Random random)
    {
        var (method, path) = random.Next(13) switch
        {
            0 => ("GET", $"/v1/caches/default/gc/runs?limit={Pick(random, Numbers)}"),
            1 => ("GET", $"/v1/caches/default/gc/runs/{Pick(random, Numbers)}"),
            2 => ("GET", $"/v1/caches/default/why/{Pick(random, [Hash, server.Paths[0].BaseName, .. Segments])}"),
            3 => ("DELETE", $"/v1/caches/default/tokens/{Pick(random, ["-1", "99999999999999999999", "x", "0"])}"),
            4 => ("DELETE", $"/v1/caches/default/pushes/{Pick(random, ["-1", "99999999999999999999", "x", "0", "9223372036854775807"])}"),
            5 => ("POST", $"/v1/caches/{Pick(random, Segments)}/gc/cancel"),
            6 => ("GET", $"/v1/caches/default/tokens?revoked={Pick(random, Numbers)}"),
            7 => ("GET", $"/{server.Paths[random.Next(3)].Hash}.narinfo"),
            8 => ("GET", "/nix-cache-info"),
            9 => ("HEAD", "/pins/prod-web"),
            10 => ("GET", $"/nar/{new string('1', 52)}.nar.zst"),
            11 => ("GET", $"/v1/caches/default/paths/{Pick(random, [Hash, server.Paths[0].BaseName, .. Segments])}"),
            _ => ("GET", "/v1/caches/default/pins/prod-web"),
        };
        string[] values = [.. Numbers, "*", "\"", "W/\"x\"", "\"a\", \"b\"", new string('9', 500), "bytes=0-", "gzip;q=abc", "\x01", "é",
            "zstd;q=0", "Thu, 32 Foo 2999 99:99:99 GMT", "bytes=5-2,,,-"];
        string[] names = ["Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "Accept-Encoding",
            "Accept", "Expect", "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Upgrade", "Connection", "Idempotency-Key",
            "User-Agent", "X-Forwarded-For", "Cookie", "TE"];
        var headers = new StringBuilder(Authorized());
        for (var i = random.Next(1, 5); i > 0; i--)
            headers.Append(CultureInfo.InvariantCulture,
                $"{Pick(random, names)}: " +
                $"{Pick(random, random.Next(2) == 0 ? values : ["bytes=0-0", $"bytes={Pick(random, Numbers)}-{Pick(random, Numbers)}", $"bytes=-{Pick(random, Numbers)}"])}\r\n");
        return Raw($"headers, {path}", Head(method, path, headers.ToString()), [], end: true);
    }

    private static HostileRequest Flood(Random random) => random.Next(3) switch
    {
        0 => Raw("many headers", Head("GET", "/livez",
            string.Concat(Enumerable.Range(0, random.Next(101, 5000)).Select(i => $"X-{i}: {i}\r\n"))), [], end: true),
        1 => Raw("a long header", Head("GET", "/livez", $"X: {new string('x', random.Next(33_000, 1_000_000))}\r\n"), [], end: true),
        _ => Raw("a long URL", Head("GET", "/" + new string('a', random.Next(8_200, 1_000_000)), ""), [], end: true),
    };

    private static HostileRequest Garbage(Random random)
    {
        string[] lines =
        [
            "GET / HTTP/0.9\r\n\r\n", "GET / HTTP/3.7\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET http://elsewhere/nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET /livez HTTP/1.1\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
                "GET /livez HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET /livez HTTP/1.1\nHost: x\n\n", "\r\n\r\n\r\n", "\0\0\0\0", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
                "POST /v1/caches/default/missing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: " +
                "4\r\n\r\nffffffffffffffff\r\n",
            $"POST /v1/caches/default/missing HTTP/1.1\r\nHost: x\r\n{Authorized()}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello",
                "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ];
        var bytes = random.Next(3) == 0 ? Bytes(random, random.Next(1, 3000)) : Encoding.Latin1.GetBytes(Pick(random, lines));
        for (var i = random.Next(3); i > 0; i--)
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        return new HostileRequest("garbage", bytes, End: true);
    }

    // Ends when the server loses patience.
    private HostileRequest Stalled(Random random)
    {
        var grant = server.Open.Uploads[0];
        var whole = random.Next(3) switch
        {
            0 => Head("PUT", (grant.Url ?? grant.Parts[0]).PathAndQuery, "Content-Length: 100\r\n") + "hello",
            1 => Head("POST", "/v1/caches/default/pushes", Authorized() + "Content-Type: application/json\r\nContent-Length: 100\r\n")
                + "{\"roots\":",
            _ => Head("GET", "/livez", ""),
        };
        return new HostileRequest("stalled", Encoding.Latin1.GetBytes(whole[..random.Next(5, whole.Length - 3)]), End: false);
    }

    private static string Authorized() => $"Authorization: Bearer {HostileServer.Token}\r\n";

    private static HostileRequest Request(string kind, string method, string path, string headers, byte[] body) =>
        Raw(kind, Head(method, path, $"{headers}Content-Length: {body.Length}\r\n"), body, end: true);

    private static HostileRequest Raw(string kind, string head, byte[] body, bool end) =>
        new(kind, [.. Encoding.Latin1.GetBytes(head), .. body], end);

    private static string Head(string method, string path, string headers) =>
        $"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n";

    private static string Change(Random random, string text)
    {
        var at = random.Next(text.Length);
        var other = (char)random.Next(33, 127);
        return text[..at] + (other == text[at] ? '~' : other) + text[(at + 1)..];
    }

    private static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    // 64 MiB that are kilobytes on the wire: blanks, one string, or one number.
    private static IEnumerable<(string, byte[])> MakeBombs(char first)
    {
        var plain = new byte[64 << 20];
        plain.AsSpan().Fill((byte)(first == '"' ? 'a' : first));
        plain[0] = (byte)first;
        return [("gzip", Gzip(plain)), ("zstd", HostileServer.Compress(plain))];
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(bytes);
        return compressed.ToArray();
    }

    private static T Pick<T>(Random random, IReadOnlyList<T> from) => from[random.Next(from.Count)];
}
