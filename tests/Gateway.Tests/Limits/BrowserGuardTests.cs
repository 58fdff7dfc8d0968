using System.Net;
using System.Text;
using static OrleansCache.Gateway.Tests.Protocols.V1.SampleRequests;

namespace OrleansCache.Gateway.Tests.Limits;

public class BrowserGuardTests
{
    [Theory]
    [InlineData("Origin", "https://evil.example")]
    [InlineData("Origin", "null")]
    [InlineData("Origin", "")]
    [InlineData("Origin", "http://127.0.0.1:1")]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    [InlineData("Sec-Fetch-Site", "same-site")]
    [InlineData("Sec-Fetch-Site", "nonsense")]
    public async Task A_change_that_another_sites_page_sends_is_refused_before_anybody_asks_who_sends_it(string name, string value)
    {
        await using var gateway = await TestGateway.StartAsync();
        var asked = gateway.Tokens.Asked;

        foreach (var (method, path) in new[]
        {
            (HttpMethod.Post, "/v1/caches/default/missing"), (HttpMethod.Delete, "/v1/caches/default/pins/app"),
                (HttpMethod.Put, $"/c/default/{Hash}.narinfo"), (HttpMethod.Patch, "/nothing"),
            (HttpMethod.Put, "/upload/nar/x.nar.zst"), (HttpMethod.Post, $"/pin/{Hash}.narinfo"),
        })
        {
            using var answer = await gateway.SendAsync(method, path, (name, value), ("Authorization", "Bearer unknown"));
            Assert.Equal((HttpStatusCode.Forbidden, "urn:orleans-cache:error:cross-site"),
                (answer.StatusCode, (await answer.ProblemAsync()).Type));
        }

        using var niks3 = await gateway.SendAsync(HttpMethod.Post, "/api/pending_closures", (name, value));
        using var read = await gateway.GetAsync("/nix-cache-info", (name, value));
        Assert.Equal((HttpStatusCode.Forbidden, "text/plain"), (niks3.StatusCode, niks3.Content.Headers.ContentType?.MediaType));
        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        Assert.Equal(asked, gateway.Tokens.Asked);
    }

    [Fact]
    public async Task Our_own_pages_and_clients_that_are_no_browsers_are_let_through()
    {
        await using var gateway = await TestGateway.StartAsync(parts =>
            parts with { PublicUrl = new Uri("https://cache.example.org/sub") });
        var own = gateway.App.Urls.First();
        using var client = new HttpClient { BaseAddress = new Uri(own) };

        foreach (var (name, value) in new[] { ("X", "y"), ("Origin", own), ("Origin", "https://cache.example.org"),
            ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "none") })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/caches/default/missing")
            {
                Content = new StringContent(Missing,
                Encoding.UTF8, "application/json")
            };
            request.Headers.Authorization = new("Bearer", TestGateway.Token);
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
            using var answer = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Theory]
    [InlineData("/nix-cache-info", 200)]
    [InlineData($"/{Hash}.narinfo", 404)]
    [InlineData("/nothing/at/all", 404)]
    [InlineData("/v1/caches/default/gc", 401)]
    [InlineData("/livez", 200)]
    [InlineData("/", 200)]
    [InlineData("/openapi/v1.json", 200)]
    public async Task No_answer_is_taken_for_another_type_than_it_says(string path, int status)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync(path);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
    }

    [Theory]
    [InlineData($"log/{Hash}-x.drv", "text/plain; charset=utf-8")]
    [InlineData($"{Hash}.ls", "application/json")]
    [InlineData("realisations/sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c!out.doi", "application/json")]
    [InlineData($"build-trace-v2/{Hash}-x.drv/out.doi", "application/json")]
    [InlineData("debuginfo/00aabbcc.debug", "application/json")]
    public async Task What_clients_wrote_is_served_as_text_or_JSON_whatever_it_is(string key, string type)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(key, Nix.Zstd.Compress("<html><script>alert(1)</script>"u8));

        foreach (var coding in (string[])["zstd", "identity"])
        {
            using var answer = await gateway.GetAsync("/" + key, ("Accept-Encoding", coding));
            Assert.Equal((HttpStatusCode.OK, type), (answer.StatusCode, answer.Content.Headers.ContentType?.ToString()));
            Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
        }
    }
}
