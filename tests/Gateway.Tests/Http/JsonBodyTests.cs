using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Tests.Protocols.V1.SampleRequests;

namespace OrleansCache.Gateway.Tests.Http;

/// <summary>How bodies are read and written, whatever the route.</summary>
public class JsonBodyTests
{
    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    [InlineData("identity")]
    public async Task A_body_may_come_compressed(string coding)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.PostAsync("/v1/caches/default/missing", Compressed(Missing, coding));

        Assert.Equal(Hash, Assert.Single(JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(),
            ProtocolJson.Default.MissingAnswer)!.Missing).ToString());
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
        var json =
            $"{{\"roots\":[\"{Hash}\"],\"paths\":[{string.Join(',', Enumerable.Repeat(path, paths))}],\"pin\":{{\"name\":\"last\"}}}}";

        using var answer = await gateway.PostAsync(Pushes, compressed ? Compressed(json, "gzip")
            : new StringContent(json, Encoding.UTF8, "application/json"));

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
    [InlineData("",
        """{"roots":[],"paths":[{"path":"0c5b8vw40dy178xlpddw65q9gf1h2186-a","narHash":"sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s","narSize":1,"signatures":["a",null]}]}""")]
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
