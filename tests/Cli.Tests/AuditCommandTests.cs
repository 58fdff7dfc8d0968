using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Contracts;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>The program itself against a server whose audit log has two pages.</summary>
public sealed class AuditCommandTests : IAsyncLifetime
{
    private static readonly AuditLine Commit = new()
    {
        At = new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero),
        Publisher = "token:7",
        Address = "192.0.2.7",
        Action = "commit",
        Path = "0c5b8vw40dy178xlpddw65q9gf1h2186-hello",
        Detail = JsonElement.Parse("""{"published":2}"""),
    };

    private static readonly AuditLine Expiry = new()
    {
        At = new DateTimeOffset(2026, 4, 30, 0, 0, 0, TimeSpan.Zero),
        Publisher = "server",
        Action = "pin.expire",
        Subject = "pr-1"
    };

    private readonly List<IQueryCollection> _queries = [];
    private WebApplication _app = null!;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            _queries.Add(http.Request.Query);
            var page = http.Request.Query["after"] == "1-2" ? new AuditPage { Lines = [Expiry] }
                : new AuditPage { Lines = [Commit], Next = "1-2" };
            await http.Response.WriteAsync(JsonSerializer.Serialize(page, ProtocolJson.Default.AuditPage));
        });
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_line_is_printed_for_each_of_all_pages()
    {
        var (code, output) = await RunAsync("--by", "token:7", "--action", "pin");

        Assert.Equal(0, code);
        Assert.Equal(
            """
            2026-05-01T00:00:00Z  token:7  192.0.2.7  commit  0c5b8vw40dy178xlpddw65q9gf1h2186-hello  {"published":2}
            2026-04-30T00:00:00Z  server  -  pin.expire  pr-1

            """, output);
        Assert.Equal(2, _queries.Count);
        Assert.All(_queries, q => Assert.Equal(("token:7", "pin"), (q["by"].ToString(), q["action"].ToString())));
        Assert.InRange(DateTimeOffset.UtcNow - DateTimeOffset.Parse(_queries[0]["since"].ToString(), null), TimeSpan.FromDays(7),
            TimeSpan.FromDays(7.1));
        Assert.Equal(_queries[0]["since"], _queries[1]["since"]);
    }

    [Fact]
    public async Task No_more_lines_are_asked_for_than_are_wanted()
    {
        var (_, output) = await RunAsync("-n", "1", "--json");

        Assert.Equal(JsonSerializer.Serialize(Commit, ProtocolJson.Default.AuditLine) + "\n", output);
        Assert.Single(_queries);
    }

    private async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var run = await Client.RunAsync(["audit", .. arguments, "--url", _app.Urls.First()]);
        return (run.ExitCode, run.Output);
    }
}
