using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>whoami, oidc and subjects: the program itself against a server that answers what a test wants.</summary>
public sealed class AccessCommandTests : IAsyncLifetime
{
    private static readonly Block Standing = new()
    {
        Id = 3,
        Pattern = "oidc:ci/*",
        Reason = "taken over",
        CreatedBy = "token:7",
        Created = new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero),
    };

    private readonly List<string> _requests = [];
    private WebApplication _app = null!;
    private AccessChecked _checked = new() { Rules = [] };

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            _requests.Add($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString} {await reader.ReadToEndAsync()}".TrimEnd());
            http.Response.StatusCode = http.Request.Method == "DELETE" ? 204 : 200;
            if (http.Request.Method != "DELETE")
                await http.Response.WriteAsync(Answer(http.Request));
        });
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Whoami_tells_the_publisher_and_what_it_may_do_where()
    {
        var (code, output, _) = await RunAsync("whoami");
        var lines = output.Split('\n');

        Assert.Equal((0, "GET /v1/whoami"), (code, Assert.Single(_requests)));
        Assert.Equal(["publisher    oidc:ci+main/1296269", "credential   a token of an OIDC issuer", "trust group  builds",
            "until        2026-05-01T00:00:00Z", ""], lines[..5]);
        Assert.Matches("^CACHES +ALLOWS +RANK +RULE$", lines[5]);
        Assert.Matches(@"^\* +push +0 +ci$", lines[6]);
        Assert.Matches(@"^default team-\* +pin \(pins main-\*\) +1 +main$", lines[7]);
    }

    [Fact]
    public async Task Oidc_check_tells_of_each_rule_why_and_exits_with_1_when_nothing_is_let_in()
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["jwt"], "a.b.c\n");
        _checked = new AccessChecked
        {
            Subject = "oidc:ci/1",
            Rules =
            [
                new RuleChecked { Issuer = "github", Rule = "ci", Matched = true },
                new RuleChecked { Issuer = "github", Rule = "main", Matched = false, Claim = "ref", Wanted = ["a", "b"], Found = ["x\u001b[2J"] },
                new RuleChecked { Issuer = "github", Rule = "prod", Matched = false, Claim = "environment", Wanted = ["prod"] },
            ],
        };

        var (good, output, _) = await RunAsync("oidc", "check", folder["jwt"]);
        _checked = _checked with { Refused = "it has expired" };
        var (bad, refused, _) = await RunAsync("oidc", "check", folder["jwt"]);
        var (missing, _, errors) = await RunAsync("oidc", "check", folder["nothing"]);

        Assert.Equal((0, 1, 2), (good, bad, missing));
        Assert.Equal("""POST /v1/access/check {"token":"a.b.c"}""", _requests[0]);
        Assert.Contains("The token is valid: oidc:ci/1\n", output, StringComparison.Ordinal);
        Assert.Contains("ref is 'x?[2J', and 'a' or 'b' is wanted\n", output, StringComparison.Ordinal);
        Assert.Contains("environment is not there, and 'prod' is wanted\n", output, StringComparison.Ordinal);
        Assert.StartsWith("The token is refused: it has expired.\n", refused, StringComparison.Ordinal);
        Assert.Contains("cannot be read", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Subjects_are_blocked_listed_and_let_in_again_by_pattern_or_id()
    {
        var (blocked, told, _) = await RunAsync("subjects", "block", "oidc:ci/*", "--reason", "taken over");
        var (_, listed, _) = await RunAsync("subjects", "list");
        var (byPattern, _, _) = await RunAsync("subjects", "unblock", "oidc:ci/*");
        var (byId, _, _) = await RunAsync("subjects", "unblock", "3");
        var (unknown, _, errors) = await RunAsync("subjects", "unblock", "oidc:x/1");

        Assert.Equal((0, "oidc:ci/*: blocked; 1 open push ended\n"), (blocked, told));
        Assert.Equal("""POST /v1/caches/default/subjects/blocks {"pattern":"oidc:ci/*","reason":"taken over"}""", _requests[0]);
        Assert.Matches(@"(?m)^3 +oidc:ci/\* +token:7 +2026-05-01T00:00:00Z +taken over$", listed);
        Assert.Equal((0, 0, 1), (byPattern, byId, unknown));
        Assert.Equal(2, _requests.Count(r => r == "DELETE /v1/caches/default/subjects/blocks/3"));
        Assert.Contains("There is no block of 'oidc:x/1'", errors, StringComparison.Ordinal);
    }

    private string Answer(HttpRequest request) => (request.Method, request.Path.Value) switch
    {
        (_, "/v1/whoami") => JsonSerializer.Serialize(new WhoAmI
        {
            Subject = "oidc:ci+main/1296269",
            Kind = "oidc",
            Caches =
            [
                new AllowedCaches { Caches = ["*"], Scopes = [TokenScope.Push], Rank = 0, Rule = "ci" },
                new AllowedCaches { Caches = ["default", "team-*"], Scopes = [TokenScope.Pin], Pins = [PinPattern.Parse("main-*")], Rank = 1,
                    Rule = "main" },
            ],
            Rules = ["ci", "main"],
            Expires = new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero),
            Group = "builds",
        }, ProtocolJson.Default.WhoAmI),
        (_, "/v1/access/check") => JsonSerializer.Serialize(_checked, ProtocolJson.Default.AccessChecked),
        ("POST", _) => JsonSerializer.Serialize(new Blocked { Block = Standing, EndedPushes = 1 }, ProtocolJson.Default.Blocked),
        _ => JsonSerializer.Serialize(new BlockList { Blocks = [Standing] }, ProtocolJson.Default.BlockList),
    };

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var run = await Client.RunAsync([.. arguments, "--url", _app.Urls.First()]);
        return (run.ExitCode, run.Output, run.Errors);
    }
}
