using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Commands;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Tests.Fake;
using Xunit;

namespace OrleansCache.Cli.Tests;

public sealed class DoctorCommandTests
{
    [Fact]
    public async Task What_the_server_warns_of_is_shown_beside_what_is_well()
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Misbehave = http => AnswerAsync(http, ("/missing", """{"missing":[]}"""), ("/warnings", """{"warnings":["PostgreSQL has a standby, and commits wait for none."]}"""));

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
        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("warning  server state    the server does not tell", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_token_that_the_server_refuses_is_the_failure_that_is_told()
    {
        await using var cache = await FakeCache.StartAsync();
        cache.Token = "another";

        Assert.Contains(await ExamineAsync(cache.Url), line => line.StartsWith("FAILED   permission      the server refuses", StringComparison.Ordinal));
    }

    private static async Task<string[]> ExamineAsync(Uri url)
    {
        using var output = new StringWriter();
        await new DoctorCommand.Examination(output).RunAsync(
            () => new ServerSettings { Url = new Uri(url.AbsoluteUri.TrimEnd('/')), UrlSource = "a test", Cache = "default" }, CancellationToken.None);
        return output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

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
