using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace OrleansCache.Testing;

/// <summary>An issuer of tokens on loopback, with discovery, keys that rotate, and outages.</summary>
public sealed class OidcProvider : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly ConcurrentDictionary<string, TokenKey> _keys = new(StringComparer.Ordinal);
    private readonly Task _serving;
    private int _fetches;
    private int _made;

    /// <param name="algorithm">Of its keys.</param>
    public OidcProvider(string algorithm = "RS256")
    {
        Url = $"http://127.0.0.1:{FreePort.Next()}";
        _listener.Prefixes.Add(Url + "/");
        _listener.Start();
        Key = Rotate(algorithm);
        _serving = ServeAsync();
    }

    /// <summary>What its tokens say in <c>iss</c>.</summary>
    public string Url { get; }

    /// <summary>What it signs with.</summary>
    public TokenKey Key { get; private set; }

    /// <summary>How often its keys were asked for.</summary>
    public int Fetches => _fetches;

    /// <summary>It answers 503 to everything.</summary>
    public bool IsAway { get; set; }

    /// <summary>Replaces the discovery document.</summary>
    public string? Discovery { get; set; }

    /// <summary>Replaces the keys.</summary>
    public string? Keys { get; set; }

    /// <summary>A new key, which it signs with from now on; former ones stay published until <see cref="Withdraw"/>.</summary>
    public TokenKey Rotate(string algorithm = "RS256")
    {
        Key = TokenKey.Make($"key-{++_made}", algorithm);
        _keys[Key.Id] = Key;
        return Key;
    }

    /// <summary>Publishes a key no more.</summary>
    public void Withdraw(TokenKey key) => _keys.TryRemove(key.Id, out _);

    public string KeySet() => Keys
        ?? new JsonObject { ["keys"] = new JsonArray([.. _keys.Values.Select(k => (JsonNode)k.PublicJwk())]) }.ToJsonString();

    /// <summary>A token with these claims, and with the issuer and times that they lack.</summary>
    public string Issue(JsonObject claims)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        claims.TryAdd("iss", Url);
        claims.TryAdd("iat", now);
        claims.TryAdd("nbf", now - 5);
        claims.TryAdd("exp", now + 300);
        return Key.Sign(claims);
    }

    public async ValueTask DisposeAsync()
    {
        // Stop alone would give the port away, and Close after it listens once more.
        _listener.Close();
        await _serving;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext http;
            try
            {
                http = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or InvalidOperationException)
            {
                return; // It was stopped.
            }

            try
            {
                var (status, text) = Answer(http.Request.Url!.AbsolutePath);
                var body = Encoding.UTF8.GetBytes(text);
                (http.Response.StatusCode, http.Response.ContentType, http.Response.ContentLength64) = (status, "application/json",
                    body.Length);
                await http.Response.OutputStream.WriteAsync(body);
                http.Response.Close();
            }
            catch (Exception e) when (e is HttpListenerException or InvalidOperationException)
            {
                // Who asked has had enough.
            }
        }
    }

    private (int Status, string Text) Answer(string path)
    {
        switch (path)
        {
            case "/.well-known/openid-configuration":
                return IsAway ? (503, "{}") : (200, Discovery
                    ?? new JsonObject { ["issuer"] = Url, ["jwks_uri"] = $"{Url}/keys" }.ToJsonString());
            case "/keys":
                Interlocked.Increment(ref _fetches);
                return IsAway ? (503, "{}") : (200, KeySet());
            default:
                return (404, "{}");
        }
    }
}
