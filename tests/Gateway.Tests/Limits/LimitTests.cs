using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Tests.Http;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Limits;

public class LimitTests
{
    private const string Missing = "/v1/caches/default/missing";
    private const string NixUserAgent = "curl/8.14.1 Nix/2.28.3";
    private const string NewNix = "curl/8.17.0 Nix/2.34.1";

    private static readonly ObjectKey Key = ObjectKey.Parse("nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst");
    private static readonly ObjectKey OtherKey = ObjectKey.Parse("nar/1b8m03r63zqhnjf7m5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst");
    private static readonly ObjectKey StrangeKey = ObjectKey.Parse("nar/0b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst");

    [Fact]
    public async Task Who_sends_more_than_a_token_may_is_told_when_to_come_back()
    {
        await using var gateway = await StartAsync(new RequestLimits { RequestRate = 1, RequestBurst = 3 });
        var other = gateway.Tokens.Add(TokenScope.Push);

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => gateway.PostAsync(Missing, """{"paths":[]}""")));
        using var another = await gateway.SendAsync(HttpMethod.Post, Missing, ("Authorization", $"Bearer {other}"));
        using var open = await gateway.GetAsync("/nix-cache-info", ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.InRange(answers.Count(a => a.StatusCode == HttpStatusCode.OK), 3, 19);
        var refused = answers.First(a => a.StatusCode != HttpStatusCode.OK);
        Assert.Equal("urn:orleans-cache:error:too-many-requests", (await refused.ProblemAsync()).Type);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.OK), (another.StatusCode, open.StatusCode));
        foreach (var answer in answers)
            answer.Dispose();
    }

    [Theory]
    [InlineData(NixUserAgent)]
    [InlineData(NewNix)]
    [InlineData("Lix/2.93.0")]
    public async Task A_Nix_waits_for_its_turn(string userAgent)
    {
        await using var gateway = await StartAsync(new RequestLimits { RequestRate = 100, RequestBurst = 100 });

        var answers = await Task.WhenAll(Enumerable.Range(0, 150)
            .Select(_ => gateway.PostAsync(Missing, """{"paths":[]}""", ("User-Agent", userAgent))));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        foreach (var answer in answers)
            answer.Dispose();
    }

    [Fact]
    public async Task Who_tries_unknown_tokens_is_told_to_wait_and_keeps_nobody_out_who_was_let_in_before()
    {
        var clock = new StoppedClock();
        await using var gateway = await StartAsync(new RequestLimits { FailedLogins = 3 }, clock);
        var known = gateway.Tokens.Add(TokenScope.Push);
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(gateway, known));

        var tried = new List<HttpStatusCode>();
        for (var i = 0; i < 5; i++)
            tried.Add(await StatusAsync(gateway, $"unknown-{i}"));
        var fresh = gateway.Tokens.Add(TokenScope.Push);
        using var refused = await gateway.SendAsync(HttpMethod.Post, Missing, ("Authorization", $"Bearer {fresh}"));
        using var oldNix = await gateway.SendAsync(HttpMethod.Post, Missing, ("Authorization", $"Bearer {fresh}"),
            ("User-Agent", NixUserAgent));
        using var newNix = await gateway.SendAsync(HttpMethod.Post, Missing, ("Authorization", $"Bearer {fresh}"), ("User-Agent", NewNix));
        using var open = await gateway.SendAsync(HttpMethod.Get, "/nix-cache-info", ("Authorization", "Bearer unknown"));

        Assert.Equal([.. Enumerable.Repeat(HttpStatusCode.Unauthorized, 3),
            .. Enumerable.Repeat(HttpStatusCode.TooManyRequests, 2)], tried);
        Assert.Equal(4, gateway.Tokens.Asked);
        Assert.Equal("urn:orleans-cache:error:too-many-requests", (await refused.ProblemAsync()).Type);
        Assert.Equal(TimeSpan.FromSeconds(10), refused.Headers.RetryAfter!.Delta);
        Assert.Equal(HttpStatusCode.Forbidden, oldNix.StatusCode);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (newNix.StatusCode, newNix.Headers.RetryAfter is not null));
        Assert.Equal(HttpStatusCode.OK, open.StatusCode);
        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest),
            (await StatusAsync(gateway, known), await StatusAsync(gateway, TestGateway.Token)));

        clock.Move(TimeSpan.FromSeconds(9));
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(gateway, fresh));
        clock.Move(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(gateway, fresh));
    }

    [Fact]
    public async Task A_token_that_was_let_in_and_then_revoked_is_tried_once_more_and_then_waits_as_any_other()
    {
        await using var gateway = await StartAsync(new RequestLimits { FailedLogins = 1 }, new StoppedClock());
        var token = gateway.Tokens.Add(TokenScope.Push);
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(gateway, token));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(gateway, "unknown"));

        gateway.Tokens.Good.Remove(token);

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(gateway, token));
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(gateway, token));
    }

    [Fact]
    public async Task Uploads_beyond_those_of_one_push_wait_and_hold_nobody_else_up()
    {
        await using var gateway = await StartAsync(new RequestLimits { Uploads = 8, UploadsPerClient = 1 });
        using var slow = await OpenPutAsync(gateway, Key, 10);

        var waiting = gateway.Client.PutAsync(Sign(gateway, OtherKey), new ByteArrayContent([1, 2]));
        using var strange = await gateway.Client.PutAsync(Sign(gateway, StrangeKey), new ByteArrayContent([1, 2]));
        Assert.Equal(HttpStatusCode.OK, strange.StatusCode);
        Assert.False(waiting.IsCompleted);
        Assert.Null(await gateway.Store.HeadAsync(OtherKey, CancellationToken.None));

        await slow.GetStream().WriteAsync(Encoding.ASCII.GetBytes("0123456789"));
        using var waited = await waiting;
        Assert.Equal(HttpStatusCode.OK, waited.StatusCode);
        Assert.NotNull(await gateway.Store.HeadAsync(Key, CancellationToken.None));
    }

    [Fact]
    public async Task More_waiting_uploads_than_four_times_those_that_run_are_told_to_come_back()
    {
        await using var gateway = await StartAsync(new RequestLimits { UploadsPerClient = 1 });
        using var slow = await OpenPutAsync(gateway, Key, 10);

        var others = Enumerable.Range(0, 12)
            .Select(_ => gateway.Client.PutAsync(Sign(gateway, OtherKey), new ByteArrayContent([1, 2]))).ToList();
        await Eventually.BecomesTrueAsync(() => others.Count(o => o.IsCompleted) >= 8);
        var refused = others.Where(o => o.IsCompleted).ToList();
        await slow.GetStream().WriteAsync(Encoding.ASCII.GetBytes("0123456789"));
        var answers = await Task.WhenAll(others);

        Assert.Equal(8, refused.Count);
        foreach (var answer in refused)
            Assert.Equal("urn:orleans-cache:error:too-many-requests", (await (await answer).ProblemAsync()).Type);
        Assert.Equal(4, answers.Count(a => a.StatusCode is HttpStatusCode.OK or HttpStatusCode.PreconditionFailed));
        foreach (var answer in answers)
            answer.Dispose();
    }

    [Theory]
    [InlineData(NixUserAgent)]
    [InlineData(NewNix)]
    public async Task All_uploads_of_a_Nix_wait_for_their_turn(string userAgent)
    {
        await using var gateway = await StartAsync(new RequestLimits { UploadsPerClient = 1 });

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(async _ =>
        {
            using var put = new HttpRequestMessage(HttpMethod.Put, Sign(gateway, OtherKey)) { Content = new ByteArrayContent([1, 2]) };
            Assert.True(put.Headers.TryAddWithoutValidation("User-Agent", userAgent));
            using var answer = await gateway.Client.SendAsync(put);
            return answer.StatusCode;
        }));

        Assert.All(answers, status => Assert.True(status is HttpStatusCode.OK or HttpStatusCode.PreconditionFailed, $"{status}"));
    }

    [Theory]
    [InlineData(414)]
    [InlineData(431)]
    [InlineData(-431)]
    public async Task What_is_longer_than_a_request_may_be_is_refused(int status)
    {
        await using var gateway = await StartAsync(new RequestLimits { UrlBytes = 1024, HeaderBytes = 4096, HeaderCount = 20 });

        var answer = await RawHttp.SendAsync(gateway.Parts.PublicUrl, status switch
        {
            414 => $"GET /{new string('a', 2000)} HTTP/1.1\r\nHost: x\r\n\r\n",
            431 => $"GET / HTTP/1.1\r\nHost: x\r\nX: {new string('a', 5000)}\r\n\r\n",
            _ => $"GET / HTTP/1.1\r\nHost: x\r\n{string.Concat(Enumerable.Range(0, 30).Select(i => $"X{i}: 1\r\n"))}\r\n",
        });

        Assert.Equal(Math.Abs(status), answer.Status);
    }

    [Fact]
    public async Task A_connection_beyond_the_most_is_closed_and_the_others_go_on()
    {
        await using var gateway = await StartAsync(new RequestLimits { Connections = 2 });
        using var idle = new TcpClient();
        await idle.ConnectAsync(gateway.Parts.PublicUrl.Host, gateway.Parts.PublicUrl.Port);
        using var first = await gateway.GetAsync("/livez");

        var refused = await RawHttp.SendAsync(gateway.Parts.PublicUrl, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        using var again = await gateway.GetAsync("/livez");

        Assert.Equal(0, refused.Status);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Fact]
    public async Task Clients_that_stand_still_are_cut_off_while_others_are_served()
    {
        await using var gateway = await StartAsync(new RequestLimits { Stall = TimeSpan.FromSeconds(2) });
        var url = Sign(gateway, Key);
        string[] beginnings =
        [
            "GET /livez HT",
            "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            $"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n01234",
            $"POST {Missing} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TestGateway.Token}\r\nContent-Type: " +
                $"application/json\r\nContent-Length: 100\r\n\r\n{{",
        ];

        var stalled = Enumerable.Range(0, 40)
            .Select(i => RawHttp.SendAsync(gateway.Parts.PublicUrl, beginnings[i % beginnings.Length])).ToList();
        using var served = await gateway.GetAsync("/livez");
        var ends = await Task.WhenAll(stalled);

        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
        Assert.All(ends, end => Assert.Contains(end.Status, (int[])[0, 400, 408]));
        Assert.Null(await gateway.Store.HeadAsync(Key, CancellationToken.None));
        Assert.DoesNotContain(gateway.Log, line => line.Contains("failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_body_that_is_said_to_be_as_long_as_a_number_can_be_ends_with_its_connection()
    {
        await using var gateway = await TestGateway.StartAsync();
        var url = gateway.Store.SignPut(Key, null, TimeSpan.FromMinutes(5)).Url;

        await RawHttp.SendAsync(url,
            Encoding.ASCII.GetBytes($"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: x\r\nContent-Length: {long.MaxValue}\r\n\r\nhello"),
            end: true);

        await Eventually.BecomesTrueAsync(() => !Directory.EnumerateFiles(Path.Combine(gateway.StoreFolder, ".tmp")).Any());
        Assert.Null(await gateway.Store.HeadAsync(Key, CancellationToken.None));
    }

    [Fact]
    public async Task An_upload_that_comes_when_its_URL_has_expired_changes_nothing()
    {
        await using var gateway = await TestGateway.StartAsync();
        var late = gateway.Store.SignPut(Key, 100, TimeSpan.FromSeconds(-1)).Url;
        await gateway.StoreAsync(Key.ToString(), [1, 2, 3]);

        using var refused = await gateway.Client.PutAsync(late, new ByteArrayContent([4, 5]));
        using var inTime = await gateway.Client.PutAsync(Sign(gateway, Key), new ByteArrayContent([4, 5]));
        using var read = await gateway.GetAsync("/" + Key);

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.PreconditionFailed), (refused.StatusCode, inTime.StatusCode));
        Assert.Equal([1, 2, 3], await read.Content.ReadAsByteArrayAsync());
    }

    private static Task<TestGateway> StartAsync(RequestLimits limits, TimeProvider? time = null) =>
        TestGateway.StartAsync(parts => parts with { Limits = limits, Time = time ?? TimeProvider.System });

    // A request without a body: 400 for a token that was let in.
    private static async Task<HttpStatusCode> StatusAsync(TestGateway gateway, string token)
    {
        using var answer = await gateway.SendAsync(HttpMethod.Post, Missing, ("Authorization", $"Bearer {token}"));
        return answer.StatusCode;
    }

    private static Uri Sign(TestGateway gateway, ObjectKey key) => gateway.Store.SignPut(key, 100, TimeSpan.FromMinutes(5)).Url;

    /// <summary>A PUT whose body does not come yet; it has its place, since the store has begun a file for it.</summary>
    private static async Task<TcpClient> OpenPutAsync(TestGateway gateway, ObjectKey key, int length)
    {
        var url = Sign(gateway, key);
        var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        await client.GetStream()
            .WriteAsync(Encoding.ASCII.GetBytes($"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
        await Eventually.BecomesTrueAsync(() => Directory.EnumerateFiles(Path.Combine(gateway.StoreFolder, ".tmp")).Any());
        return client;
    }

    /// <summary>Its timestamps stand until they are moved; dates and timers are the system's.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public void Move(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    }
}
