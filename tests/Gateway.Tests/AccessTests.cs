using System.Net;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Tests;

public class AccessTests
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    // Every route of the server: its methods, pattern and access, and a path that reaches it.
    private static readonly (string Methods, string Pattern, Access Access, string Path)[] Table =
    [
        ("GET", "/v1/caches/{cache}", Access.Open, "/v1/caches/default"),
        ("POST", "/v1/caches/{cache}/pushes", Access.Write, "/v1/caches/default/pushes"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/uploaded", Access.Write, "/v1/caches/default/pushes/1/uploaded"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/wait", Access.Write, "/v1/caches/default/pushes/1/wait"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/uploads/{upload}/urls", Access.Write, "/v1/caches/default/pushes/1/uploads/2/urls"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/commit", Access.Write, "/v1/caches/default/pushes/1/commit"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/renew", Access.Write, "/v1/caches/default/pushes/1/renew"),
        ("DELETE", "/v1/caches/{cache}/pushes/{push}", Access.Write, "/v1/caches/default/pushes/1"),
        ("POST", "/v1/caches/{cache}/missing", Access.Write, "/v1/caches/default/missing"),
        ("POST", "/v1/caches/{cache}/gc", Access.Write, "/v1/caches/default/gc"),
        ("GET", "/v1/caches/{cache}/gc", Access.Write, "/v1/caches/default/gc"),
        ("GET", "/v1/caches/{cache}/gc/runs", Access.Write, "/v1/caches/default/gc/runs"),
        ("GET", "/v1/caches/{cache}/gc/runs/{run}", Access.Write, "/v1/caches/default/gc/runs/1"),
        ("POST", "/v1/caches/{cache}/gc/cancel", Access.Write, "/v1/caches/default/gc/cancel"),
        ("GET", "/v1/caches/{cache}/why/{path}", Access.Write, $"/v1/caches/default/why/{Hash}"),
        ("GET", "/v1/caches/{cache}/fsck", Access.Write, "/v1/caches/default/fsck"),
        ("GET", "/v1/caches/{cache}/pins", Access.Write, "/v1/caches/default/pins"),
        ("GET", "/v1/caches/{cache}/pins/{name}", Access.Write, "/v1/caches/default/pins/app"),
        ("PUT", "/v1/caches/{cache}/pins/{name}", Access.Write, "/v1/caches/default/pins/app"),
        ("DELETE", "/v1/caches/{cache}/pins/{name}", Access.Write, "/v1/caches/default/pins/app"),
        ("POST", "/v1/caches/{cache}/pins/{name}/rollback", Access.Write, "/v1/caches/default/pins/app/rollback"),
        ("PUT", "/upload/{**key}", Access.SignedUrl, "/upload/nar/x.nar.zst"),
        .. Reads(""),
        .. Reads("/c/{cache}"),
        ("GET", "/livez", Access.Open, "/livez"),
        ("GET", "/readyz", Access.Open, "/readyz"),
        ("GET", "/metrics", Access.Open, "/metrics"),
        ("GET,HEAD", "/", Access.Read, "/"),
        ("GET,HEAD", "/index.html", Access.Read, "/index.html"),
        ("GET,HEAD", "/c/{cache}", Access.Read, "/c/default/"),
        ("GET,HEAD", "/c/{cache}/index.html", Access.Read, "/c/default/index.html"),
        ("GET", "/openapi/{documentName}.json", Access.Open, "/openapi/v1.json"),
    ];

    [Fact]
    public async Task Every_route_has_its_row_in_the_access_table()
    {
        await using var gateway = await TestGateway.StartAsync();

        var routes = gateway.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Select(e => (
            Methods: string.Join(',', e.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods),
            Pattern: "/" + e.RoutePattern.RawText!.Trim('/'),
            e.Metadata.GetRequiredMetadata<AccessMetadata>().Access));

        Assert.Equal(Table.Select(r => (r.Methods, r.Pattern, r.Access)).Order(), routes.Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_route_that_needs_a_token_answers_401_without_the_right_one(bool privateReads)
    {
        await using var gateway = await TestGateway.StartAsync(privateReads: privateReads);
        foreach (var (methods, _, access, path) in Table)
        {
            var needsToken = access == Access.Write || (access == Access.Read && privateReads);
            foreach (var method in methods.Split(',').Select(m => new HttpMethod(m)))
            {
                foreach (var wrong in new[] { null, "Bearer ", "Bearer wrong", $"Bearer {TestGateway.Token}x", "Basic !", Basic("correct-horse", "wrong"), Basic(TestGateway.Token, ""), $"Digest {TestGateway.Token}" })
                {
                    using var refused = await gateway.SendAsync(method, path, wrong is null ? [] : [("Authorization", wrong)]);
                    Assert.True(needsToken == (refused.StatusCode == HttpStatusCode.Unauthorized), $"{method} {path} with '{wrong}': {refused.StatusCode}");
                    if (needsToken)
                        Assert.Equal(["Basic", "Bearer"], refused.Headers.WwwAuthenticate.Select(w => w.Scheme));
                }

                foreach (var right in new[] { $"Bearer {TestGateway.Token}", $"bearer {TestGateway.SecondToken}", Basic("anybody", TestGateway.Token) })
                {
                    using var allowed = await gateway.SendAsync(method, path, ("Authorization", right));
                    Assert.True(allowed.StatusCode != HttpStatusCode.Unauthorized, $"{method} {path} with '{right}'");
                }
            }
        }

        Assert.Null(gateway.Pushes.Begun);
    }

    [Fact]
    public async Task A_refused_login_is_a_problem_that_says_what_to_send_and_not_what_was_sent()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.SendAsync(HttpMethod.Post, "/v1/caches/default/missing", ("Authorization", "Bearer my-wrong-secret"));

        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal("urn:orleans-cache:error:unauthorized", (await answer.ProblemAsync()).Type);
        Assert.DoesNotContain("my-wrong-secret", text, StringComparison.Ordinal);
        Assert.DoesNotContain(gateway.Log, l => l.Contains("my-wrong-secret", StringComparison.Ordinal));
    }

    private static IEnumerable<(string, string, Access, string)> Reads(string prefix)
    {
        var at = prefix.Replace("{cache}", "default", StringComparison.Ordinal);
        (string Pattern, string Path)[] kinds =
        [
            ("/nix-cache-info", "/nix-cache-info"), ("/{hash}.narinfo", $"/{Hash}.narinfo"), ("/{hash}.ls", $"/{Hash}.ls"), ("/nar/{file}", "/nar/x.nar.zst"),
            ("/log/{drv}", "/log/x.drv"), ("/realisations/{id}", "/realisations/sha256:00!out.doi"), ("/build-trace-v2/{drv}/{output}", "/build-trace-v2/x.drv/out.doi"), ("/pins/{name}", "/pins/main"),
        ];
        return kinds.Select(k => ("GET,HEAD", prefix + k.Pattern, Access.Read, at + k.Path));
    }

    private static string Basic(string user, string password) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
}
