using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Contracts;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>The program itself against a server that answers what a test wants.</summary>
public sealed class TokensCommandTests : IAsyncLifetime
{
    private static readonly Token Token = new()
    {
        Id = 7,
        Name = "ci",
        Scopes = [TokenScope.Push, TokenScope.Pin],
        Pins = [PinPattern.Parse("prod-*")],
        Created = new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero),
        Expires = new DateTimeOffset(2026, 7, 30, 0, 0, 0, TimeSpan.Zero),
    };

    private readonly List<string> _requests = [];
    private WebApplication _app = null!;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            _requests.Add($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString} {await reader.ReadToEndAsync()}".TrimEnd());
            switch (http.Request.Method)
            {
                case "POST":
                    http.Response.StatusCode = 201;
                    await http.Response.WriteAsync(JsonSerializer.Serialize(new CreatedToken { Token = Token, Secret = "oct_secret" },
                        ProtocolJson.Default.CreatedToken));
                    break;
                case "DELETE":
                    http.Response.StatusCode = 204;
                    break;
                default:
                    await http.Response.WriteAsync(
                        JsonSerializer.Serialize(new TokenList
                        {
                            Tokens = [Token,
                        Token with { Id = 8, Name = "7", Pins = null, Expires = null }]
                        }, ProtocolJson.Default.TokenList));
                    break;
            }
        });
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Create_prints_the_secret_and_nothing_else_on_standard_output()
    {
        var (code, output, errors) = await RunAsync("create", "--name", "ci", "--scope", "push,pin", "--pins", "prod-*",
            "--expires", "90d");

        Assert.Equal((0, "oct_secret\n"), (code, output));
        Assert.Contains("ci: push,pin (pins prod-*); until 2026-07-30T00:00:00Z", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("oct_secret", errors, StringComparison.Ordinal);
        Assert.Equal("""POST /v1/caches/default/tokens {"name":"ci","scopes":["push","pin"],"pins":["prod-*"],"expiresSeconds":7776000}""",
            Assert.Single(_requests));
    }

    [Theory]
    [InlineData("create --name ci", "--scope")]
    [InlineData("create --scope push", "--name")]
    [InlineData("create --name ci --scope push,all", "--scope has 'all': the scopes are push, pin, gc, read, admin")]
    [InlineData("create --name ci --scope pin --pins a/b", "--pins has 'a/b'")]
    [InlineData("create --name ci --scope push --expires 90", "write 90s for seconds")]
    public async Task What_makes_no_sense_is_refused_before_the_server_is_asked(string arguments, string hint)
    {
        var (code, _, errors) = await RunAsync(arguments.Split(' '));

        Assert.Equal(2, code);
        Assert.Contains(hint, errors, StringComparison.Ordinal);
        Assert.Empty(_requests);
    }

    [Fact]
    public async Task List_shows_who_may_do_what()
    {
        var (_, output, _) = await RunAsync("list", "--revoked");
        var lines = output.Split('\n');

        Assert.Matches(@"^ID +NAME +ALLOWS +GROUP +CREATED AT +LAST USED +UNTIL$", lines[0]);
        Assert.Matches(@"^7 +ci +push,pin \(pins prod-\*\) +2026-05-01T00:00:00Z +never +2026-07-30T00:00:00Z$", lines[1]);
        Assert.Equal("GET /v1/caches/default/tokens?revoked=true", Assert.Single(_requests));
    }

    [Theory]
    [InlineData("ci", "7")]
    [InlineData("7", "8")]
    [InlineData("8", "8")]
    public async Task Revoke_takes_a_name_or_else_an_id_and_asks_by_the_id(string which, string id)
    {
        var (code, _, _) = await RunAsync("revoke", which);

        Assert.Equal(0, code);
        Assert.Equal($"DELETE /v1/caches/default/tokens/{id}", _requests[^1]);
    }

    [Fact]
    public async Task Revoke_of_a_token_that_is_not_there_says_so()
    {
        var (code, _, errors) = await RunAsync("revoke", "nobody");

        Assert.Equal(1, code);
        Assert.Contains("There is no token 'nobody'", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_shell_is_told_the_commands_and_the_scopes()
    {
        async Task<string[]> SuggestAsync(string line) => (await StartAsync($"[suggest:{line.Length}]", line)).Output.Split('\n',
            StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(["create", "list", "revoke"], (await SuggestAsync("orleans-cache tokens "))
            .Where(word => word[0] != '-' && word[0] != '/'));
        Assert.Contains("push", await SuggestAsync("orleans-cache tokens create --scope "));
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) =>
        StartAsync(["tokens", .. arguments, "--url", _app.Urls.First()]);

    private static async Task<(int Code, string Output, string Errors)> StartAsync(params string[] arguments)
    {
        var run = await Client.RunAsync(arguments);
        return (run.ExitCode, run.Output, run.Errors);
    }
}
