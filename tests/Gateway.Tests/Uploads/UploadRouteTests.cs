using System.Net;
using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests.Uploads;

public class UploadRouteTests
{
    private static readonly ObjectKey Key = ObjectKey.Parse("nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst");
    private static readonly byte[] Content = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 7))];

    [Fact]
    public async Task A_put_to_a_signed_url_stores_the_object_and_answers_its_md5()
    {
        await using var gateway = await TestGateway.StartAsync();
        var url = gateway.Store.SignPut(Key, Content.Length, TimeSpan.FromMinutes(5)).Url;

        using var stored = await gateway.Client.PutAsync(url, new ByteArrayContent(Content));
        using var again = await gateway.Client.PutAsync(url, new ByteArrayContent([1]));
        using var read = await gateway.GetAsync("/" + Key);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.PreconditionFailed), (stored.StatusCode, again.StatusCode));
        Assert.Equal("urn:orleans-cache:error:already-uploaded", (await again.ProblemAsync()).Type);
        Assert.Equal(Content, await read.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Parts_become_one_object()
    {
        await using var gateway = await TestGateway.StartAsync();
        const int Half = 50_000;
        var upload = await gateway.Store.BeginMultipartAsync(Key, Half, CancellationToken.None);
        var urls = gateway.Store.SignParts(Key, upload, Half, 1, 2, TimeSpan.FromMinutes(5));

        using var second = await gateway.Client.PutAsync(urls[1], new ByteArrayContent(Content, Half, Half));
        using var first = await gateway.Client.PutAsync(urls[0], new ByteArrayContent(Content, 0, Half));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (first.StatusCode, second.StatusCode));
        Assert.True(await gateway.Store.CompleteMultipartAsync(Key, upload, Content.Length, [], CancellationToken.None));
        using var late = await gateway.Client.PutAsync(urls[0], new ByteArrayContent(Content, 0, Half));
        using var read = await gateway.GetAsync("/" + Key);

        Assert.Equal(HttpStatusCode.NotFound, late.StatusCode);
        Assert.Equal(Content, await read.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task A_url_that_was_changed_or_has_expired_or_is_not_signed_is_refused()
    {
        await using var gateway = await TestGateway.StartAsync();
        var good = gateway.Store.SignPut(Key, 100, TimeSpan.FromMinutes(5)).Url.AbsoluteUri;
        var expired = gateway.Store.SignPut(Key, 100, TimeSpan.FromMinutes(-1)).Url.AbsoluteUri;
        foreach (var url in new[] { expired, good[..^1], good + "%", good[..^1] + "!", good[..^1] + "é",
            good.Replace("max=100", "max=999", StringComparison.Ordinal), good.Replace("1b8m", "1b8n", StringComparison.Ordinal),
            good[..good.IndexOf('?', StringComparison.Ordinal)] })
        {
            using var answer = await gateway.Client.PutAsync(new Uri(url), new ByteArrayContent([1, 2]));

            Assert.Equal("urn:orleans-cache:error:url-refused", (await answer.ProblemAsync()).Type);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }

        Assert.Null(await gateway.Store.HeadAsync(Key, CancellationToken.None));
    }

    [Fact]
    public async Task A_body_without_length_or_larger_than_allowed_is_refused()
    {
        await using var gateway = await TestGateway.StartAsync();
        var url = gateway.Store.SignPut(Key, 100, TimeSpan.FromMinutes(5)).Url;
        using var chunked = new HttpRequestMessage(HttpMethod.Put, url) { Content = new ByteArrayContent([1, 2]) };
        chunked.Headers.TransferEncodingChunked = true;

        using var unknown = await gateway.Client.SendAsync(chunked);
        using var large = await gateway.Client.PutAsync(url, new ByteArrayContent(new byte[101]));

        Assert.Equal("urn:orleans-cache:error:length-required", (await unknown.ProblemAsync()).Type);
        Assert.Equal("urn:orleans-cache:error:too-large", (await large.ProblemAsync()).Type);
        Assert.Null(await gateway.Store.HeadAsync(Key, CancellationToken.None));
    }

    [Fact]
    public async Task A_body_that_is_cut_short_leaves_nothing()
    {
        await using var gateway = await TestGateway.StartAsync();
        var url = gateway.Store.SignPut(Key, 100, TimeSpan.FromMinutes(5)).Url;
        using (var client = new System.Net.Sockets.TcpClient())
        {
            await client.ConnectAsync(url.Host, url.Port);
            var stream = client.GetStream();
            await stream.WriteAsync(
                Encoding.ASCII.GetBytes($"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n0123456789"));
            client.Client.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            var answer = new byte[4096];
            // Whatever it is told, or nothing: the connection ends.
            try
            {
                while (await stream.ReadAsync(answer) > 0)
                {
                }
            }
            catch (IOException)
            {
                // Cut off: that is an end too.
            }
        }

        Assert.Null(await gateway.Store.HeadAsync(Key, CancellationToken.None));
        using var whole = await gateway.Client.PutAsync(url, new ByteArrayContent([1, 2]));
        Assert.Equal(HttpStatusCode.OK, whole.StatusCode);
        Assert.DoesNotContain(gateway.Log, l => l.Contains("failed", StringComparison.Ordinal));
    }
}
