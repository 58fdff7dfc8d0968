using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>The program itself against a server that answers what a test wants.</summary>
public sealed class WithdrawCommandTests : IAsyncLifetime
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";
    private static readonly StorePath Hello = StorePath.TryParse($"{Hash}-hello", out var path) ? path : throw new FormatException(Hash);

    private static readonly Eviction Planned = new()
    {
        State = EvictionState.Planned,
        Total = 1,
        Paths = [new EvictedPath(Hello, "token:7", null, EvictionCause.Selected)],
        Pins = [new BrokenPin(PinName.Parse("app"), Hello)],
        WaitsFor = [],
    };

    private readonly List<string> _requests = [];
    private int _evicted;
    private WebApplication _app = null!;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            var body = await reader.ReadToEndAsync();
            _requests.Add($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString} {body}".TrimEnd());
            switch (http.Request.Method, http.Request.Path.Value!.Split('/')[^1])
            {
                case ("POST", _):
                    // The first real attempt is answered 202.
                    var state = body.Contains("\"dryRun\":true", StringComparison.Ordinal) ? EvictionState.Planned : _evicted++ == 0
                        ? EvictionState.Running : EvictionState.Done;
                    http.Response.StatusCode = state == EvictionState.Running ? 202 : 200;
                    await http.Response.WriteAsync(JsonSerializer.Serialize(Planned with { State = state, WaitsFor = ["push-1"] },
                        ProtocolJson.Default.Eviction));
                    break;
                case ("DELETE", _):
                    http.Response.StatusCode = 204;
                    break;
                case (_, "bars"):
                    await http.Response.WriteAsync(JsonSerializer.Serialize(new BarList
                    {
                        Bars = [new Bar { Id = 3, Path = Hello, NarHash = Sha256Hash.Compute([]), Nar = true, Reason = "bad",
                            CreatedBy = "file:1", Created = DateTimeOffset.UnixEpoch }],
                    }, ProtocolJson.Default.BarList));
                    break;
                default:
                    var last = http.Request.Query.ContainsKey("after");
                    await http.Response.WriteAsync(JsonSerializer.Serialize(new PublishedPaths
                    {
                        Paths = [new PublishedPath { Path = Hello, Publisher = "token:7", Published = DateTimeOffset.UnixEpoch,
                            State = last ? "live" : "condemned", NarHash = Sha256Hash.Compute([]), NarSize = 1 }],
                        Next = last ? null : "9",
                    }, ProtocolJson.Default.PublishedPaths));
                    break;
            }
        });
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Evict_tells_what_would_go_and_does_nothing()
    {
        var (code, output, _) = await RunAsync("evict", Hash);

        Assert.Equal(0, code);
        Assert.Contains($"named  token:7    before        {Hello}", output, StringComparison.Ordinal);
        Assert.Contains($"pin app would break: {Hello}", output, StringComparison.Ordinal);
        Assert.EndsWith("Nothing was done. With --yes they are taken back.\n", output, StringComparison.Ordinal);
        Assert.Contains("\"dryRun\":true", Assert.Single(_requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evict_with_yes_does_it_and_waits_for_the_end()
    {
        var (code, output, errors) = await RunAsync("evict", "--by", "token:7", "--since", "2026-05-01T12:00Z", "--bar-nar", "--reason",
            "bad", "--yes");

        Assert.Equal(0, code);
        Assert.EndsWith("1 path taken back.\n", output, StringComparison.Ordinal);
        Assert.Contains("push-1", errors, StringComparison.Ordinal);
        const string Request =
            """POST /v1/caches/default/evictions {"by":"token:7","since":"2026-05-01T12:00:00+00:00","nar":true,"reason":"bad","dryRun":""";
        Assert.Equal([Request + "true}", Request + "false}", Request + "false}"], _requests);
    }

    [Theory]
    [InlineData("evict", "Name paths, or a publisher")]
    [InlineData("evict 0c5b8vw40dy178xlpddw65q9gf1h2186 --by token:7", "Name paths, or a publisher")]
    [InlineData("evict 0c5b8vw40dy178xlpddw65q9gf1h2186 --since 2d", "--since needs --by")]
    [InlineData("paths --by token:7 --since yesterday", "--since has 'yesterday'")]
    [InlineData("paths", "--by")]
    public async Task What_makes_no_sense_is_refused_before_the_server_is_asked(string arguments, string hint)
    {
        var (code, _, errors) = await RunAsync(arguments.Split(' '));

        Assert.Equal(2, code);
        Assert.Contains(hint, errors, StringComparison.Ordinal);
        Assert.Empty(_requests);
    }

    [Fact]
    public async Task Paths_are_listed_to_the_last_page()
    {
        var (code, output, _) = await RunAsync("paths", "--by", "token:7");

        Assert.Equal(
            (0, $"PUBLISHED AT          STATE      STORE PATH\n1970-01-01T00:00:00Z  condemned  {Hello}\n1970-01-01T00:00:00Z  live       {Hello}\n"), (code, output));
        Assert.Equal(["GET /v1/caches/default/paths?limit=1000&by=token%3A7",
            "GET /v1/caches/default/paths?limit=1000&by=token%3A7&after=9"], _requests);
    }

    [Fact]
    public async Task Bars_are_listed_and_lifted()
    {
        var (_, output, _) = await RunAsync("bars", "list", "--lifted");
        var (code, lifted, _) = await RunAsync("bars", "lift", "3");

        Assert.Contains($"3   {Hello}", output, StringComparison.Ordinal);
        Assert.Contains("(any path)  file:1  1970-01-01T00:00:00Z  bad", output, StringComparison.Ordinal);
        Assert.Equal((0, "3: lifted\n"), (code, lifted));
        Assert.Equal(["GET /v1/caches/default/bars?lifted=true", "DELETE /v1/caches/default/bars/3"], _requests);
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var run = await Client.RunAsync([.. arguments, "--url", _app.Urls.First()]);
        return (run.ExitCode, run.Output, run.Errors);
    }
}
