using System.Net;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Tests.Protocols.V1.SampleRequests;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class PushRouteTests
{
    [Fact]
    public async Task Begin_hands_the_closure_over_and_answers_201()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync(Pushes, Begin);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var opened = await ReadAsync(answer, ProtocolJson.Default.PushOpened);
        Assert.Equal(("7", 1), (opened.Id, opened.Present));
        Assert.Equal(120, gateway.Pushes.Begun!.Paths[0].NarSize);
        Assert.Equal("hello", gateway.Pushes.Begun.Paths[0].Path.Name);
    }

    [Fact]
    public async Task Begin_takes_the_idempotency_key_as_its_operation_and_mints_one_without_it()
    {
        await using var gateway = await TestGateway.StartAsync();

        for (var i = 0; i < 2; i++)
            (await gateway.PostAsync(Pushes, Begin, ("Idempotency-Key", "job-42"))).Dispose();
        for (var i = 0; i < 2; i++)
            (await gateway.PostAsync(Pushes, Begin)).Dispose();

        Assert.Equal(["job-42", "job-42"], gateway.Pushes.Operations.Take(2).Select(o => o.Value));
        Assert.Equal(3, gateway.Pushes.Operations.Distinct().Count());
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("129")]
    public async Task An_idempotency_key_that_is_none_is_refused(string key)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync(Pushes, Begin, ("Idempotency-Key", key == "129" ? new string('x', 129) : key));

        Assert.Contains("Idempotency-Key", (await answer.ProblemAsync()).Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Empty(gateway.Pushes.Operations);
    }

    public static TheoryData<ProblemKind, int, string> Kinds => new()
    {
        { ProblemKind.BadRequest, 400, "bad-request" },
        { ProblemKind.UnknownCache, 404, "unknown-cache" },
        { ProblemKind.CacheExists, 409, "cache-exists" },
        { ProblemKind.CacheInUse, 409, "cache-in-use" },
        { ProblemKind.CacheDeclared, 409, "cache-declared" },
        { ProblemKind.UnknownKey, 404, "unknown-key" },
        { ProblemKind.UnknownPush, 404, "unknown-push" },
        { ProblemKind.PushEnded, 410, "push-ended" },
        { ProblemKind.NotOfThisPush, 403, "not-of-this-push" },
        { ProblemKind.ClosureIncomplete, 422, "closure-incomplete" },
        { ProblemKind.MissingPaths, 409, "missing-paths" },
        { ProblemKind.Conflict, 409, "conflict" },
        { ProblemKind.Untrue, 422, "untrue" },
        { ProblemKind.Withdrawn, 409, "withdrawn" },
        { ProblemKind.UnknownBar, 404, "unknown-bar" },
        { ProblemKind.KeyReused, 409, "key-reused" },
        { ProblemKind.UnknownPath, 404, "unknown-path" },
        { ProblemKind.UnknownPin, 404, "unknown-pin" },
        { ProblemKind.PathNotInCache, 409, "path-not-in-cache" },
        { ProblemKind.Boundary, 409, "boundary" },
        { ProblemKind.PinChanged, 412, "pin-changed" },
        { ProblemKind.UnknownGcRun, 404, "unknown-gc-run" },
        { ProblemKind.GcRunning, 409, "gc-running" },
        { ProblemKind.UnknownToken, 404, "unknown-token" },
        { ProblemKind.TokenExists, 409, "token-exists" },
        { ProblemKind.UnknownBlock, 404, "unknown-block" },
        { ProblemKind.Forbidden, 403, "forbidden" },
        { ProblemKind.TooLarge, 413, "too-large" },
        { ProblemKind.DiskFull, 507, "disk-full" },
        { ProblemKind.QuotaExceeded, 413, "quota-exceeded" },
        { ProblemKind.Unavailable, 503, "unavailable" },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_problem_of_the_core_has_its_status_type_and_paths(ProblemKind kind, int status, string name)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Pushes.Failure = new CacheProblemException(kind, "What was wrong, and what to do.", [StorePathHash.Parse(Hash)]);

        using var answer = await gateway.PostAsync(Pushes, Begin);

        var problem = await answer.ProblemAsync();
        Assert.Equal((status, $"urn:orleans-cache:error:{name}", "What was wrong, and what to do."),
            (problem.Status, problem.Type, problem.Detail));
        Assert.Equal(Hash, Assert.Single(problem.Paths!).ToString());
        Assert.Equal(status == 503, answer.Headers.RetryAfter is not null);
    }

    [Fact]
    public void Every_kind_of_problem_has_its_row_above() =>
        Assert.Equal(Enum.GetValues<ProblemKind>(), Kinds.Select(row => (ProblemKind)((object[])row)[0]));

    [Fact]
    public async Task An_unexpected_failure_is_a_500_that_shows_nothing_but_the_name_of_its_log_entry()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Pushes.Failure = new InvalidOperationException("the inside of the server");

        using var answer = await gateway.PostAsync(Pushes, Begin);

        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.DoesNotContain("inside", text, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        var trace = (await answer.ProblemAsync()).Detail!.Split(' ')[^1].TrimEnd('.');
        Assert.Contains(gateway.Log, l => l.Contains(trace, StringComparison.Ordinal)
            && l.Contains("the inside of the server", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_store_or_database_that_does_not_answer_is_a_503_to_be_repeated()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var failure in new Exception[] { new ObjectStoreException("PUT x: 503", isTransient: true),
            new Npgsql.NpgsqlException("gone"), new TimeoutException() })
        {
            gateway.Pushes.Failure = failure;

            using var answer = await gateway.PostAsync(Pushes, Begin);

            Assert.Equal("urn:orleans-cache:error:unavailable", (await answer.ProblemAsync()).Type);
            Assert.NotNull(answer.Headers.RetryAfter);
        }
    }

    [Theory]
    [InlineData("GET", "/nowhere", 404, "not-found")]
    [InlineData("POST", "/v1/caches/default/nowhere", 404, "not-found")]
    [InlineData("GET", "/v1/caches/UPPER", 404, "unknown-cache")]
    [InlineData("GET", "/v1/caches/other", 404, "unknown-cache")]
    [InlineData("POST", "/v1/caches/default/pushes/x/renew", 404, "unknown-push")]
    [InlineData("POST", "/v1/caches/default/pushes/-1/commit", 404, "unknown-push")]
    [InlineData("DELETE", "/v1/caches/default/pushes/0", 404, "unknown-push")]
    [InlineData("PUT", "/v1/caches/default/missing", 405, "method-not-allowed")]
    [InlineData("GET", "/v1/caches/default/pushes", 405, "method-not-allowed")]
    [InlineData("DELETE", "/nix-cache-info", 405, "method-not-allowed")]
    public async Task What_is_not_there_is_a_problem_too(string method, string path, int status, string name)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.SendAsync(new HttpMethod(method), path, ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal((status, $"urn:orleans-cache:error:{name}"), ((int)answer.StatusCode, (await answer.ProblemAsync()).Type));
        Assert.Equal(status == 405, answer.Content.Headers.Allow.Count > 0);
    }

    [Theory]
    [InlineData("/nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.xz")]
    [InlineData("/7hjadjskdkc0yy9c8vszrvnc94lva3a6.narinfo")]
    public async Task Who_writes_to_the_url_for_reading_is_told_the_one_for_writing(string path)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.SendAsync(HttpMethod.Put, path, ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal(405, (int)answer.StatusCode);
        Assert.Contains("append /c/default", (await answer.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_that_takes_long_answers_202_and_when_to_ask_again()
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with { CommitPatience = TimeSpan.FromSeconds(12) });
        gateway.Pushes.CommitState = PushState.Committing;

        using var later = await gateway.PostAsync(Pushes + "/7/commit", content: null);
        gateway.Pushes.CommitState = PushState.Committed;
        using var done = await gateway.PostAsync(Pushes + "/7/commit", content: null);

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.OK), (later.StatusCode, done.StatusCode));
        Assert.NotNull(later.Headers.RetryAfter);
        Assert.Contains("\"state\":\"committing\"", await later.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromSeconds(12), gateway.Pushes.Patience);
    }

    [Fact]
    public async Task The_other_calls_pass_their_bodies_on()
    {
        await using var gateway = await TestGateway.StartAsync();
        var listing = Nix.Zstd.Compress("{}"u8);
        var report =
            $$"""{"uploads":[{"upload":"u1","fileHash":"{{NarHash}}","fileSize":9,"md5":["{{new string('0', 32)}}"]}],"listings":[{"path":"{{Hash}}","content":"{{Convert.ToBase64String(listing)}}"}]}""";

        using var reported = await gateway.PostAsync(Pushes + "/7/uploaded", report);
        using var waited = await gateway.PostAsync(Pushes + "/7/wait", Missing);
        using var urls = await gateway.PostAsync(Pushes + "/7/uploads/u1/urls", """{"firstPart":5}""");
        using var renewed = await gateway.PostAsync(Pushes + "/7/renew", content: null);
        using var aborted = await gateway.SendAsync(HttpMethod.Delete, Pushes + "/7", ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal(["u1"], (await ReadAsync(reported, ProtocolJson.Default.ReportAnswer)).Stored);
        Assert.Equal(listing, gateway.Pushes.Reported!.Listings[0].Content);
        Assert.Equal(PathState.Stored, (await ReadAsync(waited, ProtocolJson.Default.WaitAnswer)).Paths[0].State);
        Assert.Equal((5, "u1"), await ReadAsync(urls, ProtocolJson.Default.UrlsAnswer) is var u ? (u.FirstPart, u.Grant.Id) : default);
        Assert.Equal(900, (await ReadAsync(renewed, ProtocolJson.Default.RenewAnswer)).RenewAfterSeconds);
        Assert.Equal(HttpStatusCode.NoContent, aborted.StatusCode);
    }

    [Fact]
    public async Task Who_waits_is_told_to_ask_again_when_the_server_stops()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Pushes.Gate = new TaskCompletionSource();
        var waiting = gateway.PostAsync(Pushes + "/7/wait", Missing);
        await gateway.Pushes.Entered.Task;

        await gateway.App.StopAsync();

        using var answer = await waiting;
        Assert.Equal("urn:orleans-cache:error:unavailable", (await answer.ProblemAsync()).Type);
    }

    [Fact]
    public async Task The_cache_describes_itself()
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Priority = 33 });

        using var answer = await gateway.GetAsync("/v1/caches/default");

        var info = await ReadAsync(answer, ProtocolJson.Default.CacheInfo);
        Assert.Equal(("default", "/nix/store", 33, gateway.Parts.PublicUrl), (info.Name, info.StoreDir, info.Priority, info.Substituter));
        Assert.Equal(["test-1:AAAA"], info.PublicKeys);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize(text, type)!;
    }
}
