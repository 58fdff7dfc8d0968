using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>The live gateway as any HTTP client reads it.</summary>
[Collection(nameof(FilledFolder))]
public sealed class ReadTests(FilledFolder cache) : IDisposable
{
    private readonly HttpClient _http = new();

    public void Dispose() => _http.Dispose();

    [NixFact]
    public async Task A_range_of_a_NAR_is_that_part_of_its_bytes()
    {
        var info = await LargestAsync();
        var whole = await cache.Objects.ReadAsync(info.Url);
        using var request = new HttpRequestMessage(HttpMethod.Get, UrlOf(info.Url));
        request.Headers.Range = new RangeHeaderValue(1_000_000, 1_999_999);
        using var answer = await _http.SendAsync(request);
        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal($"bytes 1000000-1999999/{info.FileSize}", answer.Content.Headers.ContentRange!.ToString());
        Assert.Equal(whole![1_000_000..2_000_000], await answer.Content.ReadAsByteArrayAsync());
    }

    [NixFact]
    public async Task A_range_behind_the_end_is_416()
    {
        var info = await LargestAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, UrlOf(info.Url));
        request.Headers.Range = new RangeHeaderValue(info.FileSize, null);
        using var answer = await _http.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, answer.StatusCode);
    }

    [NixFact]
    public async Task HEAD_tells_the_length_and_sends_nothing()
    {
        var info = await LargestAsync();
        using var answer = await _http.SendAsync(new HttpRequestMessage(HttpMethod.Head, UrlOf(info.Url)));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(info.FileSize, answer.Content.Headers.ContentLength);
        Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
    }

    [NixTheory]
    [InlineData("nar")]
    [InlineData("narinfo")]
    [InlineData("ls")]
    [InlineData("nix-cache-info")]
    public async Task What_a_client_has_already_is_304(string kind)
    {
        var info = await LargestAsync();
        var url = UrlOf(kind switch { "nar" => info.Url, "nix-cache-info" => kind, _ => $"{info.StorePath.Hash}.{kind}" });
        using var first = await _http.GetAsync(url);
        using var again = new HttpRequestMessage(HttpMethod.Get, url);
        again.Headers.IfNoneMatch.Add(first.EnsureSuccessStatusCode().Headers.ETag!);
        using var answer = await _http.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, answer.StatusCode);
    }

    [NixTheory]
    [InlineData("00000000000000000000000000000000.narinfo")]
    [InlineData("nar/0000000000000000000000000000000000000000000000000000.nar.zst")]
    [InlineData("log/00000000000000000000000000000000-none.drv")]
    [InlineData("key")]
    [InlineData(".tmp")]
    public async Task What_is_not_in_the_cache_is_404(string path)
    {
        using var answer = await _http.GetAsync(UrlOf(path));
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [NixTheory]
    [InlineData("/nar/../../token")]
    [InlineData("/nar/..%2f..%2ftoken")]
    [InlineData("/nar/%2e%2e/%2e%2e/token")]
    [InlineData("/log/..%2f..%2fkey")]
    [InlineData("/log/%2e%2e%2f%2e%2e%2furl-secret")]
    [InlineData("/nar//../../../token")]
    [InlineData("/pins/..%5c..%5ctoken")]
    [InlineData("/.lock")]
    [InlineData("/nar/..%00/token")]
    public async Task Nothing_outside_of_the_cache_can_be_read(string rawPath)
    {
        var secrets = new[] { File.ReadAllText(cache.Server.TokenFile), File.ReadAllText(cache.Server.KeyFile) };
        var answer = await RawGetAsync(rawPath);
        Assert.Matches("^HTTP/1.1 (400|404) ", answer);
        Assert.All(secrets, secret => Assert.DoesNotContain(secret.Trim(), answer));
    }

    [NixFact]
    public async Task A_write_without_the_token_is_refused()
    {
        using var answer = await _http.PostAsync(UrlOf("v1/caches/default/pushes"),
            new StringContent("{}", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    private Uri UrlOf(string path) => new(cache.Server.Url, path);

    private async Task<NarInfo> LargestAsync() => (await CacheScan.NarInfosAsync(cache.Objects)).MaxBy(info => info.FileSize)!;

    // HttpClient would tidy the path up.
    private async Task<string> RawGetAsync(string path)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, cache.Server.Url.Port);
        await using var stream = connection.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
