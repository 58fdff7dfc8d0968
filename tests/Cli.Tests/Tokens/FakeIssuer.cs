using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Tests.Fake;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary>
/// A server that names an issuer, and that issuer, at one address: a device flow that answers as it is told to, and refresh tokens that
/// work once.
/// </summary>
public sealed class FakeIssuer : IAsyncDisposable
{
    private int _issued;

    private FakeIssuer(FakeCache cache) => Cache = cache;

    public FakeCache Cache { get; }

    /// <summary>What the token endpoint says before the person has agreed, in order.</summary>
    public ConcurrentQueue<string> Pending { get; } = [];

    /// <summary>The forms that the token endpoint got.</summary>
    public ConcurrentQueue<IReadOnlyDictionary<string, string>> Forms { get; } = [];

    /// <summary>The refresh token that works.</summary>
    public string Refresh { get; private set; } = "";

    /// <summary>How long its tokens live.</summary>
    public TimeSpan Life { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>The answer of <c>/v1/login</c>.</summary>
    public string Login { get; set; } = "";

    /// <summary>What its discovery document says of these, instead of the truth.</summary>
    public Dictionary<string, string?> Discovery { get; } = [];

    /// <summary>It answers without an ID token, as OAuth allows.</summary>
    public bool IsSilent { get; set; }

    /// <summary>The server is older than <c>/v1/whoami</c>.</summary>
    public bool IsOld { get; set; }

    /// <summary>Tokens that the server accepts besides those of the issuer.</summary>
    public ConcurrentBag<string> Good { get; } = [];

    public string Issuer => $"{Cache.Url}issuer";

    public static async Task<FakeIssuer> StartAsync()
    {
        var cache = await FakeCache.StartAsync();
        var issuer = new FakeIssuer(cache);
        issuer.Login = $$"""
            {"audience":"cache","issuers":[{"name":"people","issuer":"{{issuer.Issuer}}","audience":"cache","clientId":"cli"}]}
            """;
        cache.Misbehave = issuer.AnswerAsync;
        return issuer;
    }

    public ValueTask DisposeAsync() => Cache.DisposeAsync();

    private async Task<bool> AnswerAsync(HttpContext http)
    {
        switch (http.Request.Path.Value)
        {
            case "/v1/login" when Login.Length > 0:
                await JsonAsync(http, Login);
                return true;
            case "/v1/whoami" when !IsOld:
                var token = http.Request.Headers.Authorization.ToString().Replace("Bearer ", "", StringComparison.Ordinal);
                if (Good.Contains(token))
                    await JsonAsync(http, """{"subject":"oidc:people/42","kind":"oidc","group":"people","caches":[]}""");
                else
                    await JsonAsync(http, """{"type":"urn:orleans-cache:error:unauthorized","title":"t","detail":"unknown token"}""", 401,
                        "application/problem+json");
                return true;
            case "/issuer/.well-known/openid-configuration":
                await JsonAsync(http, JsonSerializer.Serialize(new Dictionary<string, string?>
                {
                    ["issuer"] = Issuer,
                    ["device_authorization_endpoint"] = $"{Issuer}/device",
                    ["token_endpoint"] = $"{Issuer}/token",
                    ["revocation_endpoint"] = $"{Issuer}/revoke",
                }.Where(pair => !Discovery.ContainsKey(pair.Key)).Concat(Discovery).ToDictionary()));
                return true;
            case "/issuer/revoke":
                Forms.Enqueue(await FormAsync(http));
                return true;
            case "/issuer/device":
                Forms.Enqueue(await FormAsync(http));
                await JsonAsync(http, $$"""
                    {"device_code":"dev","user_code":"ABCD-EFGH","verification_uri":"{{Issuer}}/enter","expires_in":600,"interval":1}
                    """);
                return true;
            case "/issuer/token":
                await TokenAsync(http);
                return true;
            default:
                return false;
        }
    }

    private async Task TokenAsync(HttpContext http)
    {
        var form = await FormAsync(http);
        Forms.Enqueue(form);
        var isRefresh = form["grant_type"] == "refresh_token";
        if (!isRefresh && Pending.TryDequeue(out var error))
        {
            await JsonAsync(http, JsonSerializer.Serialize(new Dictionary<string, string> { ["error"] = error }), 400);
            return;
        }

        if (isRefresh && form["refresh_token"] != Refresh)
        {
            await JsonAsync(http, """{"error":"invalid_grant","error_description":"used already"}""", 400);
            return;
        }

        var token = Jwt.Ending(DateTimeOffset.UtcNow + Life);
        Good.Add(token);
        Good.Add("opaque");
        Refresh = $"refresh-{Interlocked.Increment(ref _issued)}";
        var idToken = IsSilent ? "" : $"\"id_token\":\"{token}\",";
        await JsonAsync(http, $$"""{{{idToken}}"access_token":"opaque","refresh_token":"{{Refresh}}","token_type":"Bearer"}""");
    }

    private static async Task<Dictionary<string, string>> FormAsync(HttpContext http) =>
        (await http.Request.ReadFormAsync()).ToDictionary(field => field.Key, field => field.Value.ToString());

    private static async Task JsonAsync(HttpContext http, string json, int status = 200, string type = "application/json")
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = type;
        await http.Response.WriteAsync(json);
    }
}
