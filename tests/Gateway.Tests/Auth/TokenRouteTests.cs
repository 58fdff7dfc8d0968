using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Tokens;

namespace OrleansCache.Gateway.Tests.Auth;

public class TokenRouteTests
{
    private const string Hello = "0c5b8vw40dy178xlpddw65q9gf1h2186-hello";

    private const string Push = $$"""
        {"roots":["0c5b8vw40dy178xlpddw65q9gf1h2186"],"paths":[{"path":"{{Hello}}","narHash":"sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s","narSize":1}]
        """;

    [Fact]
    public async Task A_token_is_made_with_what_was_asked_for_and_its_secret_is_told()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync("/v1/caches/default/tokens",
            """{"name":"ci","scopes":["push","pin"],"pins":["prod-*"],"expiresSeconds":3600}""");

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal("no-store", answer.Headers.CacheControl?.ToString());
        var created = await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.CreatedToken);
        Assert.Equal("oct_secret", created!.Secret);
        Assert.DoesNotContain("oct_secret", created.ToString(), StringComparison.Ordinal);
        var asked = gateway.Tokens.Created!;
        Assert.Equal(("ci", "prod-*", 3600), (asked.Name, Assert.Single(asked.Pins!).ToString(), asked.ExpiresSeconds));
        Assert.Equal([TokenScope.Push, TokenScope.Pin], asked.Scopes);
    }

    [Theory]
    [InlineData("""{"name":"ci","scopes":["everything"]}""")]
    [InlineData("""{"name":"ci","scopes":[1]}""")]
    [InlineData("""{"name":"ci","scopes":null}""")]
    [InlineData("""{"scopes":["push"]}""")]
    [InlineData("""{"name":"ci","scopes":["pin"],"pins":["a b"]}""")]
    [InlineData("""{"name":"ci","scopes":["pin"],"pins":[null]}""")]
    public async Task A_request_for_what_no_token_is_is_refused(string json)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync("/v1/caches/default/tokens", json);

        Assert.Equal("urn:orleans-cache:error:bad-request", (await answer.ProblemAsync()).Type);
        Assert.Null(gateway.Tokens.Created);
    }

    [Fact]
    public async Task A_token_is_revoked_by_its_id()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var revoked = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/default/tokens/7",
            ("Authorization", $"Bearer {TestGateway.Token}"));
        using var strange = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/default/tokens/ci",
            ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal((HttpStatusCode.NoContent, 7), (revoked.StatusCode, gateway.Tokens.Revoked));
        Assert.Equal("urn:orleans-cache:error:unknown-token", (await strange.ProblemAsync()).Type);
    }

    [Fact]
    public async Task While_the_database_is_away_a_token_is_neither_accepted_nor_refused()
    {
        await using var gateway = await TestGateway.StartAsync(privateReads: true);
        var token = gateway.Tokens.Add(TokenScope.Push);
        gateway.Tokens.Failure = new CacheProblemException(ProblemKind.Unavailable, "The database did not answer in time.");

        foreach (var path in new[] { "/v1/caches/default/missing", "/v1/caches/default/pushes/1/renew" })
        {
            using var answer = await SendAsync(gateway, HttpMethod.Post, path, token, """{"paths":[]}""");
            Assert.Equal("urn:orleans-cache:error:unavailable", (await answer.ProblemAsync()).Type);
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        using var bootstrap = await SendAsync(gateway, HttpMethod.Post, "/v1/caches/default/missing", TestGateway.Token,
            """{"paths":[]}""");
        Assert.Equal(HttpStatusCode.OK, bootstrap.StatusCode);
    }

    [Fact]
    public async Task What_the_store_says_is_told_with_its_code_and_is_never_a_fault_of_the_server()
    {
        await using var gateway = await TestGateway.StartAsync(privateReads: true);
        var token = gateway.Tokens.Add(TokenScope.Push);

        foreach (var said in StoreAnswer.Codes.Concat(StoreAnswer.Statuses).Where(a => a.Step != StoreStep.Understand))
        {
            gateway.Tokens.Failure = new ObjectStoreException("PUT nar/a", said);
            using var answer = await SendAsync(gateway, HttpMethod.Post, "/v1/caches/default/missing", token, """{"paths":[]}""");
            var problem = await answer.ProblemAsync();
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "urn:orleans-cache:error:unavailable"), (answer.StatusCode, problem.Type));
            Assert.Contains(said.Code, problem.Detail, StringComparison.Ordinal);
            Assert.Contains(said.Sentence, problem.Detail, StringComparison.Ordinal);
            Assert.DoesNotContain("in time", problem.Title, StringComparison.Ordinal);
        }

        gateway.Tokens.Failure = new ObjectStoreException("cannot write /srv/secret: Permission denied", isTransient: false);
        using var local = await SendAsync(gateway, HttpMethod.Post, "/v1/caches/default/missing", token, """{"paths":[]}""");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, local.StatusCode);
        Assert.DoesNotContain("/srv", (await local.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_anybody_may_read_asks_nobody_about_the_token_that_came_along()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Tokens.Failure = new CacheProblemException(ProblemKind.Unavailable, "The database did not answer in time.");

        using var answer = await SendAsync(gateway, HttpMethod.Get, "/nix-cache-info", TokenSecret.New(), null);

        Assert.Equal((HttpStatusCode.OK, 0), (answer.StatusCode, gateway.Tokens.Asked));
    }

    [Fact]
    public async Task A_token_of_another_cache_is_of_no_use_here()
    {
        await using var gateway = await TestGateway.StartAsync(privateReads: true);
        Assert.True(CacheName.TryParse("other", out var other));
        var token = gateway.Tokens.Add(new ValidToken(1, other, Enum.GetValues<TokenScope>(), null));

        foreach (var path in new[] { "/nix-cache-info", "/c/default/nix-cache-info", "/v1/caches/default/pins" })
        {
            using var answer = await SendAsync(gateway, HttpMethod.Get, path, token, null);
            Assert.Equal("urn:orleans-cache:error:forbidden", (await answer.ProblemAsync()).Type);
        }
    }

    [Theory]
    [InlineData("PUT", "/v1/caches/default/pins/{0}", $$"""{"path":"{{Hello}}"}""")]
    [InlineData("POST", "/v1/caches/default/pins/{0}/rollback", "{}")]
    [InlineData("DELETE", "/v1/caches/default/pins/{0}", null)]
    [InlineData("GET", "/v1/caches/default/pins/{0}", null)]
    [InlineData("POST", "/v1/caches/default/pushes", Push + ""","pin":{"name":"{0}"}}""")]
    public async Task A_token_for_some_pins_is_for_no_other(string method, string path, string? json)
    {
        await using var gateway = await TestGateway.StartAsync();
        var token = gateway.Tokens.Add(new ValidToken(1, CacheName.Default, [TokenScope.Push, TokenScope.Pin],
            [PinPattern.Parse("prod-*"), PinPattern.Parse("staging")]));

        foreach (var (pin, allowed) in new[] { ("prod-web", true), ("staging", true), ("staging2", false), ("web-prod-", false) })
        {
            using var answer = await SendAsync(gateway, new HttpMethod(method), path.Replace("{0}", pin, StringComparison.Ordinal), token,
                json?.Replace("{0}", pin, StringComparison.Ordinal));

            Assert.True(allowed == answer.IsSuccessStatusCode, $"{pin}: {answer.StatusCode}");
            if (!allowed)
                Assert.Contains("'prod-*'", (await answer.ProblemAsync()).Detail, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(gateway.Pins.Names, n => n.ToString() is "staging2" or "web-prod-");
    }

    [Fact]
    public async Task A_push_that_carries_a_pin_needs_the_scope_for_it()
    {
        await using var gateway = await TestGateway.StartAsync();
        var token = gateway.Tokens.Add(TokenScope.Push);

        using var pinned = await SendAsync(gateway, HttpMethod.Post, "/v1/caches/default/pushes", token,
            Push + ""","pin":{"name":"app"}}""");
        Assert.Null(gateway.Pushes.Begun);
        using var plain = await SendAsync(gateway, HttpMethod.Post, "/v1/caches/default/pushes", token, Push + "}");

        Assert.Equal("urn:orleans-cache:error:forbidden", (await pinned.ProblemAsync()).Type);
        Assert.Equal(HttpStatusCode.Created, plain.StatusCode);
    }

    [Theory]
    [InlineData("/v1/caches/default/pushes/7/commit")]
    [InlineData("/api/pending_closures/7/complete")]
    public async Task Who_commits_a_push_that_another_token_opened_needs_the_scope_for_its_pin(string commit)
    {
        await using var gateway = await TestGateway.StartAsync();
        var (opener, pusher) = (gateway.Tokens.Add(new ValidToken(1, CacheName.Default, [TokenScope.Push, TokenScope.Pin],
            [PinPattern.Parse("app")])), gateway.Tokens.Add(TokenScope.Push));
        var elsewhere = gateway.Tokens.Add(new ValidToken(3, CacheName.Default, [TokenScope.Push, TokenScope.Pin],
            [PinPattern.Parse("prod-*")]));
        using var opened = await SendAsync(gateway, HttpMethod.Post, "/v1/caches/default/pushes", opener,
            Push + ""","pin":{"name":"app"}}""");

        foreach (var token in new[] { pusher, elsewhere })
        {
            using var refused = await SendAsync(gateway, HttpMethod.Post, commit, token, null);
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        }

        Assert.False(gateway.Pushes.Entered.Task.IsCompleted);
        using var done = await SendAsync(gateway, HttpMethod.Post, commit, opener, null);
        Assert.True(done.IsSuccessStatusCode, $"{done.StatusCode}");
    }

    [Fact]
    public async Task The_list_of_pins_has_those_that_the_token_is_for()
    {
        await using var gateway = await TestGateway.StartAsync();
        var all = gateway.Tokens.Add(TokenScope.Pin);
        var some = gateway.Tokens.Add(new ValidToken(2, CacheName.Default, [TokenScope.Pin], [PinPattern.Parse("prod-*")]));

        Assert.Equal("app", Assert.Single(await PinsAsync(all)).Name.ToString());
        Assert.Empty(await PinsAsync(some));

        async Task<IReadOnlyList<Pin>> PinsAsync(string token)
        {
            using var answer = await SendAsync(gateway, HttpMethod.Get, "/v1/caches/default/pins", token, null);
            return (await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.PinList))!.Pins;
        }
    }

    private static async Task<HttpResponseMessage> SendAsync(TestGateway gateway, HttpMethod method, string path,
        string token, string? json)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Content = json is null ? null
            : new StringContent(json, Encoding.UTF8, "application/json")
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return await gateway.Client.SendAsync(request);
    }
}
