using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Commands;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests;

public sealed class DoctorCommandTests
{
    [Fact]
    public async Task What_the_server_warns_of_is_shown_beside_what_is_well()
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Misbehave = http => AnswerAsync(http, ("/missing", """{"missing":[]}"""),
            ("/warnings", """{"warnings":["PostgreSQL has a standby, and commits wait for none."]}"""));

        var lines = await ExamineAsync(cache.Url);

        Assert.Contains("ok       permission      the server lets us push", lines);
        Assert.Contains("warning  server state    PostgreSQL has a standby, and commits wait for none.", lines);
    }

    [Fact]
    public async Task A_server_without_warnings_is_well_and_one_that_knows_of_none_yet_fails_nothing()
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Misbehave = http => AnswerAsync(http, ("/missing", """{"missing":[]}"""), ("/warnings", """{"warnings":[]}"""));
        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("ok       server state ", StringComparison.Ordinal));

        cache.Misbehave = http => AnswerAsync(http, ("/missing", """{"missing":[]}"""));
        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("warning  server state    the server does not tell",
            StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_token_that_the_server_refuses_is_the_failure_that_is_told()
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Token = "another";

        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("FAILED   permission      the server refuses",
            StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_keeps_pushes_from_succeeding_is_told_in_the_servers_words()
    {
        await using var cache = await FakeCache.StartAsync("/nix");
        var asked = "";
        cache.Misbehave = async http =>
        {
            if (http.Request.Path != "/nix/readyz")
                return false;
            asked = http.Request.QueryString.Value!;
            http.Response.StatusCode = 503;
            http.Response.ContentType = "application/problem+json";
            await http.Response.WriteAsync(
                """{"type":"urn:orleans-cache:error:unavailable","title":"t","status":503,"detail":"PostgreSQL takes no writes: it is a standby."}""");
            return true;
        };

        using var output = new StringWriter();
        var code = await ExamineAsync(cache.Url, output);

        Assert.Contains("FAILED   pushes          would fail now: PostgreSQL takes no writes: it is a standby.", Lines(output));
        Assert.Equal((ExitCodes.Unreachable, "?for=push"), (code, asked));
    }

    [Fact]
    public async Task A_server_that_calls_itself_otherwise_than_it_was_asked_is_warned_of()
    {
        await using var cache = await FakeCache.StartAsync();
        Assert.DoesNotContain(await ExamineAsync(cache.Url), line => line.Contains("--public-url", StringComparison.Ordinal));

        cache.Named = new Uri("http://10.9.8.7:5751");

        Assert.Contains(await ExamineAsync(cache.Url), line =>
            line.StartsWith("warning  public URL      The server calls itself http://10.9.8.7:5751,", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(200)]
    [InlineData(404)]
    public async Task A_server_or_proxy_that_does_not_know_whether_pushes_would_succeed_is_examined_all_the_same(int status)
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Misbehave = http =>
        {
            if (http.Request.Path != "/readyz")
                return AnswerAsync(http, ("/missing", """{"missing":[]}"""), ("/warnings", """{"warnings":[]}"""));
            http.Response.StatusCode = status;
            return Task.FromResult(true);
        };

        Assert.Contains("ok       permission      the server lets us push", await ExamineAsync(cache.Url));
    }

    [Fact]
    public async Task A_NAR_is_uploaded_and_nothing_stays()
    {
        await using var cache = await FakeCache.StartAsync();
        await using var store = new ScriptedServer("", ScriptedServer.Certificate("localhost", DateTimeOffset.UtcNow.AddDays(20),
            System.Net.IPAddress.Loopback));
        cache.Misbehave = http => AnswerAsync(http, ("/missing", """{"missing":[]}"""), ("/warnings", """{"warnings":[]}"""));
        Assert.Contains("ok       uploads         the server takes them itself", await ExamineAsync(cache.Url));

        cache.Store = new Uri($"https://{store.Authority}");
        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith($"FAILED   uploads         https://{store.Authority}",
            StringComparison.Ordinal) && line.Contains("not trusted", StringComparison.Ordinal));

        cache.Store = new Uri($"http://127.0.0.1:{FreePort.Next()}");
        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("FAILED   uploads", StringComparison.Ordinal)
            && line.Contains($"no connection to {cache.Store.AbsoluteUri.TrimEnd('/')}", StringComparison.Ordinal)
            && line.Contains("--public-url", StringComparison.Ordinal));
        Assert.Equal(3, cache.Aborted.Count);
    }

    [Fact]
    public async Task A_store_that_refuses_uploads_is_told_of_with_its_code()
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Misbehave = async http =>
        {
            if (http.Request.Method != "PUT")
                return await AnswerAsync(http, ("/missing", """{"missing":[]}"""), ("/warnings", """{"warnings":[]}"""));
            http.Response.StatusCode = 403;
            await http.Response.WriteAsync("<Error><Code>AccessDenied</Code></Error>");
            return true;
        };

        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("FAILED   uploads", StringComparison.Ordinal)
            && line.Contains("AccessDenied", StringComparison.Ordinal));
        Assert.Single(cache.Aborted);
    }

    private static async Task<string[]> ExamineAsync(Uri url)
    {
        using var output = new StringWriter();
        await ExamineAsync(url, output);
        return Lines(output);
    }

    private static Task<int> ExamineAsync(Uri url, StringWriter output) => new DoctorCommand.Examination(output).RunAsync(
        () => new ServerSettings { Url = new Uri(url.AbsoluteUri.TrimEnd('/')), UrlSource = "a test", Cache = "default" },
            CancellationToken.None);

    private static string[] Lines(StringWriter output) => output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static async Task<bool> AnswerAsync(HttpContext http, params (string Route, string Json)[] answers)
    {
        foreach (var (route, json) in answers)
        {
            if (!http.Request.Path.Value!.EndsWith(route, StringComparison.Ordinal))
                continue;
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(json);
            return true;
        }

        return false;
    }
}
