using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Core;
using OrleansCache.Core.Objects;
using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Gateway.Tests;

public class PushRouteTests
{
    private const string Pushes = "/v1/caches/default/pushes";
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";
    private const string NarHash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";

    private static readonly string Begin =
        $$"""{"roots":["{{Hash}}"],"paths":[{"path":"{{Hash}}-hello","narHash":"{{NarHash}}","narSize":120,"references":["{{Hash}}"]}],"someday":true}""";

    private static readonly string Missing = $$"""{"paths":["{{Hash}}"]}""";

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

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    [InlineData("identity")]
    public async Task A_body_may_come_compressed(string coding)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync("/v1/caches/default/missing", Compressed(Missing, coding));

        Assert.Equal(Hash, Assert.Single((await ReadAsync(answer, ProtocolJson.Default.MissingAnswer)).Missing).ToString());
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(600, false)]
    [InlineData(10_000, false)]
    [InlineData(30_000, true)]
    public async Task A_begin_of_any_size_is_read_whole(int paths, bool compressed)
    {
        await using var gateway = await TestGateway.StartAsync();
        var path = Begin[Begin.IndexOf("{\"path\"", StringComparison.Ordinal)..(Begin.IndexOf("]}]", StringComparison.Ordinal) + 2)];
        var json = $"{{\"roots\":[\"{Hash}\"],\"paths\":[{string.Join(',', Enumerable.Repeat(path, paths))}],\"pin\":{{\"name\":\"last\"}}}}";

        using var answer = await gateway.PostAsync(Pushes, compressed ? Compressed(json, "gzip") : new StringContent(json, Encoding.UTF8, "application/json"));

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal((paths, "last"), (gateway.Pushes.Begun!.Paths.Count, gateway.Pushes.Begun.Pin!.Name.ToString()));
        Assert.All(gateway.Pushes.Begun.Paths, p => Assert.Equal((120, Hash), (p.NarSize, p.References[0].ToString())));
    }

    [Fact]
    public async Task A_byte_order_mark_is_skipped()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync(Pushes, new StringContent("\uFEFF" + Begin, Encoding.UTF8, "application/json"));

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task A_compressed_body_that_is_damaged_or_cut_short_is_malformed(string coding)
    {
        await using var gateway = await TestGateway.StartAsync();
        var whole = await Compressed(Missing, coding).ReadAsByteArrayAsync();
        foreach (var body in new[] { whole[..(whole.Length / 2)], [1, 2, 3, 4, .. whole], Encoding.ASCII.GetBytes(Missing), [] })
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new("application/json");
            content.Headers.ContentEncoding.Add(coding);

            using var answer = await gateway.PostAsync("/v1/caches/default/missing", content);

            Assert.Equal("urn:orleans-cache:error:bad-request", (await answer.ProblemAsync()).Type);
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    [InlineData("identity")]
    public async Task A_body_that_is_too_large_once_decompressed_is_refused(string coding)
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Limits = new RequestLimits { JsonBytes = 100_000 } });
        var bomb = $$"""{"paths":[],"x":"{{new string(' ', 300_000)}}"}""";

        using var answer = await gateway.PostAsync("/v1/caches/default/missing", Compressed(bomb, coding));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("urn:orleans-cache:error:too-large", (await answer.ProblemAsync()).Type);
    }

    [Theory]
    [InlineData("gzip", "gzip")]
    [InlineData("zstd", "zstd")]
    [InlineData("br, gzip;q=0.5, zstd;q=0", "gzip")]
    [InlineData("br", null)]
    [InlineData("gzip;q=0", null)]
    public async Task Answers_are_compressed_as_the_client_accepts(string accepted, string? used)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync("/v1/caches/default/missing", Missing, ("Accept-Encoding", accepted));

        Assert.Equal(used, answer.Content.Headers.ContentEncoding.SingleOrDefault());
        Assert.Contains("Accept-Encoding", answer.Headers.Vary);
        await using var body = await answer.Content.ReadAsStreamAsync();
        await using Stream plain = used switch
        {
            "gzip" => new GZipStream(body, CompressionMode.Decompress),
            "zstd" => new ZstdDecompressStream(body),
            _ => body,
        };
        Assert.Single((await JsonSerializer.DeserializeAsync(plain, ProtocolJson.Default.MissingAnswer))!.Missing);
    }

    [Theory]
    [InlineData("", """{"roots":[],"paths":[null]}""")]
    [InlineData("", """{"roots":[],"paths":[{"path":"0c5b8vw40dy178xlpddw65q9gf1h2186-a","narHash":"sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s","narSize":1,"signatures":["a",null]}]}""")]
    [InlineData("", """{"roots":[],"paths":[],"logs":[null]}""")]
    [InlineData("/7/uploaded", """{"uploads":[null]}""")]
    [InlineData("/7/uploaded", """{"uploads":[],"listings":[null]}""")]
    [InlineData("/7/uploaded", """{"uploads":[],"realisations":[null]}""")]
    public async Task A_null_in_a_list_is_refused(string route, string json)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync(Pushes + route, json);

        var problem = await answer.ProblemAsync();
        Assert.Equal("urn:orleans-cache:error:bad-request", problem.Type);
        Assert.Contains("null is not allowed in a list", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "line 1")]
    [InlineData("[]", "another type")]
    [InlineData("null", "null")]
    [InlineData("{}", "'paths'")]
    [InlineData("""{"paths":null}""", "$.paths")]
    [InlineData("""{"paths":"x"}""", "$.paths")]
    [InlineData("""{"paths":["zzz"]}""", "$.paths[0] (line 1, byte ")]
    [InlineData("""{"paths":[1]}""", "$.paths[0]")]
    [InlineData("""{"paths":[]} more""", "line 1")]
    public async Task Malformed_json_is_told_with_its_place_and_without_our_types(string json, string hint)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync("/v1/caches/default/missing", json);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await answer.ProblemAsync();
        Assert.Contains(hint, problem.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("OrleansCache", problem.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", problem.Detail, StringComparison.Ordinal);
    }

    public static TheoryData<ProblemKind, int, string> Kinds => new()
    {
        { ProblemKind.BadRequest, 400, "bad-request" },
        { ProblemKind.UnknownCache, 404, "unknown-cache" },
        { ProblemKind.UnknownPush, 404, "unknown-push" },
        { ProblemKind.PushEnded, 410, "push-ended" },
        { ProblemKind.NotOfThisPush, 403, "not-of-this-push" },
        { ProblemKind.ClosureIncomplete, 422, "closure-incomplete" },
        { ProblemKind.MissingPaths, 409, "missing-paths" },
        { ProblemKind.KeyReused, 409, "key-reused" },
        { ProblemKind.UnknownPath, 404, "unknown-path" },
        { ProblemKind.UnknownPin, 404, "unknown-pin" },
        { ProblemKind.PathNotInCache, 409, "path-not-in-cache" },
        { ProblemKind.PinChanged, 412, "pin-changed" },
        { ProblemKind.UnknownGcRun, 404, "unknown-gc-run" },
        { ProblemKind.GcRunning, 409, "gc-running" },
        { ProblemKind.UnknownToken, 404, "unknown-token" },
        { ProblemKind.TokenExists, 409, "token-exists" },
        { ProblemKind.Forbidden, 403, "forbidden" },
        { ProblemKind.TooLarge, 413, "too-large" },
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
        Assert.Equal((status, $"urn:orleans-cache:error:{name}", "What was wrong, and what to do."), (problem.Status, problem.Type, problem.Detail));
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
        Assert.Contains(gateway.Log, l => l.Contains(trace, StringComparison.Ordinal) && l.Contains("the inside of the server", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_store_or_database_that_does_not_answer_is_a_503_to_be_repeated()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var failure in new Exception[] { new ObjectStoreException("PUT x: 503", isTransient: true), new Npgsql.NpgsqlException("gone"), new TimeoutException() })
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
    [InlineData("text/plain", null, 415)]
    [InlineData("application/json", "br", 400)]
    public async Task A_body_of_another_type_or_coding_is_refused(string type, string? coding, int status)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var content = new StringContent(Missing, Encoding.UTF8, type);
        if (coding is not null)
            content.Headers.ContentEncoding.Add(coding);

        using var answer = await gateway.PostAsync("/v1/caches/default/missing", content);

        Assert.Equal(status, (await answer.ProblemAsync()).Status);
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
        var report = $$"""{"uploads":[{"upload":"u1","fileHash":"{{NarHash}}","fileSize":9,"md5":["00"]}],"listings":[{"path":"{{Hash}}","content":"AQID"}]}""";

        using var reported = await gateway.PostAsync(Pushes + "/7/uploaded", report);
        using var waited = await gateway.PostAsync(Pushes + "/7/wait", Missing);
        using var urls = await gateway.PostAsync(Pushes + "/7/uploads/u1/urls", """{"firstPart":5}""");
        using var renewed = await gateway.PostAsync(Pushes + "/7/renew", content: null);
        using var aborted = await gateway.SendAsync(HttpMethod.Delete, Pushes + "/7", ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal(["u1"], (await ReadAsync(reported, ProtocolJson.Default.ReportAnswer)).Stored);
        Assert.Equal([1, 2, 3], gateway.Pushes.Reported!.Listings[0].Content);
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

    private static ByteArrayContent Compressed(string text, string coding)
    {
        using var buffer = new MemoryStream();
        using (Stream? encoder = coding switch
        {
            "gzip" => new GZipStream(buffer, CompressionLevel.Fastest, leaveOpen: true),
            "zstd" => new ZstdCompressStream(buffer, leaveOpen: true),
            _ => null,
        })
        {
            (encoder ?? buffer).Write(Encoding.UTF8.GetBytes(text));
        }

        var content = new ByteArrayContent(buffer.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add(coding);
        return content;
    }
}
