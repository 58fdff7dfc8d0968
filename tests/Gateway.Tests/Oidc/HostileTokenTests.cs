using System.Collections.Concurrent;
using System.Net;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Oidc;

/// <summary>
/// Tokens that were forged, are expired, or mean something else, made by .NET's cryptography and checked by another library: none is let
/// in, and none is answered with a fault.
/// </summary>
public class HostileTokenTests
{
    private const int Count = 5000;
    private const int AtOnce = 16;

    [Fact]
    public async Task Of_five_thousand_hostile_tokens_none_is_let_in_and_none_is_a_fault()
    {
        await using var other = new OidcProvider();
        await using var cache = await OidcGateway.StartAsync();
        var tokens = new HostileTokens(cache.Provider, other, seed: 20_261_130);
        var answers = new ConcurrentDictionary<(string What, HttpStatusCode Status), int>();
        Assert.Equal((HttpStatusCode.OK, ""), await cache.PushAsync(cache.Provider.Key.Sign(tokens.Claims())));

        await Parallel.ForEachAsync(tokens.Make(Count).ToList(), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (hostile, _) =>
            {
                var (status, _) = await cache.PushAsync(hostile.Token);
                answers.AddOrUpdate((hostile.What, status), 1, (_, n) => n + 1);
            });

        Assert.Equal(Count, answers.Values.Sum());
        Assert.Empty(answers.Keys.Where(a => a.Status is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden))
            .Select(a => $"{a.What}: {a.Status}"));
        // A valid token is refused for its claims alone, and nothing else is taken for valid.
        Assert.All(answers.Keys, a => Assert.True(a.Status == HttpStatusCode.Forbidden
            == (a.What.Contains("repository", StringComparison.Ordinal) || a.What.StartsWith("a number that is", StringComparison.Ordinal)),
            $"{a.What}: {a.Status}"));
        Assert.DoesNotContain(cache.Gateway.Log, line => line.Contains("failed", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(cache.Issue())).Status);
        Assert.InRange(cache.Provider.Fetches, 1, 5);
    }

    [Fact]
    public async Task A_token_may_end_with_the_last_second_of_all()
    {
        await using var cache = await OidcGateway.StartAsync();

        Assert.Equal((HttpStatusCode.OK, ""), await cache.PushAsync(cache.Issue(("exp", 253_402_300_798))));
        var (status, detail) = await cache.PushAsync(cache.Issue(("exp", 253_402_300_799)));
        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.Contains("'exp'", detail, StringComparison.Ordinal);
    }
}
