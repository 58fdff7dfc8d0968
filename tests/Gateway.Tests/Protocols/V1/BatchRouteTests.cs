using System.Net;
using System.Text;
using System.Text.Json;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class BatchRouteTests
{
    private const string Route = "/v1/caches/default/uploads";

    [Fact]
    public async Task Each_nar_of_a_batch_is_answered_as_its_own_put_would_be()
    {
        await using var gateway = await TestGateway.StartAsync();
        var (first, second, part) = (Url(gateway, "nar/a.nar.zst"), Url(gateway, "nar/b.nar.zst"), await PartUrlAsync(gateway));

        using var answer = await PostAsync(gateway,
            $"{first} 5\n{first[..^1]}! 3\n{second} 4\n{Url(gateway, "nar/c.nar.zst")} 101\n{part} 2\n{first} " +
            $"1\n\nhelloabcfour{new string('x', 101)}ppz");

        Assert.Equal([200, 403, 200, 413, 403, 412], await StatusesAsync(answer));
        Assert.Equal(("hello", "four"), (await ReadAsync(gateway, "nar/a.nar.zst"), await ReadAsync(gateway, "nar/b.nar.zst")));
        Assert.Null(await gateway.Store.HeadAsync(ObjectKey.Parse("nar/c.nar.zst"), CancellationToken.None));
    }

    [Fact]
    public async Task A_thousand_nars_fit_and_one_more_does_not()
    {
        await using var gateway = await TestGateway.StartAsync();
        var lines = string.Concat(Enumerable.Range(0, BatchLimits.Objects).Select(i => $"{Url(gateway, $"nar/{i}.nar.zst")} 2\n"));

        using var refused = await PostAsync(gateway,
            $"{lines}{Url(gateway, "nar/more.nar.zst")} 2\n\n{new string('x', (2 * BatchLimits.Objects) + 2)}");
        using var stored = await PostAsync(gateway, $"{lines}\n{new string('x', 2 * BatchLimits.Objects)}");

        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "urn:orleans-cache:error:too-large"),
            (refused.StatusCode, (await refused.ProblemAsync()).Type));
        Assert.All(await StatusesAsync(stored), status => Assert.Equal(200, status));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("{0} 5\n")]
    [InlineData("{0} 5\n\n")]
    [InlineData("{0} 5\n\nhell")]
    [InlineData("{0} 5\n\nhello!")]
    [InlineData("{0} -5\n\nhello")]
    [InlineData("{0} 5 \n\nhello")]
    [InlineData("{0}\n\nhello")]
    [InlineData("no-end-of-line")]
    public async Task A_body_that_is_no_batch_is_refused_and_leaves_nothing(string body)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await PostAsync(gateway, body.Replace("{0}", Url(gateway, "nar/a.nar.zst"), StringComparison.Ordinal));

        Assert.Equal((HttpStatusCode.BadRequest, "urn:orleans-cache:error:bad-request"),
            (answer.StatusCode, (await answer.ProblemAsync()).Type));
        Assert.Null(await gateway.Store.HeadAsync(ObjectKey.Parse("nar/a.nar.zst"), CancellationToken.None));
    }

    [Fact]
    public async Task A_line_without_end_is_refused_before_it_fills_the_memory()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await PostAsync(gateway, new string('x', 100_000));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task A_url_that_has_expired_stores_nothing()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await PostAsync(gateway,
            $"{gateway.Store.SignPut(ObjectKey.Parse("nar/a.nar.zst"), 100, TimeSpan.FromMinutes(-1)).Url} 5\n\nhello");

        Assert.Equal([403], await StatusesAsync(answer));
        Assert.Null(await gateway.Store.HeadAsync(ObjectKey.Parse("nar/a.nar.zst"), CancellationToken.None));
    }

    private static string Url(TestGateway gateway, string key) =>
        gateway.Store.SignPut(ObjectKey.Parse(key), 100, TimeSpan.FromMinutes(5)).Url.AbsoluteUri;

    private static async Task<string> PartUrlAsync(TestGateway gateway)
    {
        var key = ObjectKey.Parse("nar/parts.nar.zst");
        return gateway.Store.SignParts(key, await gateway.Store.BeginMultipartAsync(key, 10, CancellationToken.None), 10, 1, 1,
            TimeSpan.FromMinutes(5))[0].AbsoluteUri;
    }

    private static Task<HttpResponseMessage> PostAsync(TestGateway gateway, string body) =>
        gateway.PostAsync(Route, new ByteArrayContent(Encoding.ASCII.GetBytes(body)));

    private static async Task<IReadOnlyList<int>> StatusesAsync(HttpResponseMessage answer) =>
        JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ProtocolJson.Default.BatchAnswer)!.Statuses;

    private static async Task<string> ReadAsync(TestGateway gateway, string key)
    {
        await using var body = await gateway.Store.GetAsync(ObjectKey.Parse(key), null, CancellationToken.None);
        using var reader = new StreamReader(body!.Stream);
        return await reader.ReadToEndAsync();
    }
}
