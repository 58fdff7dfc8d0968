using System.Net;
using System.Text;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>Who comes from nix-stored: GET, HEAD and PUT with Basic auth, read and write users apart; and what it did wrong.</summary>
public sealed class NixStoredTests
{
    [Fact]
    public async Task A_read_user_can_put_nothing_and_a_write_user_can()
    {
        await using var server = await WriteServer.StartAsync(privateReads: true);
        var file = await NixFile.MakeAsync("hello");
        (string Url, byte[] Body)[] puts = [(file.NarUrl, file.Body), (file.InfoUrl, Encoding.UTF8.GetBytes(file.Info.Print())),
            ($"{file.Path.Hash}.ls", "{}"u8.ToArray())];

        foreach (var (url, body) in puts)
            Assert.Equal(HttpStatusCode.Forbidden, (await server.SendAsync(HttpMethod.Put, url, body, WriteServer.Reader)).StatusCode);
        Assert.Empty(await server.KeysAsync());
        foreach (var (url, body) in puts)
            Assert.Equal(HttpStatusCode.Created, (await server.SendAsync(HttpMethod.Put, url, body)).StatusCode);

        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(file.InfoUrl, WriteServer.Reader)).StatusCode);
        // Who may write may ask for what it writes, and for nothing at the read URL.
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(file.InfoUrl)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("nix-cache-info")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.GetAsync(new Uri(server.Url, file.InfoUrl).ToString())).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.GetAsync(file.InfoUrl, WriteServer.Pinner)).StatusCode);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("wrong-password")]
    [InlineData("")]
    public async Task A_failed_login_is_401_and_asks_for_one(string? password)
    {
        await using var server = await WriteServer.StartAsync(privateReads: true);
        var file = await NixFile.MakeAsync("hello");

        foreach (var (method, url) in new[] { (HttpMethod.Put, file.NarUrl), (HttpMethod.Put, file.InfoUrl), (HttpMethod.Get, file.InfoUrl),
            (HttpMethod.Head, file.NarUrl) })
        {
            using var answer = await server.SendAsync(method, url, method == HttpMethod.Put ? file.Body : null, password);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            Assert.Contains("Basic", answer.Headers.WwwAuthenticate.Select(w => w.Scheme));
        }
    }

    [Fact]
    public async Task A_file_that_is_still_being_written_is_visible_to_nobody()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello", "none", size: 300_000);
        var half = new TaskCompletionSource();
        var body = new HalfBody(file.Body, half.Task);
        using var request = new HttpRequestMessage(HttpMethod.Put, file.NarUrl) { Content = body };
        request.Headers.Authorization = new("Bearer", WriteServer.Writer);
        var put = server.Client.SendAsync(request);
        await body.HalfSent;

        foreach (var password in (string?[])[WriteServer.Writer, WriteServer.Reader, null])
        {
            Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(file.NarUrl, password)).StatusCode);
            Assert.Equal(HttpStatusCode.NotFound, (await server.HeadAsync(file.NarUrl, password)).StatusCode);
        }

        Assert.Empty(await server.KeysAsync());
        half.SetResult();
        Assert.Equal(HttpStatusCode.Created, (await put).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.HeadAsync(file.NarUrl)).StatusCode);
    }

    [Fact]
    public async Task No_password_is_in_the_log()
    {
        await using var server = await WriteServer.StartAsync(privateReads: true);
        var file = await NixFile.MakeAsync("hello");
        await server.PutAsync(file.NarUrl, file.Body);
        await server.PutAsync(file.InfoUrl, file.Info.Print());
        await server.GetAsync(file.InfoUrl, WriteServer.Reader);
        await server.GetAsync(file.InfoUrl, "a-wrong-password");
        await server.PutAsync("nar/nonsense", file.Body);

        string[] log;
        lock (server.Log)
            log = [.. server.Log];
        Assert.NotEmpty(log);
        foreach (var secret in (string[])[WriteServer.Writer, WriteServer.Reader, "a-wrong-password"])
        {
            var basic = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{secret}"));
            Assert.DoesNotContain(log, l => l.Contains(secret, StringComparison.Ordinal) || l.Contains(basic, StringComparison.Ordinal));
        }
    }

    private sealed class HalfBody(byte[] bytes, Task rest) : HttpContent
    {
        private readonly TaskCompletionSource _half = new();

        public Task HalfSent => _half.Task;

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(bytes.AsMemory(0, bytes.Length / 2));
            await stream.FlushAsync();
            _half.SetResult();
            await rest;
            await stream.WriteAsync(bytes.AsMemory(bytes.Length / 2));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }
}
