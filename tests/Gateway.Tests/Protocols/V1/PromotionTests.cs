using System.Net;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Tests.Caches;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

/// <summary>Promotions over HTTP: who may, and what is told while they last.</summary>
public sealed class PromotionTests
{
    private const string Route = "/v1/caches/default/promotions";

    [Fact]
    public async Task A_closure_is_promoted_and_the_last_line_says_what_was_done()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("team", """{"private":true}""");
        await gateway.MakeAsync("prod");
        await gateway.PushAsync("team", await gateway.TokenAsync("team"), "app", "text");

        using var answer = await PromoteAsync(gateway, "prod", CachesGateway.Operator, "team");

        Assert.Equal((HttpStatusCode.OK, "application/x-ndjson"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        var last = Lines(await answer.Content.ReadAsStringAsync())[^1];
        var done = JsonSerializer.Deserialize(last, ProtocolJson.Default.Promotion)!;
        Assert.Equal((1, 1, 1), (done.Paths, done.Copied, done.Published));
        using var narinfo = await gateway.SendAsync(HttpMethod.Get, $"/c/prod/{World.Hash("app")}.narinfo");
        var url = (await narinfo.Content.ReadAsStringAsync()).Split('\n').Single(l => l.StartsWith("URL: ", StringComparison.Ordinal))[5..];
        using var nar = await gateway.SendAsync(HttpMethod.Get, $"/c/prod/{url}");
        Assert.Equal(new TextNar("app", "text").File, await nar.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Who_may_not_read_a_private_source_meets_it_as_one_that_is_not_there()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("secret", """{"private":true}""");
        await gateway.MakeAsync("open");
        await gateway.MakeAsync("prod");
        await gateway.PushAsync("secret", await gateway.TokenAsync("secret"), "app", "text");
        await gateway.PushAsync("open", await gateway.TokenAsync("open"), "app", "text");
        var promoter = await gateway.TokenAsync("prod", TokenScope.Promote);

        var answers = new List<(HttpStatusCode, string)>();
        foreach (var source in (string[])["secret", "nowhere"])
        {
            using var refused = await PromoteAsync(gateway, "prod", promoter, source);
            answers.Add((refused.StatusCode, (await refused.Content.ReadAsStringAsync()).Replace(source, "SOURCE", StringComparison.Ordinal)));
        }

        Assert.Equal(HttpStatusCode.Forbidden, answers[0].Item1);
        Assert.Equal(answers[0], answers[1]);
        // A public source is read by anybody; who reads all is told what there is; and the target takes the scope.
        using var done = await PromoteAsync(gateway, "prod", promoter, "open");
        Assert.Equal(HttpStatusCode.OK, done.StatusCode);
        using var unknown = await PromoteAsync(gateway, "prod", CachesGateway.Operator, "nowhere");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        using var pusher = await PromoteAsync(gateway, "prod", await gateway.TokenAsync("prod", TokenScope.Push), "open");
        Assert.Equal(HttpStatusCode.Forbidden, pusher.StatusCode);
        using var elsewhere = await PromoteAsync(gateway, "open", promoter, "prod");
        Assert.Equal(HttpStatusCode.Forbidden, elsewhere.StatusCode);
    }

    [Fact]
    public async Task What_fails_at_once_is_an_ordinary_error()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("team");

        using var missing = await PromoteAsync(gateway, "default", CachesGateway.Operator, "team");
        using var none = await gateway.SendAsync(HttpMethod.Post, Route, CachesGateway.Operator, """{"from":"team"}""");

        Assert.Equal((HttpStatusCode.Conflict, "urn:orleans-cache:error:path-not-in-cache"),
            (missing.StatusCode, (await missing.ProblemAsync()).Type));
        Assert.Equal(HttpStatusCode.BadRequest, none.StatusCode);
    }

    [Fact]
    public async Task What_lasts_is_told_line_by_line_and_fails_with_a_problem_as_the_last_line()
    {
        var (promotions, fail) = (new ScriptedPromotions(), new TaskCompletionSource());
        promotions.Run = async (tell, _) =>
        {
            tell(new PromotionProgress { Copied = 12, Of = 40, Bytes = 99 });
            await fail.Task;
            throw new CacheProblemException(ProblemKind.PathNotInCache, "It has left.");
        };
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Promotions = promotions });

        using var request = new HttpRequestMessage(HttpMethod.Post, Route)
        {
            Content = new StringContent("""{"from":"default","paths":[]}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", TestGateway.Token);
        using var answer = await gateway.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.Equal("""{"copied":12,"of":40,"bytes":99}""", await reader.ReadLineAsync());
        fail.SetResult();

        var rest = Lines(await reader.ReadToEndAsync());
        Assert.Equal("urn:orleans-cache:error:path-not-in-cache", JsonSerializer.Deserialize(rest[^1], ProtocolJson.Default.Problem)!.Type);
    }

    [Fact]
    public async Task With_its_client_a_promotion_ends()
    {
        var (promotions, begun, ended) = (new ScriptedPromotions(), new TaskCompletionSource(), new TaskCompletionSource());
        promotions.Run = async (_, cancellationToken) =>
        {
            begun.SetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
            finally
            {
                ended.SetResult();
            }

            return ScriptedPromotions.Done;
        };
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Promotions = promotions });
        using var gone = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, Route)
        {
            Content = new StringContent("""{"from":"default"}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", TestGateway.Token);

        var asking = gateway.Client.SendAsync(request, gone.Token);
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);

        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static Task<HttpResponseMessage> PromoteAsync(CachesGateway gateway, string target, string token, string source) =>
        gateway.SendAsync(HttpMethod.Post, $"/v1/caches/{target}/promotions", token, $$"""{"from":"{{source}}","paths":["{{World.Hash("app")}}"]}""");

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
