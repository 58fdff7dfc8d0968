using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Gateway.Tests.Protocols.NixCopy;

namespace OrleansCache.Gateway.Tests.Protocols.Attic;

/// <summary>
/// The requests of attic's client, byte by byte as its HTTP library sends them: HTTP/1.1, lower-case names of headers, "bearer" in lower
/// case, and a NAR in chunks without a length.
/// </summary>
internal sealed class AtticWire(Uri server, string? token = WriteServer.Writer)
{
    private const int InfoInHeader = 4096;

    /// <summary>The endpoint's path: what <c>attic login</c> was given, or the api_endpoint of a cache.</summary>
    public string Endpoint { get; init; } = "/";

    public Task<(HttpStatusCode Status, JsonNode? Body)> ConfigAsync(string cache, string method = "GET") =>
        SendAsync(method, $"_api/v1/cache-config/{cache}", method == "GET" ? null : "{}");

    /// <summary>The hashes that the server lacks.</summary>
    public async Task<string[]> MissingAsync(string cache, params string[] hashes)
    {
        var (status, body) = await AskAsync(cache, hashes);
        Assert.Equal(HttpStatusCode.OK, status);
        return [.. body!["missing_paths"]!.AsArray().Select(h => (string)h!)];
    }

    public Task<(HttpStatusCode Status, JsonNode? Body)> AskAsync(string cache, params string[] hashes) =>
        SendAsync("POST", "_api/v1/get-missing-paths",
            new JsonObject { ["cache"] = cache, ["store_path_hashes"] = new JsonArray([.. hashes.Select(h => JsonValue.Create(h))]) }
                .ToJsonString());

    /// <summary>The info as the client prints it, with a null for each member that it has nothing for.</summary>
    public static JsonObject InfoOf(NixFile file, string cache = "default") => new()
    {
        ["cache"] = cache,
        ["store_path_hash"] = file.Path.Hash.ToString(),
        ["store_path"] = file.Path.ToString(),
        ["references"] = new JsonArray([.. file.Info.References.Select(r => JsonValue.Create(r.BaseName))]),
        ["system"] = null,
        ["deriver"] = null,
        ["sigs"] = new JsonArray([.. file.Info.Signatures.Select(s => JsonValue.Create(s))]),
        ["ca"] = null,
        ["nar_hash"] = $"sha256:{file.Info.NarHash.ToHex()}",
        ["nar_size"] = file.Info.NarSize,
    };

    public Task<(HttpStatusCode Status, JsonNode? Body)> UploadAsync(NixFile file, bool preamble = false, JsonObject? info = null,
        byte[]? nar = null)
    {
        var text = (info ?? InfoOf(file)).ToJsonString();
        byte[][] pieces = [nar ?? file.Body];
        var header = $"x-attic-nar-info: {text}\r\n";
        if (preamble || text.Length >= InfoInHeader)
            (pieces, header) = ([Encoding.UTF8.GetBytes(text), .. pieces],
                $"x-attic-nar-info-preamble-size: {Encoding.UTF8.GetByteCount(text)}\r\n");
        return ChunkedAsync(header, pieces);
    }

    /// <param name="pieces">A chunk each, as long as it fits.</param>
    public Task<(HttpStatusCode Status, JsonNode? Body)> ChunkedAsync(string headers, params byte[][] pieces) =>
        TalkAsync($"PUT {Endpoint}_api/v1/upload-path HTTP/1.1\r\n{Head()}{headers}transfer-encoding: chunked\r\n\r\n", async stream =>
        {
            foreach (var chunk in pieces.SelectMany(p => p.Chunk(32 << 10)))
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"{chunk.Length:X}\r\n"));
                await stream.WriteAsync(chunk);
                await stream.WriteAsync("\r\n"u8.ToArray());
            }

            await stream.WriteAsync("0\r\n\r\n"u8.ToArray());
        });

    private Task<(HttpStatusCode Status, JsonNode? Body)> SendAsync(string method, string path, string? json) =>
        TalkAsync($"{method} {Endpoint}{path} HTTP/1.1\r\n{Head()}" + (json is null ? "\r\n"
            : $"content-type: application/json\r\ncontent-length: {Encoding.UTF8.GetByteCount(json)}\r\n\r\n{json}"), static _ => Task.CompletedTask);

    private string Head() => (token is null ? "" : $"authorization: bearer {token}\r\n")
        + $"user-agent: Attic/attic-client (unknown)\r\naccept: */*\r\nhost: {server.Authority}\r\n";

    private async Task<(HttpStatusCode Status, JsonNode? Body)> TalkAsync(string head, Func<Stream, Task> send)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, server.Port));
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(head));
        try
        {
            await send(stream);
        }
        catch (IOException)
        {
            // Refused before it was read; the answer says why.
        }

        var text = "";
        var buffer = new byte[64 << 10];
        while (!IsWhole(text))
        {
            var read = await stream.ReadAsync(buffer);
            Assert.True(read > 0, $"the answer ends: {text}");
            text += Encoding.UTF8.GetString(buffer, 0, read);
        }

        var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        return ((HttpStatusCode)int.Parse(text.Split(' ')[1], null), Body(text[..end], text[(end + 4)..]));
    }

    // Answers here are ASCII.
    private static bool IsWhole(string text)
    {
        const string Length = "\r\nContent-Length: ";
        if (text.IndexOf("\r\n\r\n", StringComparison.Ordinal) is var end && end < 0)
            return false;
        return text.IndexOf(Length, 0, end, StringComparison.OrdinalIgnoreCase) is >= 0 and var at
            ? text.Length - end - 4 >= int.Parse(text[(at + Length.Length)..].Split('\r')[0], null)
            : text.EndsWith("0\r\n\r\n", StringComparison.Ordinal);
    }

    private static JsonNode? Body(string head, string body)
    {
        if (head.Contains("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase))
        {
            var whole = new StringBuilder();
            for (var rest = body; ;)
            {
                var line = rest.IndexOf("\r\n", StringComparison.Ordinal);
                var size = Convert.ToInt32(rest[..line], 16);
                if (size == 0)
                    break;
                whole.Append(rest.AsSpan(line + 2, size));
                rest = rest[(line + 2 + size + 2)..];
            }

            body = whole.ToString();
        }

        return body.Length == 0 ? null : JsonNode.Parse(body);
    }
}
