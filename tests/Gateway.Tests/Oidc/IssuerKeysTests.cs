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
        Assert.Contains("has not reached the issuer", detail, StringComparison.Ordinal);
        Assert.Contains("answers 503", detail, StringComparison.Ordinal);
        cache.Provider.IsAway = false;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await cache.PushAsync(token)).Status);
        clock.Move(TimeSpan.FromMinutes(1));
        await Eventually.BecomesTrueAsync(async () => (await cache.PushAsync(token)).Status == HttpStatusCode.OK);
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
        Assert.Contains(expected, detail, StringComparison.Ordinal);
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

        Assert.Single(await keys.FindAsync("key-1", "RS256", CancellationToken.None));
        provider.Rotate("ES256");
        await File.WriteAllTextAsync(folder["keys.json"], provider.KeySet());
        Assert.Empty(await keys.FindAsync("key-2", "ES256", CancellationToken.None));
        clock.Move(TimeSpan.FromMinutes(1));
        Assert.Single(await keys.FindAsync("key-2", "ES256", CancellationToken.None));
        Assert.Empty(await keys.FindAsync("key-2", "ES384", CancellationToken.None));
        Assert.Equal(0, provider.Fetches);
    }
}
