using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Tests.Http;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Hostile;

/// <summary>Everything is logged that can be, at the lowest level; nothing of it lets anybody in.</summary>
public class SecretsTests
{
    private const string Cache = "/v1/caches/default";

    [Fact]
    public async Task A_push_by_a_token_with_all_that_may_go_wrong_leaves_no_secret_in_the_log()
    {
        await using var server = await HostileServer.StartAsync(LogLevel.Trace);
        using var admin = Client(server, HostileServer.Token);
        using var made = await admin.PostAsJsonAsync($"{Cache}/tokens",
            new CreateToken { Name = "ci", Scopes = [TokenScope.Push, TokenScope.Pin] }, ProtocolJson.Default.CreateToken);
        var token = (await made.Content.ReadFromJsonAsync(ProtocolJson.Default.CreatedToken))!.Secret;
        using var client = Client(server, token);

        // 1. A whole push, with a pin.
        var content = RandomNumberGenerator.GetBytes(1000);
        var path = StorePath.Parse($"{new string('7', 32)}-secret");
        using var begun = await client.PostAsJsonAsync($"{Cache}/pushes", new BeginPush
        {
            Roots = [path.Hash],
            Paths = [new PathDeclaration { Path = path, NarHash = Sha256Hash.Compute(content), NarSize = content.Length }],
            Pin = new PushPin { Name = PinName.Parse("app") },
        }, ProtocolJson.Default.BeginPush);
        var push = (await begun.Content.ReadFromJsonAsync(ProtocolJson.Default.PushOpened))!;
        var grant = Assert.Single(push.Uploads);
        var file = HostileServer.Compress(content);
        using (var cut = new HttpClient())
        {
            using var late = await cut.PutAsync(server.ExpiredUrls[0], new ByteArrayContent(file));
            Assert.Equal(HttpStatusCode.Forbidden, late.StatusCode);
            (await cut.PutAsync(grant.Url, new ByteArrayContent(file))).EnsureSuccessStatusCode();
            using var twice = await cut.PutAsync(grant.Url, new ByteArrayContent(file));
            Assert.Equal(HttpStatusCode.PreconditionFailed, twice.StatusCode);
        }

        var report = new UploadReport
        {
            Uploads = [new UploadedNar { Upload = grant.Id, FileHash = Sha256Hash.Compute(file),
            FileSize = file.Length }]
        };
        using var reported = await client.PostAsJsonAsync($"{Cache}/pushes/{push.Id}/uploaded", report, ProtocolJson.Default.UploadReport);
        Assert.Equal(HttpStatusCode.OK, reported.StatusCode);
        using var committed = await client.PostAsync($"{Cache}/pushes/{push.Id}/commit", null);
        Assert.Equal(HttpStatusCode.OK, committed.StatusCode);

        // 2. Refusals, as Bearer and as Basic, and a request that is cut off.
        var basic = Convert.ToBase64String(Encoding.UTF8.GetBytes($"user:{token}"));
        foreach (var header in new[] { new AuthenticationHeaderValue("Basic", basic), new AuthenticationHeaderValue("Bearer", token + "x"),
            new AuthenticationHeaderValue("Bearer", server.WeakTokens[1]) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get,
                $"{server.Url}v1/caches/default/gc")
            { Headers = { Authorization = header } };
            using var refused = await client.SendAsync(request);
            Assert.Contains(refused.StatusCode, (HttpStatusCode[])[HttpStatusCode.Unauthorized, HttpStatusCode.Forbidden]);
        }

        await RawHttp.SendAsync(server.Url,
            Encoding.Latin1.GetBytes(
            $"PUT {server.Open.Uploads[0].Url!.PathAndQuery} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello"), end: true);
        await RawHttp.SendAsync(server.Url,
            Encoding.Latin1.GetBytes(
            $"POST {Cache}/pushes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{"), end: true);
        await RawHttp.SendAsync(server.Url, $"GET /livez HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {token}\r\n\r\n");

        var urls = new[] { grant.Url!, server.ExpiredUrls[0], server.Open.Uploads[0].Url! }
            .Select(url => url.Query[(url.Query.IndexOf("sig=", StringComparison.Ordinal) + 4)..]);
        AssertNotLogged(server, [HostileServer.Token, token, basic, .. server.WeakTokens, .. urls]);
    }

    [Fact]
    public async Task A_store_that_cannot_be_reached_is_logged_without_its_keys_and_without_what_they_signed()
    {
        const string AccessKey = "AKIAACCESSACCESS";
        const string SecretKey = "very/secret+secret0123456789";
        await using var server = await HostileServer.StartAsync(LogLevel.Trace,
            new S3Options
            {
                Bucket = "b",
                Endpoint = new Uri("http://127.0.0.1:1"),
                Region = "us-east-1",
                PathStyle = true,
                AccessKey = AccessKey,
                SecretKey = SecretKey
            });
        using var client = Client(server, HostileServer.Token);

        using var read = await client.GetAsync(new Uri("/nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst",
            UriKind.Relative));
        var path = StorePath.Parse($"{new string('7', 32)}-secret");
        using var begun = await client.PostAsJsonAsync($"{Cache}/pushes", new BeginPush
        {
            Roots = [path.Hash],
            Paths = [new PathDeclaration { Path = path, NarHash = Sha256Hash.Compute([]), NarSize = 5 }],
        }, ProtocolJson.Default.BeginPush);
        var push = JsonSerializer.Deserialize(await begun.Content.ReadAsStringAsync(), ProtocolJson.Default.PushOpened)!;
        var grant = Assert.Single(push.Uploads);
        var report = new UploadReport
        {
            Uploads = [new UploadedNar { Upload = grant.Id, FileHash = Sha256Hash.Compute([]), FileSize = 5,
            Md5 = [new string('0', 32)] }]
        };
        using var reported = await client.PostAsJsonAsync($"{Cache}/pushes/{push.Id}/uploaded", report, ProtocolJson.Default.UploadReport);

        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable), (read.StatusCode, reported.StatusCode));
        Assert.Contains(server.Log, line => line.Contains("did not answer", StringComparison.Ordinal));
        var signature = grant.Url!.Query[(grant.Url.Query.IndexOf("X-Amz-Signature=", StringComparison.Ordinal) + 16)..];
        AssertNotLogged(server, [HostileServer.Token, AccessKey, SecretKey, signature]);
    }

    private static void AssertNotLogged(HostileServer server, IEnumerable<string> secrets)
    {
        Assert.Contains(server.Log, line => line.StartsWith("Debug", StringComparison.Ordinal)
            || line.StartsWith("Trace", StringComparison.Ordinal));
        foreach (var secret in secrets)
        {
            Assert.True(secret.Length >= 16);
            Assert.DoesNotContain(server.Log, line => line.Contains(secret, StringComparison.Ordinal)
                || line.Contains(Uri.UnescapeDataString(secret), StringComparison.Ordinal));
        }
    }

    private static HttpClient Client(HostileServer server, string token) =>
        new() { BaseAddress = server.Url, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
}
