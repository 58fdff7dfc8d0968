using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>What came back.</summary>
internal sealed record Answer(string Request, HttpStatusCode Status, byte[] Body, ILookup<string, string> Headers)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public bool IsSuccess => (int)Status is >= 200 and < 300;

    public JsonNode Json => JsonNode.Parse(Text) ?? throw new FormatException($"{Request}: JSON's null");

    public Answer OrThrow() => IsSuccess ? this : throw new RefusedException(this);

    public override string ToString() => $"{Request}: {(int)Status} {(Text.Length > 1000 ? Text[..1000] : Text)}";
}

/// <summary>The server did not do what a client asked.</summary>
internal sealed class RefusedException(Answer answer) : Exception(answer.ToString())
{
    public Answer Answer { get; } = answer;
}

/// <summary>Who has a token of its own, or none: sends whatever it is told to, and follows nothing.</summary>
/// <param name="id">As the server calls it.</param>
/// <param name="url">The server's.</param>
/// <param name="secret">Null: it has no token.</param>
/// <param name="handler">Sends its requests.</param>
internal sealed class Publisher(string id, Uri url, string? secret, HttpMessageHandler? handler = null) : IDisposable
{
    // Longer than any honest answer takes; who waits for one that never comes gives up.
    private readonly HttpClient _http = new(handler ?? new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
    {
        Timeout =
        TimeSpan.FromSeconds(30)
    };

    public string Id { get; } = id;

    public Uri Url { get; } = url;

    public string? Secret { get; } = secret;

    /// <summary>Sends the token as Bearer, or as its URL's own credential says: <paramref name="isSigned"/>.</summary>
    public async Task<Answer> SendAsync(HttpMethod method, string path, HttpContent? content = null, bool isSigned = false,
        bool asBasic = false, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Url, path)) { Content = content };
        if (Secret is not null && !isSigned)
            request.Headers.Authorization = asBasic ? new AuthenticationHeaderValue("Basic",
                Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Secret}"))) : new AuthenticationHeaderValue("Bearer", Secret);
        foreach (var (name, value) in headers)
        {
            if (request.Headers.TryAddWithoutValidation(name, value))
                continue;
            content!.Headers.Remove(name);
            content.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await _http.SendAsync(request);
        return new Answer(
            $"{Id}: {method} {request.RequestUri!.AbsolutePath}", answer.StatusCode, await answer.Content.ReadAsByteArrayAsync(),
            answer.Headers.Concat(answer.Content.Headers).SelectMany(h => h.Value.Select(v => (h.Key, v)))
                .ToLookup(h => h.Key, h => h.v, StringComparer.OrdinalIgnoreCase));
    }

    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<Answer> PostAsync(string path, JsonNode? body = null, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, body is null ? null : Json(body), headers: headers);

    public static StringContent Json(JsonNode body) => new(body.ToJsonString(), Encoding.UTF8, "application/json");

    public static ByteArrayContent Bytes(byte[] bytes, string type, string? encoding = null)
    {
        var content = new ByteArrayContent(bytes) { Headers = { ContentType = MediaTypeHeaderValue.Parse(type) } };
        if (encoding is not null)
            content.Headers.ContentEncoding.Add(encoding);
        return content;
    }

    public void Dispose() => _http.Dispose();
}
