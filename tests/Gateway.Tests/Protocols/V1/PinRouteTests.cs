using System.Net;
using System.Net.Http.Json;
using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class PinRouteTests
{
    private const string Pins = "/v1/caches/default/pins";
    private const string Body = """{"path":"/nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-hello","expiresSeconds":60.5,"keepRevisions":3}""";

    [Theory]
    [InlineData(true, HttpStatusCode.Created)]
    [InlineData(false, HttpStatusCode.OK)]
    public async Task Setting_a_pin_answers_it_with_its_revision_as_ETag(bool made, HttpStatusCode status)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Pins.Made = made;

        using var answer = await SendAsync(gateway, HttpMethod.Put, "/app", Body, ("Idempotency-Key", "job-1"));

        Assert.Equal((status, "\"7\""), (answer.StatusCode, answer.Headers.ETag?.Tag));
        var pin = await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.Pin);
        Assert.Equal(ScriptedPins.Pin, pin);
        Assert.Equal(("hello", 60.5, 3), (gateway.Pins.Set!.Path.Name, gateway.Pins.Set.ExpiresSeconds, gateway.Pins.Set.KeepRevisions));
        Assert.Equal("job-1", Assert.Single(gateway.Pins.Operations).Value);
    }

    [Fact]
    public async Task What_is_not_said_of_a_pin_is_left_to_the_cache()
    {
        await using var gateway = await TestGateway.StartAsync();

        (await SendAsync(gateway, HttpMethod.Put, "/app", """{"path":"0c5b8vw40dy178xlpddw65q9gf1h2186-hello"}""")).Dispose();

        Assert.Equal((null, null), (gateway.Pins.Set!.ExpiresSeconds, gateway.Pins.Set.KeepRevisions));
        Assert.Equal(PinCondition.None, Assert.Single(gateway.Pins.Conditions));
    }

    [Fact]
    public async Task Conditions_are_those_of_HTTP()
    {
        await using var gateway = await TestGateway.StartAsync();

        (await SendAsync(gateway, HttpMethod.Put, "/app", Body, ("If-Match", "\"12\""))).Dispose();
        (await SendAsync(gateway, HttpMethod.Put, "/app", Body, ("If-Match", "*"))).Dispose();
        (await SendAsync(gateway, HttpMethod.Put, "/app", Body, ("If-None-Match", "*"))).Dispose();
        (await SendAsync(gateway, HttpMethod.Post, "/app/rollback", "{}", ("If-Match", "\"13\""))).Dispose();
        (await SendAsync(gateway, HttpMethod.Delete, "/app", null, ("If-Match", "\"14\""))).Dispose();

        Assert.Equal([PinCondition.AtRevision(12), PinCondition.Present, PinCondition.Absent, PinCondition.AtRevision(13),
            PinCondition.AtRevision(14)], gateway.Pins.Conditions);
    }

    [Theory]
    [InlineData("If-Match", "12")]
    [InlineData("If-Match", "\"x\"")]
    [InlineData("If-Match", "\"0\"")]
    [InlineData("If-Match", "W/\"12\"")]
    [InlineData("If-Match", "\"1\", \"2\"")]
    [InlineData("If-None-Match", "\"12\"")]
    public async Task A_condition_that_means_nothing_here_is_refused(string header, string value)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await SendAsync(gateway, HttpMethod.Put, "/app", Body, (header, value));

        Assert.Equal("urn:orleans-cache:error:bad-request", (await answer.ProblemAsync()).Type);
        Assert.Empty(gateway.Pins.Names);
    }

    [Theory]
    [InlineData("/a%20b")]
    [InlineData("/%C3%A4")]
    [InlineData("/a:b")]
    [InlineData("/256")]
    public async Task A_name_that_is_none_is_refused_and_told_the_rule(string name)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await SendAsync(gateway, HttpMethod.Put, name == "/256" ? "/" + new string('x', 256) : name, Body);

        var problem = await answer.ProblemAsync();
        Assert.Equal((400, "urn:orleans-cache:error:bad-request"), (problem.Status, problem.Type));
        Assert.Contains("255 characters", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ProblemKind.PathNotInCache, 409, "path-not-in-cache")]
    [InlineData(ProblemKind.PinChanged, 412, "pin-changed")]
    [InlineData(ProblemKind.UnknownPin, 404, "unknown-pin")]
    [InlineData(ProblemKind.KeyReused, 409, "key-reused")]
    public async Task What_cannot_be_done_has_its_own_type(ProblemKind kind, int status, string name)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Pins.Failure = new CacheProblemException(kind, "what is wrong");

        foreach (var (method, path, body) in new[] { (HttpMethod.Put, "/app", Body), (HttpMethod.Post, "/app/rollback", "{}"),
            (HttpMethod.Delete, "/app", null) })
        {
            using var answer = await SendAsync(gateway, method, path, body);
            var problem = await answer.ProblemAsync();
            Assert.Equal((status, $"urn:orleans-cache:error:{name}", "what is wrong"), (problem.Status, problem.Type, problem.Detail));
        }
    }

    [Fact]
    public async Task A_pin_is_shown_with_its_history_and_listed_without()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var shown = await SendAsync(gateway, HttpMethod.Get, "/app", null);
        using var listed = await SendAsync(gateway, HttpMethod.Get, "", null);

        Assert.Equal("\"7\"", shown.Headers.ETag?.Tag);
        Assert.Equal(7, Assert.Single((await shown.Content.ReadFromJsonAsync(ProtocolJson.Default.Pin))!.History!).Revision);
        var text = await listed.Content.ReadAsStringAsync();
        Assert.Contains("\"name\":\"app\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("history", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rollback_names_its_revision_or_none()
    {
        await using var gateway = await TestGateway.StartAsync();

        (await SendAsync(gateway, HttpMethod.Post, "/app/rollback", """{"revision":3}""")).Dispose();
        Assert.Equal(3, gateway.Pins.Rollback!.Revision);
        (await SendAsync(gateway, HttpMethod.Post, "/app/rollback", "{}")).Dispose();

        Assert.Null(gateway.Pins.Rollback.Revision);
    }

    [Theory]
    [InlineData(true, HttpStatusCode.NoContent)]
    [InlineData(false, HttpStatusCode.Accepted)]
    public async Task A_deletion_says_whether_the_pin_has_left_the_bucket(bool hasLeft, HttpStatusCode status)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Pins.HasLeftTheBucket = hasLeft;

        using var answer = await SendAsync(gateway, HttpMethod.Delete, "/app", null);

        Assert.Equal((status, 0), (answer.StatusCode, (await answer.Content.ReadAsByteArrayAsync()).Length));
    }

    private static async Task<HttpResponseMessage> SendAsync(TestGateway gateway, HttpMethod method, string path, string? body,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, Pins + path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        request.Headers.Authorization = new("Bearer", TestGateway.Token);
        foreach (var (name, value) in headers)
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        return await gateway.Client.SendAsync(request);
    }
}
