using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Gateway.Oidc;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Oidc;

/// <summary>An issuer whose keys change, and who is away now and then.</summary>
public class IssuerKeysTests
{
    [Fact]
    public async Task A_new_key_is_fetched_when_a_token_names_it_and_a_former_one_goes_with_the_next_fetch()
    {
        var clock = new TimerClock();
        await using var cache = await OidcGateway.StartAsync(time: clock);
        var (former, old) = (cache.Provider.Key, cache.Issue());
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(old)).Status);

        cache.Provider.Rotate();
        clock.Move(TimeSpan.FromMinutes(2));
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(cache.Issue())).Status);
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(old)).Status);
        Assert.Equal(2, cache.Provider.Fetches);

        cache.Provider.Withdraw(former);
        clock.Move(TimeSpan.FromHours(1));
        await Eventually.BecomesTrueAsync(async () => (await cache.PushAsync(old)).Status == HttpStatusCode.Unauthorized);
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(cache.Issue())).Status);
    }

    [Fact]
    public async Task A_flood_of_unknown_keys_costs_one_fetch_a_minute()
    {
        var clock = new TimerClock();
        await using var cache = await OidcGateway.StartAsync(time: clock);
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(cache.Issue())).Status);
        using var stranger = TokenKey.Make("unknown");
        var claims = ExampleClaims.GitHub(OidcGateway.Audience);
        (claims["iss"], claims["exp"]) = (cache.Provider.Url, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 300);

        for (var minute = 0; minute < 3; minute++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(n =>
                cache.PushAsync(stranger.Sign(claims, new JsonObject { ["kid"] = $"k{n}" }))));
            Assert.All(answers, a => Assert.Equal(HttpStatusCode.Unauthorized, a.Status));
            Assert.Equal(minute + 1, cache.Provider.Fetches);
            clock.Move(TimeSpan.FromMinutes(1));
        }
    }

    [Fact]
    public async Task An_issuer_that_is_away_keeps_nobody_out_whose_key_is_known_and_lets_nobody_new_in()
    {
        var clock = new TimerClock();
        await using var cache = await OidcGateway.StartAsync(time: clock);
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(cache.Issue())).Status);
        var known = cache.Issue();

        cache.Provider.IsAway = true;
        cache.Provider.Rotate();
        var unknown = cache.Issue();
        for (var hour = 0; hour < 3; hour++)
        {
            clock.Move(TimeSpan.FromHours(1));
            Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(known)).Status);
            Assert.Equal(HttpStatusCode.Unauthorized, (await cache.PushAsync(unknown)).Status);
        }

        cache.Provider.IsAway = false;
        clock.Move(TimeSpan.FromMinutes(1));
        await Eventually.BecomesTrueAsync(async () => (await cache.PushAsync(unknown)).Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task Of_an_issuer_that_was_never_reached_nothing_is_known_and_it_is_asked_again()
    {
        var clock = new TimerClock();
        await using var cache = await OidcGateway.StartAsync(time: clock, provider: new OidcProvider { IsAway = true });
        var token = cache.Issue();

        var (status, detail) = await cache.PushAsync(token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal("The token cannot be checked: the server has no keys of its issuer yet. Send the same request again in a minute.", detail);
        Assert.Contains("answers 503", Assert.Single(cache.Log), StringComparison.Ordinal);
        cache.Provider.IsAway = false;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await cache.PushAsync(token)).Status);
        clock.Move(TimeSpan.FromMinutes(1));
        await Eventually.BecomesTrueAsync(async () => (await cache.PushAsync(token)).Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task While_an_issuer_was_never_reached_its_trouble_is_logged_once_and_no_request_is()
    {
        var clock = new TimerClock();
        await using var cache = await OidcGateway.StartAsync(time: clock, provider: new OidcProvider { IsAway = true });
        using var stranger = TokenKey.Make("any");
        var claims = ExampleClaims.GitHub(OidcGateway.Audience);
        (claims["iss"], claims["exp"]) = (cache.Provider.Url, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 300);

        for (var minute = 0; minute < 3; minute++)
        {
            for (var n = 0; n < 10; n++)
            {
                using var answer = await cache.SendAsync(n % 2 == 0 ? HttpMethod.Post : HttpMethod.Get,
                    n % 2 == 0 ? "/v1/caches/default/missing" : "/v1/whoami", stranger.Sign(claims), n % 2 == 0 ? "{}" : null);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                Assert.NotNull(answer.Headers.RetryAfter);
            }

            clock.Move(TimeSpan.FromMinutes(1));
        }

        Assert.Single(cache.Log);
        Assert.Empty(cache.Gateway.Log);
        using var check = await cache.Gateway.PostAsync("/v1/access/check", new JsonObject { ["token"] = cache.Issue() }.ToJsonString());
        Assert.Equal(HttpStatusCode.OK, check.StatusCode);
        Assert.Contains("has no keys of its issuer yet", await check.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_issuer_writes_is_logged_as_one_short_line()
    {
        var provider = new OidcProvider();
        provider.Discovery = new JsonObject
        {
            ["issuer"] = $"x\r\nFake: all is well\u001b[2J\u202e\u2028{new string('y', 5000)}",
            ["jwks_uri"] = $"{provider.Url}/keys",
        }.ToJsonString();
        await using var cache = await OidcGateway.StartAsync(provider: provider);

        var (status, detail) = await cache.PushAsync(cache.Issue());

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.DoesNotContain("Fake", detail, StringComparison.Ordinal);
        var line = Assert.Single(cache.Log);
        Assert.Contains("is of the issuer 'x??Fake: all is well?[2J??yyy", line, StringComparison.Ordinal);
        Assert.Contains("…': write that", line, StringComparison.Ordinal);
        Assert.DoesNotContain(line, c => char.IsControl(c) || c is '\u202e' or '\u2028');
        Assert.InRange(line.Length, 1, 400);
    }

    [Theory]
    [InlineData("http://127.0.0.1:9000/keys", 1)]
    [InlineData("http://localhost/keys", 1)]
    [InlineData("https://127.0.0.1:9000/keys", 2)]
    public async Task Keys_of_an_issuer_elsewhere_are_not_fetched_from_this_machine_without_tls(string keys, int requests)
    {
        var issuer = new Issuer("far", "https://issuer.example", ["a"], null, []);
        using var handler = new ScriptedHandler(_ => new HttpResponseMessage
        {
            Content = new StringContent(new JsonObject { ["issuer"] = issuer.Url, ["jwks_uri"] = keys }.ToJsonString())
        });
        using var http = new HttpClient(handler);

        var fault = await Assert.ThrowsAsync<KeySourceException>(() => new KeySource(issuer, http).FetchAsync(CancellationToken.None));

        Assert.Equal(requests, handler.Requests);
        Assert.Equal(requests == 1, fault.Message.Contains("which is no https URL", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_fault_that_nobody_foresaw_is_logged_and_the_keys_are_asked_for_again()
    {
        await using var provider = new OidcProvider();
        var issuer = new Issuer("odd", "https://issuer.example", ["a"], null, []);
        using var handler = new ScriptedHandler(request => new HttpResponseMessage
        {
            Content = new StringContent(request.RequestUri!.AbsolutePath == "/keys" ? provider.KeySet()
                : new JsonObject { ["issuer"] = issuer.Url, ["jwks_uri"] = "https://issuer.example/keys" }.ToJsonString())
        })
        { Failure = new NotSupportedException("one\ntwo") };
        using var http = new HttpClient(handler);
        var (clock, log) = (new TimerClock(), new List<string>());
        var keys = new IssuerKeys(issuer, new KeySource(issuer, http), clock, new ListLogger(log));

        Assert.Null(await keys.FindAsync("key-1", "RS256", CancellationToken.None));
        clock.Move(TimeSpan.FromMinutes(1));
        await Eventually.BecomesTrueAsync(() => Task.FromResult(handler.Requests >= 2));
        Assert.Null(await keys.FindAsync("key-1", "RS256", CancellationToken.None));
        Assert.Contains("NotSupportedException: one?two", Assert.Single(log), StringComparison.Ordinal);

        // The timer alone brings them.
        handler.Failure = null;
        clock.Move(TimeSpan.FromMinutes(1));
        await Eventually.BecomesTrueAsync(() => Task.FromResult(handler.Requests >= 4));
        Assert.Single((await keys.FindAsync("key-1", "RS256", CancellationToken.None))!);

        handler.Failure = new NotSupportedException("three");
        clock.Move(TimeSpan.FromHours(1));
        await keys.FetchAsync();
        await keys.DisposeAsync();
        Assert.Equal(2, log.Count);
    }

    [Theory]
    [InlineData("""{"issuer":"https://elsewhere.example","jwks_uri":"{0}/keys"}""", null, "is of the issuer 'https://elsewhere.example'")]
    [InlineData("""{"issuer":"{0}","jwks_uri":"http://192.0.2.1/keys"}""", null, "which is no https URL")]
    [InlineData("""{"issuer":"{0}","jwks_uri":"file:///etc/passwd"}""", null, "which is no https URL")]
    [InlineData("""{"issuer":"{0}"}""", null, "is no discovery document")]
    [InlineData("nothing", null, "is no JSON")]
    [InlineData(null, "nothing", "is no JWKS")]
    [InlineData(null, """{"keys":[]}""", "has no key for one of")]
    [InlineData(null, """{"keys":[{"kty":"oct","kid":"key-1","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}""", "has no key for one of")]
    [InlineData(null, """{"keys":[{"kty":"RSA","kid":"key-1","n":"AQAB","e":"AQAB"}]}""", "RSA needs 2048 bits")]
    public async Task What_an_issuer_answers_wrongly_is_told(string? discovery, string? keys, string expected)
    {
        var provider = new OidcProvider();
        provider.Discovery = discovery?.Replace("{0}", provider.Url, StringComparison.Ordinal);
        provider.Keys = keys;
        await using var cache = await OidcGateway.StartAsync(provider: provider);

        var (status, detail) = await cache.PushAsync(cache.Issue());

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.DoesNotContain(expected, detail, StringComparison.Ordinal);
        Assert.Contains(expected, Assert.Single(cache.Log), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_is_too_large_is_not_read()
    {
        await using var cache = await OidcGateway.StartAsync(provider: new OidcProvider { Keys = new string(' ', KeySource.MaxBytes + 1) });

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await cache.PushAsync(cache.Issue())).Status);
    }

    [Fact]
    public async Task Keys_of_a_file_need_no_network_and_are_read_again_when_a_token_names_a_new_one()
    {
        using var folder = new TempFolder();
        await using var provider = new OidcProvider { IsAway = true };
        await File.WriteAllTextAsync(folder["keys.json"], provider.KeySet());
        var clock = new TimerClock();
        var issuer = new Issuer("file", provider.Url, ["a"], folder["keys.json"], []);
        using var http = KeySource.OpenHttp();
        await using var keys = new IssuerKeys(issuer, new KeySource(issuer, http), clock, NullLogger.Instance);

        Assert.Single((await keys.FindAsync("key-1", "RS256", CancellationToken.None))!);
        provider.Rotate("ES256");
        await File.WriteAllTextAsync(folder["keys.json"], provider.KeySet());
        Assert.Empty((await keys.FindAsync("key-2", "ES256", CancellationToken.None))!);
        clock.Move(TimeSpan.FromMinutes(1));
        Assert.Single((await keys.FindAsync("key-2", "ES256", CancellationToken.None))!);
        Assert.Empty((await keys.FindAsync("key-2", "ES384", CancellationToken.None))!);
        Assert.Equal(0, provider.Fetches);
    }

    private sealed class ScriptedHandler(Func<HttpRequestMessage, HttpResponseMessage> answer) : HttpMessageHandler
    {
        private int _requests;

        public int Requests => Volatile.Read(ref _requests);

        public Exception? Failure { get; set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _requests);
            return Failure is { } failure ? Task.FromException<HttpResponseMessage>(failure) : Task.FromResult(answer(request));
        }
    }
}
