using System.Net;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

/// <summary>The audit log over HTTP, and what the routes tell it of who asks.</summary>
public class AuditTests
{
    [Fact]
    public async Task The_log_is_asked_for_as_the_query_says()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync(
            "/v1/caches/default/audit?since=2030-01-31T12:00:00Z&until=2030-02-01&by=token:7&action=pin&limit=5&after=1-2",
            ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal(
            """{"lines":[{"at":"1970-01-01T00:00:00+00:00","publisher":"token:7","address":"192.0.2.7","action":"commit","detail":{"published":2}}],"next":"1-2"}""", await answer.Content.ReadAsStringAsync());
        Assert.Equal(
            new AuditQuery(new DateTimeOffset(2030, 1, 31, 12, 0, 0, TimeSpan.Zero), new DateTimeOffset(2030, 2, 1, 0, 0, 0, TimeSpan.Zero),
                "token:7", "pin", "1-2", 5), gateway.Audit.Query);
    }

    [Theory]
    [InlineData("since=yesterday", "since is 'yesterday'")]
    [InlineData("until=x", "until is 'x'")]
    [InlineData("limit=0", "limit is '0'")]
    [InlineData("limit=1001", "limit is '1001'")]
    public async Task A_malformed_question_is_refused(string query, string detail)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync($"/v1/caches/default/audit?{query}", ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(detail, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_asks_is_known_by_publisher_and_address()
    {
        await using var gateway = await TestGateway.StartAsync();
        var token = gateway.Tokens.Add(TokenScope.Gc, TokenScope.Admin);

        using var gc = await gateway.PostAsync("/v1/caches/default/gc", "{}");
        Assert.Equal(("file:", "127.0.0.1"), (gateway.Collection.Caller?.Publisher[..5], gateway.Collection.Caller?.Address));
        using var niks3 = await gateway.SendAsync(HttpMethod.Delete, "/api/closures?older-than=1h", ("Authorization", $"Bearer {token}"));
        using var revoked = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/default/tokens/9", ("Authorization", $"Bearer {token}"));

        Assert.Equal(("token:1", "127.0.0.1"), (gateway.Tokens.Caller?.Publisher, gateway.Tokens.Caller?.Address));
        Assert.Equal(("token:1", "127.0.0.1"), (gateway.Collection.Caller?.Publisher, gateway.Collection.Caller?.Address));
    }
}
