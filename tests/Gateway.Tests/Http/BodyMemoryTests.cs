using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;
using OrleansCache.Testing;
using static OrleansCache.Gateway.Tests.Protocols.V1.SampleRequests;

namespace OrleansCache.Gateway.Tests.Http;

/// <summary>What bodies may hold and need, on all protocols.</summary>
public class BodyMemoryTests
{
    private const string Missing = "/v1/caches/default/missing";
    private const string Report = Pushes + "/7/uploaded";
    private const string Listing = $"/c/default/{Hash}.ls";
    private const string NixUserAgent = "curl/8.14.1 Nix/2.28.3";
    private const string Drv = "0c5b8vw40dy178xlpddw65q9gf1h2186-x.drv";

    private static readonly byte[] Frame = Zstd.Compress("a log\n"u8);

    public static TheoryData<string, int> Contents => new()
    {
        { "listing", 16 << 20 },
        { "log", 32 << 20 },
        { "realisation", 64 << 10 },
    };

    public static TheoryData<string> MalformedReports =>
    [
        """{"uploads":[{"upload":"x","fileSize":0}]}""",
        """{"uploads":[{"upload":"x","fileSize":-1}]}""",
        """{"uploads":[{"upload":"x","fileSize":17592186044417}]}""",
        """{"uploads":[{"upload":"x","fileSize":9223372036854775808}]}""",
        """{"uploads":[{"upload":"x","fileSize":null}]}""",
        """{"uploads":[{"upload":null,"fileSize":1}]}""",
        """{"uploads":[{"upload":"x","fileSize":1,"md5":["x"]}]}""",
        """{"uploads":[{"upload":"x","fileSize":1,"md5":[null]}]}""",
        $$"""{"uploads":[{"upload":"x","fileSize":1,"md5":[{{string.Join(',', Enumerable.Repeat("\"00000000000000000000000000000000\"", 10_001))}}]}]}""",
        $$"""{"listings":[{"path":"{{Hash}}","content":"AAAA"}]}""",
        $$"""{"listings":[{"path":"{{Hash}}","content":""}]}""",
        $$"""{"listings":[{"path":"{{Hash}}","content":"{{Convert.ToBase64String(ZstdBomb.Make("{", 1, ' ', "}", windowLog: 24))}}"}]}""",
        $$"""{"listings":[{"path":"{{Hash}}","content":"{{Convert.ToBase64String(ZstdBomb.Make("{", 1, ' ', "}", dictionary: 1))}}"}]}""",
        $$"""{"logs":[{"drv":"{{Drv}}","path":"{{Hash}}","content":"{{Convert.ToBase64String(Frame[..^1])}}"}]}""",
        $$"""{"logs":[{"drv":"{{Hash}}-x","path":"{{Hash}}","content":"{{Convert.ToBase64String(Frame)}}"}]}""",
        $$"""{"realisations":[{"id":"x","path":"{{Hash}}","content":"{}"}]}""",
        $$"""{"realisations":[{"id":"{{Drv}}^out","path":"{{Hash}}","content":"[]"}]}""",
        $$"""{"realisations":[{"id":"{{Drv}}^out","path":"{{Hash}}","content":"{"}]}""",
    ];

    [Theory]
    [MemberData(nameof(MalformedReports))]
    public async Task A_report_that_is_malformed_is_a_400(string json)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync(Report, json);

