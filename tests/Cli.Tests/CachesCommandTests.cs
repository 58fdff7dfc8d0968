using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using OrleansCache.Contracts;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>caches and keys: the program itself against a server that notes what it is asked.</summary>
public sealed class CachesCommandTests : IAsyncLifetime
{
    private static readonly CacheDescription Team = new()
    {
        Name = "team",
        Settings = new CacheSettings { Private = true, Priority = 30, QuotaBytes = 5_000_000_000, Hosts = ["team.test"] },
        Substituter = new Uri("https://team.test"),
        PublicKeys = ["team-1:AAAA"],
        Created = new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero),
        UsedBytes = 2_000_000_000,
        UsedPaths = 7,
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
            http.Response.StatusCode = http.Request.Method == "DELETE" ? 202 : 200;
            if (http.Request.Method != "DELETE")
                await http.Response.WriteAsync(Answer(http.Request));
        });
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Create_and_set_send_what_was_named_and_show_what_the_server_answers()
    {
        var (made, output, _) = await RunAsync("caches", "create", "team", "--private", "--priority", "30", "--host", "team.test",
            "--gc-older-than", "90d");
        var (set, _, _) = await RunAsync("caches", "set", "team", "--public", "--quota-paths", "9", "--unset", "quotaBytes");
        var (nothing, _, nothingNamed) = await RunAsync("caches", "set", "team");
        var (both, _, excluded) = await RunAsync("caches", "set", "team", "--public", "--private");
        var (unknown, _, misspelt) = await RunAsync("caches", "set", "team", "--unset", "qouta");
        var (bad, _, badName) = await RunAsync("caches", "create", "Team");

        Assert.Equal((0, 0, 2, 2, 2), (made, set, nothing, both, unknown));
        Assert.NotEqual(0, bad);
        Assert.Equal(
        [
            """POST /v1/caches {"name":"team","settings":{"private":true,"priority":30,"hosts":["team.test"],"gcOlderThan":"90d"}}""",
            """PATCH /v1/caches/team/settings {"private":false,"quotaPaths":9,"quotaBytes":null}""",
        ], _requests);
        Assert.Matches("(?m)^public key +team-1:AAAA$", output);
        Assert.Matches("(?m)^used +2 GB, 7 paths$", output);
        Assert.Contains("Nothing is to change", nothingNamed, StringComparison.Ordinal);
        Assert.Contains("exclude each other", excluded, StringComparison.Ordinal);
        Assert.Contains("'qouta' is no setting", misspelt, StringComparison.Ordinal);
        Assert.Contains("not the name of a cache", badName, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_show_and_delete()
    {
        var (_, listed, _) = await RunAsync("caches", "list");
        var (_, json, _) = await RunAsync("caches", "show", "team", "--json");
        var (deleted, _, _) = await RunAsync("caches", "delete", "team", "--force");

        Assert.Matches("(?m)^NAME +READS +PRIORITY +VERIFY +URL +STATE$", listed);
        Assert.Matches("(?m)^team +private +30 +https://team.test$", listed);
        Assert.Equal("team", JsonSerializer.Deserialize(json, ProtocolJson.Default.CacheDescription)!.Name);
        Assert.Equal(0, deleted);
        Assert.Equal(["GET /v1/caches", "GET /v1/caches/team/settings", "DELETE /v1/caches/team?force=true"], _requests);
    }

    [Fact]
    public async Task Keys_are_those_of_the_cache_that_is_named()
    {
        var (_, listed, _) = await RunAsync("keys", "list", "--cache", "team");
        await RunAsync("keys", "rotate", "--cache", "team");
        await RunAsync("keys", "add", "--name", "team-3", "--cache", "team");
        await RunAsync("keys", "retire", "team-1", "--cache", "team");

        Assert.Matches("(?m)^active +team-2:AAAA +catalog +signs what is there: 25 %$", listed);
        Assert.Matches("(?m)^verifying +team-1:AAAA +file$", listed);
        Assert.Equal(
        [
            "GET /v1/caches/team/keys", """POST /v1/caches/team/keys {"replaces":true}""",
            """POST /v1/caches/team/keys {"name":"team-3","replaces":false}""",
            """PUT /v1/caches/team/keys/team-1 {"state":"retired","force":false}""",
        ], _requests);
    }

    private static string Answer(HttpRequest request) => request.Path.Value switch
    {
        "/v1/caches" when request.Method == "GET" =>
            JsonSerializer.Serialize(new CacheList { Caches = [Team] }, ProtocolJson.Default.CacheList),
        { } path when path.Contains("/keys", StringComparison.Ordinal) => JsonSerializer.Serialize(new KeyList
        {
            Keys =
            [
                new CacheKey { Name = "team-2", PublicKey = "team-2:AAAA", State = KeyState.Active, Signing = true, Progress = 0.25 },
                new CacheKey { Name = "team-1", PublicKey = "team-1:AAAA", State = KeyState.Verifying, InFile = true },
            ],
        }, ProtocolJson.Default.KeyList),
        _ => JsonSerializer.Serialize(Team, ProtocolJson.Default.CacheDescription),
    };

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "orleans-cache"),
            [.. arguments, "--url", _app.Urls.First()])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(n => n.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["XDG_CONFIG_HOME"] = "/nowhere";
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        return (process.ExitCode, await output, await errors);
    }
}
