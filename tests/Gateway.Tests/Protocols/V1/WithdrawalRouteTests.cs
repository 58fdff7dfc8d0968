using System.Net;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class WithdrawalRouteTests
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    [Theory]
    [InlineData(EvictionState.Done, HttpStatusCode.OK)]
    [InlineData(EvictionState.Running, HttpStatusCode.Accepted)]
    public async Task An_eviction_is_the_callers_and_one_that_goes_on_is_asked_for_again(EvictionState state, HttpStatusCode expected)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Withdrawals.State = state;

        using var answer = await PostAsync(gateway, $$"""{"paths":["{{Hash}}"],"reason":"broken"}""");

        Assert.Equal(expected, answer.StatusCode);
        Assert.Equal(state == EvictionState.Running, answer.Headers.RetryAfter is not null);
        var (request, caller, operation) = gateway.Withdrawals.Evicted!.Value;
        Assert.Equal((Hash, "broken", "k1"), (request.Paths![0].ToString(), request.Reason, operation.Value));
        Assert.StartsWith("file:", caller.Publisher, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_publisher_published_is_asked_for_by_page()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await SendAsync(gateway, HttpMethod.Get,
            "/v1/caches/default/paths?by=token:7&since=2026-05-01T12:00:00Z&after=5&limit=9");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(("token:7", new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero), "5", 9), gateway.Withdrawals.Listed);
    }

    [Theory]
    [InlineData("paths")]
    [InlineData("paths?by=token:7&since=yesterday")]
    [InlineData("paths?by=token:7&limit=x")]
    [InlineData("bars?lifted=x")]
    public async Task What_makes_no_sense_is_a_400(string query)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await SendAsync(gateway, HttpMethod.Get, $"/v1/caches/default/{query}");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Theory]
    [InlineData("3", HttpStatusCode.NoContent)]
    [InlineData("9999", HttpStatusCode.NotFound)]
    [InlineData("x", HttpStatusCode.NotFound)]
    public async Task A_bar_is_lifted_by_its_id(string id, HttpStatusCode expected)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await SendAsync(gateway, HttpMethod.Delete, $"/v1/caches/default/bars/{id}");

        Assert.Equal(expected, answer.StatusCode);
        if (expected == HttpStatusCode.NotFound)
            Assert.Equal("urn:orleans-cache:error:unknown-bar", (await answer.ProblemAsync()).Type);
    }

    private static Task<HttpResponseMessage> SendAsync(TestGateway gateway, HttpMethod method, string path) =>
        gateway.SendAsync(method, path, ("Authorization", $"Bearer {TestGateway.Token}"));

    private static async Task<HttpResponseMessage> PostAsync(TestGateway gateway, string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/caches/default/evictions")
        {
            Content = new StringContent(json,
            System.Text.Encoding.UTF8, "application/json")
        };
        request.Headers.Add("Authorization", $"Bearer {TestGateway.Token}");
        request.Headers.Add("Idempotency-Key", "k1");
        return await gateway.Client.SendAsync(request);
    }
}