        Assert.Equal("urn:orleans-cache:error:bad-request", (await answer.ProblemAsync()).Type);
        Assert.Null(gateway.Pushes.Reported);
    }

    [Theory]
    [MemberData(nameof(Contents))]
    public async Task What_a_report_carries_is_as_large_as_the_documents_say_and_no_larger(string kind, int most)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var largest = await gateway.PostAsync(Report, Carrying(kind, most));
        using var larger = await gateway.PostAsync(Report, Carrying(kind, most + 1));

        Assert.Equal(HttpStatusCode.OK, largest.StatusCode);
        Assert.Equal("urn:orleans-cache:error:too-large", (await larger.ProblemAsync()).Type);
    }

    [Fact]
    public async Task A_wait_about_more_paths_than_a_push_may_have_is_refused()
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Limits = new RequestLimits { Paths = 2 } });

        using var answer = await gateway.PostAsync(Pushes + "/7/wait", $$"""{"paths":["{{Hash}}","{{Hash}}","{{Hash}}"]}""");

        Assert.Equal("urn:orleans-cache:error:too-large", (await answer.ProblemAsync()).Type);
    }

    [Theory]
    [InlineData(20, HttpStatusCode.OK)]
    [InlineData(23, HttpStatusCode.OK)]
    [InlineData(24, HttpStatusCode.BadRequest)]
    [InlineData(27, HttpStatusCode.BadRequest)]
    public async Task A_body_whose_window_is_larger_than_8_MiB_is_refused(int windowLog, HttpStatusCode status)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var json = await gateway.PostAsync(Missing, Compressed(ZstdBomb.Make("""{"paths":[]""", 500_000, ' ', "}", windowLog)));
        using var listing = await PutAsync(gateway, Listing, ZstdBomb.Make("""{"version":1""", 500_000, ' ', "}", windowLog), "zstd");

        Assert.Equal((status, status == HttpStatusCode.OK ? HttpStatusCode.Created : status), (json.StatusCode, listing.StatusCode));
    }

    [Fact]
    public async Task A_frame_that_is_larger_than_the_first_said_is_malformed_and_takes_no_more_memory()
    {
        await using var gateway = await TestGateway.StartAsync();
        byte[] frames = [.. ZstdBomb.Make("""{"paths":[]""", 1, ' ', "", 12), .. ZstdBomb.Make("", 500_000, ' ', "}", 23)];

        using var answer = await gateway.PostAsync(Missing, Compressed(frames));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Theory]
    [InlineData(3_000_000)]
    [InlineData(20_000_000)]
    public async Task A_body_of_many_pieces_is_read_as_one_and_what_follows_its_value_is_an_error(int length)
    {
        await using var gateway = await TestGateway.StartAsync();
        var json = $$"""{"paths":["{{Hash}}"],"more":"{{new string('x', length)}}","paths":["{{Hash}}","{{Hash}}"]}""";

        using var whole = await gateway.PostAsync(Missing, json);
        using var more = await gateway.PostAsync(Missing, json + " x");

        Assert.Equal(2, JsonSerializer.Deserialize(await whole.Content.ReadAsStringAsync(),
            ProtocolJson.Default.MissingAnswer)!.Missing.Count);
        Assert.Equal(HttpStatusCode.BadRequest, more.StatusCode);
        Assert.Equal(0, Budget(gateway).Used);
    }

    [Fact]
    public async Task Who_finds_the_memory_for_bodies_full_waits_and_is_then_told_to_come_back_as_it_understands()
    {
        var clock = new TimerClock();
        await using var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Limits = new RequestLimits { BodyBytes = 100_000 },
            Time = clock
        });
        using var holding = await HoldAsync(gateway);

        Task<HttpResponseMessage>[] waiting =
        [
            gateway.PostAsync(Missing, """{"paths":[]}"""),
            gateway.PostAsync("/api/multipart/complete", "{}"),
            PutAsync(gateway, Listing, "{}"u8.ToArray(), null),
            PutAsync(gateway, Listing, "{}"u8.ToArray(), null, NixUserAgent),
        ];
        await Eventually.BecomesTrueAsync(() => Budget(gateway).Waiting == waiting.Length);
        Assert.All(waiting, w => Assert.False(w.IsCompleted));
        clock.Move(BodyBudget.Patience);
        var answers = await Task.WhenAll(waiting);

        Assert.Equal([503, 503, 503, 424], answers.Select(a => (int)a.StatusCode));
        Assert.All(answers[..3], a => Assert.NotNull(a.Headers.RetryAfter));
        Assert.Equal("urn:orleans-cache:error:unavailable", (await answers[0].ProblemAsync()).Type);
        Assert.Equal("urn:orleans-cache:error:run-again", (await answers[3].ProblemAsync()).Type);
        foreach (var answer in answers)
            answer.Dispose();
    }

    [Fact]
    public async Task Who_waits_for_the_memory_of_a_body_that_ends_is_answered()
    {
        var clock = new TimerClock();
        await using var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Limits = new RequestLimits { BodyBytes = 100_000 },
            Time = clock
        });
        var holding = await HoldAsync(gateway);
        var waiting = gateway.PostAsync(Missing, """{"paths":[]}""");
        await Eventually.BecomesTrueAsync(() => Budget(gateway).Waiting == 1);
        Assert.False(waiting.IsCompleted);

        holding.Dispose();

        using var answer = await waiting;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await Eventually.BecomesTrueAsync(() => Budget(gateway).Used == 0);
    }

    private static BodyBudget Budget(TestGateway gateway) => gateway.App.Services.GetRequiredService<BodyBudget>();

    /// <summary>A body of which only the start has come.</summary>
    private static async Task<TcpClient> HoldAsync(TestGateway gateway)
    {
        var client = new TcpClient();
        await client.ConnectAsync(gateway.Parts.PublicUrl.Host, gateway.Parts.PublicUrl.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST {Missing} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TestGateway.SecondToken}\r\nContent-Type: " +
                $"application/json\r\nContent-Length: 100\r\n\r\n{{"));
        await Eventually.BecomesTrueAsync(() => Budget(gateway).Used > 0);
        return client;
    }

    private static string Carrying(string kind, int length)
    {
        if (kind == "realisation")
            return JsonSerializer.Serialize(
                new UploadReport
                {
                    Realisations = [new RealisationContent { Id = RealisationId.Parse($"{Drv}^out"),
                Path = StorePathHash.Parse(Hash), Content = "{}" + new string(' ', length - 2) }]
                }, ProtocolJson.Default.UploadReport);
        // A skippable frame may hold anything.
        byte[] content = [.. Frame, 0x50, 0x2A, 0x4D, 0x18, .. BitConverter.GetBytes(length - Frame.Length - 8),
            .. new byte[length - Frame.Length - 8]];
        Assert.Equal(length, content.Length);
        return JsonSerializer.Serialize(kind == "listing"
            ? new UploadReport { Listings = [new PathListing { Path = StorePathHash.Parse(Hash), Content = content }] }
            : new UploadReport
            {
                Logs = [new LogContent { Drv = StorePath.Parse(Drv), Path = StorePathHash.Parse(Hash),
                Content = content }]
            }, ProtocolJson.Default.UploadReport);
    }

    private static ByteArrayContent Compressed(byte[] body)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add("zstd");
        return content;
    }

    private static async Task<HttpResponseMessage> PutAsync(TestGateway gateway, string path, byte[] body, string? coding,
        string? userAgent = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = new ByteArrayContent(body) };
        request.Headers.Authorization = new("Bearer", TestGateway.Token);
        if (coding is not null)
            request.Content.Headers.ContentEncoding.Add(coding);
        if (userAgent is not null)
            Assert.True(request.Headers.TryAddWithoutValidation("User-Agent", userAgent));
        return await gateway.Client.SendAsync(request);
    }
}
