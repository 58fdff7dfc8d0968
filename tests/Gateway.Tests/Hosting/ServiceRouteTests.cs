using System.Net;
using System.Text.Json;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

/// <summary>What the server says of itself.</summary>
public class ServiceRouteTests
{
    [Fact]
    public async Task The_openapi_document_has_every_v1_route_and_its_shapes()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var document = JsonDocument.Parse(await gateway.Client.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative)));

        var paths = document.RootElement.GetProperty("paths").EnumerateObject().ToList();
        Assert.Equal(44, paths.Count);
        Assert.All(paths, p => Assert.True(p.Name.StartsWith("/v1/caches/{cache}", StringComparison.Ordinal)
            || p.Name is "/v1/caches" or "/v1/login" or "/v1/whoami" or "/v1/access/check", p.Name));
        var schemas = document.RootElement.GetProperty("components").GetProperty("schemas");
        Assert.Equal("string", schemas.GetProperty("PathDeclaration").GetProperty("properties").GetProperty("narHash") is var hash
            && hash.TryGetProperty("$ref", out var link)
            ? schemas.GetProperty(link.GetString()!.Split('/')[^1]).GetProperty("type").GetString()
            : hash.GetProperty("type").GetString());
        Assert.True(schemas.TryGetProperty("Problem", out _));
        var server = Assert.Single(document.RootElement.GetProperty("servers").EnumerateArray()).GetProperty("url").GetString();
        Assert.Equal("/below/", new Uri(new Uri("https://proxy/below/openapi/v1.json"), server).AbsolutePath);
    }

    [Theory]
    [InlineData("https://proxy/", "c/default")]
    [InlineData("https://proxy/below/a/path/", "c/default")]
    [InlineData("https://proxy/below/", "c/%64efault")]
    public async Task A_redirect_stays_below_the_path_that_a_proxy_strips(string seenAs, string asked)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var moved = await gateway.GetAsync("/" + asked);

        Assert.Equal(HttpStatusCode.MovedPermanently, moved.StatusCode);
        Assert.Equal($"{seenAs}c/default/", new Uri(new Uri(seenAs + asked), moved.Headers.Location!).AbsoluteUri);
    }

    [Fact]
    public async Task Ready_means_that_the_database_answers()
    {
        await using var well = await TestGateway.StartAsync();
        await using var ill = await TestGateway.StartAsync(parts => parts with { PingDatabase = _ => throw new TimeoutException() });

        using var ready = await well.GetAsync("/readyz");
        using var notReady = await ill.GetAsync("/readyz");
        using var alive = await ill.GetAsync("/livez");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK),
            (ready.StatusCode, notReady.StatusCode, alive.StatusCode));
        Assert.Contains("database", (await notReady.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_whose_database_takes_no_writes_serves_reads_and_is_not_ready_for_pushes()
    {
        await using var gateway = await TestGateway.StartAsync(parts =>
            parts with { FindPushTrouble = _ => Task.FromResult<string?>("The database is read-only.") });

        using var ready = await gateway.GetAsync("/readyz");
        using var forPushes = await gateway.GetAsync("/readyz?for=push");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (ready.StatusCode, forPushes.StatusCode));
        Assert.Contains("read-only", (await forPushes.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task However_often_readiness_is_asked_for_there_is_one_look_a_second()
    {
        var clock = new TimerClock();
        var (pings, gate) = (0, new TaskCompletionSource());
        await using var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Time = clock,
            PingDatabase = async _ =>
            {
                Interlocked.Increment(ref pings);
                await gate.Task;
            },
        });

        var asked = Enumerable.Range(0, 20).Select(_ => gateway.GetAsync("/readyz")).ToList();
        await Testing.Eventually.BecomesTrueAsync(() => Volatile.Read(ref pings) > 0);
        gate.SetResult();
        foreach (var answer in await Task.WhenAll(asked))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            answer.Dispose();
        }

        Assert.Equal(1, pings);
        clock.Move(TimeSpan.FromSeconds(1));
        using var later = await gateway.GetAsync("/readyz");
        using var again = await gateway.GetAsync("/readyz");
        Assert.Equal(2, pings);
    }
}
