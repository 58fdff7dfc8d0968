using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class GcRouteTests
{
    private const string Root = "/v1/caches/default";
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    private static readonly (string, string) Login = ("Authorization", $"Bearer {TestGateway.Token}");

    private static readonly FsckFinding Finding = new()
    {
        Kind = FsckKind.MissingObject,
        Key = $"{Hash}.narinfo",
        Detail = "It is \"not\" there."
    };

    [Fact]
    public async Task A_run_is_started_with_what_the_request_says_and_answered_202_with_its_place()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync($"{Root}/gc", """{"olderThanSeconds":60,"force":true}""", ("Idempotency-Key", "job-42"));

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal($"/below{Root}/gc/runs/7", new Uri(new Uri($"http://proxy/below{Root}/gc"), answer.Headers.Location!).AbsolutePath);
        Assert.Equal(7, (await ReadAsync(answer, ProtocolJson.Default.GcRun)).Id);
        Assert.Equal(new GcRequest { OlderThanSeconds = 60, Force = true }, gateway.Collection.Request);
        Assert.Equal("job-42", Assert.Single(gateway.Collection.Operations).Value);
    }

    [Fact]
    public async Task A_request_that_cannot_be_read_is_refused()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync($"{Root}/gc", """{"graceSeconds":"6h"}""");

        Assert.Contains("another type", (await answer.ProblemAsync()).Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(gateway.Collection.Request);
    }

    [Theory]
    [InlineData("schedule:2030-01-01T03:30Z")]
    [InlineData("Schedule:x")]
    public async Task A_client_cannot_take_the_name_of_a_scheduled_run(string key)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync($"{Root}/gc", "{}", ("Idempotency-Key", key));

        Assert.Equal((HttpStatusCode.BadRequest, "urn:orleans-cache:error:bad-request"),
            (answer.StatusCode, (await answer.ProblemAsync()).Type));
        Assert.Empty(gateway.Collection.Operations);
    }

    [Fact]
    public async Task A_second_run_is_a_conflict()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Collection.Failure = new CacheProblemException(ProblemKind.GcRunning, "Run 6 is under way.");

        using var answer = await gateway.PostAsync($"{Root}/gc", "{}");

        Assert.Equal((HttpStatusCode.Conflict, "urn:orleans-cache:error:gc-running"),
            (answer.StatusCode, (await answer.ProblemAsync()).Type));
    }

    [Fact]
    public async Task Status_runs_and_a_run_are_told()
    {
        await using var gateway = await TestGateway.StartAsync();

        var status = await GetAsync(gateway, "/gc", ProtocolJson.Default.GcStatus);
        Assert.Equal((7L, "30 3 * * *"), (status.Current!.Id, status.Schedule));
        Assert.Equal(2, (await GetAsync(gateway, "/gc/runs", ProtocolJson.Default.GcHistory)).Runs.Count);
        Assert.Equal(20, gateway.Collection.Limit);
        await GetAsync(gateway, "/gc/runs?limit=3", ProtocolJson.Default.GcHistory);
        Assert.Equal(3, gateway.Collection.Limit);
        Assert.Equal(12, (await GetAsync(gateway, "/gc/runs/12", ProtocolJson.Default.GcRun)).Id);
    }

    [Theory]
    [InlineData("/gc/runs?limit=0", HttpStatusCode.BadRequest, "bad-request")]
    [InlineData("/gc/runs?limit=many", HttpStatusCode.BadRequest, "bad-request")]
    [InlineData("/gc/runs/first", HttpStatusCode.NotFound, "unknown-gc-run")]
    [InlineData("/why/glibc", HttpStatusCode.BadRequest, "bad-request")]
    public async Task What_cannot_be_asked_for_is_told(string route, HttpStatusCode status, string name)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync(Root + route, Login);

        Assert.Equal((status, $"urn:orleans-cache:error:{name}"), (answer.StatusCode, (await answer.ProblemAsync()).Type));
    }

    [Fact]
    public async Task Cancel_answers_the_run_or_that_there_is_none()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var cancelled = await gateway.PostAsync($"{Root}/gc/cancel", content: null);
        gateway.Collection.IsRunning = false;
        using var nothing = await gateway.PostAsync($"{Root}/gc/cancel", content: null);

        Assert.Equal(7, (await ReadAsync(cancelled, ProtocolJson.Default.GcRun)).Id);
        Assert.Equal((HttpStatusCode.NotFound, "urn:orleans-cache:error:unknown-gc-run"),
            (nothing.StatusCode, (await nothing.ProblemAsync()).Type));
    }

    [Theory]
    [InlineData(Hash)]
    [InlineData(Hash + "-hello")]
    public async Task Why_takes_a_hash_or_a_base_name(string path)
    {
        await using var gateway = await TestGateway.StartAsync();

        var why = await GetAsync(gateway, $"/why/{path}", ProtocolJson.Default.WhyAnswer);

        Assert.Equal(("live", "pin", $"{Hash}-hello"), (why.State, why.Root?.Kind, Assert.Single(why.Chain).BaseName));
    }

    [Fact]
    public async Task Fsck_answers_a_line_for_each_finding_and_a_summary()
    {
        await using var gateway = await SoundAsync();
        gateway.Fsck.Findings.AddRange([Finding, Finding with { Kind = FsckKind.WrongNarinfo }]);

        using var answer = await gateway.GetAsync($"{Root}/fsck", Login);

        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType?.MediaType);
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Length);
        Assert.Equal($$"""{"kind":"missing-object","key":"{{Hash}}.narinfo","detail":"It is \"not\" there."}""", lines[0]);
        Assert.Equal(FsckKind.WrongNarinfo, JsonSerializer.Deserialize(lines[1], ProtocolJson.Default.FsckFinding)!.Kind);
        Assert.Equal("""{"checked":{"keys":2,"paths":0,"objects":0,"pins":0,"multiparts":0},"findings":2}""", lines[2]);
    }

    [Theory]
    [InlineData(null, FsckKind.MissingObject)]
    [InlineData("StoreDir: /nix/store\n", FsckKind.WrongCacheInfo)]
    [InlineData("StoreDir: /gnu/store\nWantMassQuery: 1\nPriority: 12\n", FsckKind.WrongCacheInfo)]
    public async Task Fsck_finds_a_nix_cache_info_that_is_not_what_the_server_says(string? stored, FsckKind kind)
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Priority = 12 });
        if (stored is not null)
            await gateway.StoreAsync("nix-cache-info", System.Text.Encoding.ASCII.GetBytes(stored));

        using var answer = await gateway.GetAsync($"{Root}/fsck", Login);

        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var finding = JsonSerializer.Deserialize(lines[0], ProtocolJson.Default.FsckFinding)!;
        Assert.Equal((kind, "nix-cache-info"), (finding.Kind, finding.Key));
        Assert.EndsWith("\"findings\":1}", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_finding_is_sent_before_the_check_ends()
    {
        await using var gateway = await SoundAsync();
        gateway.Fsck.Findings.Add(Finding);
        gateway.Fsck.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        using var answer = await AskAsync(gateway);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());

        Assert.Contains("missing-object", await reader.ReadLineAsync(), StringComparison.Ordinal);
        gateway.Fsck.Gate.SetResult();
        Assert.Contains("findings\":1", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_check_that_fails_in_the_middle_is_cut_off_without_a_summary()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Fsck.Findings.Add(Finding);
        gateway.Fsck.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Fsck.Failure = new InvalidOperationException("the disk is full");

        using var answer = await AskAsync(gateway);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        await reader.ReadLineAsync();
        gateway.Fsck.Gate.SetResult();

        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (await reader.ReadLineAsync() is { } line)
                Assert.DoesNotContain("findings", line, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task Fsck_of_a_cache_that_does_not_exist_is_a_problem_and_no_stream()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync("/v1/caches/nowhere/fsck", Login);

        Assert.Equal((HttpStatusCode.NotFound, "urn:orleans-cache:error:unknown-cache"),
            (answer.StatusCode, (await answer.ProblemAsync()).Type));
    }

    /// <summary>With the file in its store that a server writes when it starts.</summary>
    private static async Task<TestGateway> SoundAsync()
    {
        var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync("nix-cache-info", await gateway.Client.GetByteArrayAsync(new Uri("/nix-cache-info", UriKind.Relative)));
        return gateway;
    }

    private static async Task<HttpResponseMessage> AskAsync(TestGateway gateway)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Root}/fsck");
        request.Headers.Authorization = new("Bearer", TestGateway.Token);
        return await gateway.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private static async Task<T> GetAsync<T>(TestGateway gateway, string route, JsonTypeInfo<T> type)
    {
        using var answer = await gateway.GetAsync(Root + route, Login);
        return await ReadAsync(answer, type);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type)
    {
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync(type))!;
    }
}
