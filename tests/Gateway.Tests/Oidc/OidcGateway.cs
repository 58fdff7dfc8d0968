using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Oidc;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Oidc;

/// <summary>A gateway that lets in the jobs of an issuer of its own.</summary>
internal sealed class OidcGateway : IAsyncDisposable
{
    public const string Audience = "https://cache.example.org";

    private OidcGateway(OidcProvider provider, Identities identities, TestGateway gateway, List<string> log) =>
        (Provider, Identities, Gateway, Log) = (provider, identities, gateway, log);

    public OidcProvider Provider { get; }

    public Identities Identities { get; }

    public TestGateway Gateway { get; }

    /// <summary>Of the identities; that of the requests is the gateway's.</summary>
    public List<string> Log { get; }

    /// <param name="rules">In JSON; null: the repository 1296269 may push.</param>
    /// <param name="time">Of the fetches.</param>
    /// <param name="provider">That of the test, which may be away at the start.</param>
    /// <param name="isPrivate">Reads need a credential.</param>
    public static async Task<OidcGateway> StartAsync(string? rules = null, TimeProvider? time = null, OidcProvider? provider = null,
        bool isPrivate = false)
    {
        provider ??= new OidcProvider();
        var issuers = AccessFile.Parse(Encoding.UTF8.GetBytes($$"""
            {"issuers":[{"name":"test","issuer":"{{provider.Url}}","rules":[
              {{rules ?? """{"name":"ci","claims":{"repository_id":"1296269"},"scopes":"push"}"""}}]}]}
            """), "/etc/access.json", new Uri(Audience)).Issuers;
        var (subjects, log) = (new ScriptedSubjects(), new List<string>());
        var identities = Identities.Start(issuers, subjects, new ListLogger(log), time ?? TimeProvider.System);
        var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Subjects = subjects,
            Identities = identities,
            Credentials = new TokenCredentials(new TokenFile([TestGateway.Token], isPrivate), parts.Tokens, identities),
            Limits = new() { FailedLogins = 0 },
        });
        return new OidcGateway(provider, identities, gateway, log);
    }

    /// <summary>A token of a GitHub job.</summary>
    public string Issue(params (string Name, JsonNode? Value)[] changes)
    {
        var claims = ExampleClaims.GitHub(Audience);
        foreach (var (name, value) in changes)
        {
            claims.Remove(name);
            if (value is not null)
                claims[name] = value;
        }

        return Provider.Issue(claims);
    }

    /// <summary>Asks what is missing, which needs the scope <c>push</c>.</summary>
    public async Task<(HttpStatusCode Status, string Detail)> PushAsync(string token, string cache = "default")
    {
        using var answer = await SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/missing", token, """{"paths":[]}""");
        return (answer.StatusCode, answer.IsSuccessStatusCode ? "" : (await answer.ProblemAsync()).Detail ?? "");
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string token, string? json = null)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json")
        };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
        return await Gateway.Client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Identities.DisposeAsync();
        await Provider.DisposeAsync();
    }
}
