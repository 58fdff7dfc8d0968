using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>HTTPS by the server itself: what it shows, what it speaks, and how it takes a renewed certificate.</summary>
public sealed class ServerTlsTests : IDisposable
{
    private readonly CertificateAuthority _authority = new();
    private readonly TimerClock _clock = new();
    private readonly ListLog _log = new();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    public async Task Both_versions_of_HTTP_are_spoken_over_TLS(int major, int minor)
    {
        await using var tls = Open();
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));
        using var client = Client(gateway);

        using var answer = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, "/v1/caches/default")
        {
            Version = new Version(major, minor),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        });

        Assert.Equal((HttpStatusCode.OK, new Version(major, minor)), (answer.StatusCode, answer.Version));
    }

    [Fact]
    public async Task An_upload_by_stock_Nix_over_HTTP_2_is_taken_as_over_HTTP_1()
    {
        await using var tls = Open();
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));
        using var client = Client(gateway);
        foreach (var userAgent in new[] { "curl/7.88.1 Nix/2.8.0", "curl/8.14.1 Nix/2.34.0" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, "/c/default/nix-cache-info")
            {
                Version = HttpVersion.Version20,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = new StringContent("StoreDir: /nix/store\n"),
            };
            request.Headers.UserAgent.ParseAdd(userAgent);
            request.Headers.Authorization = new("Bearer", TestGateway.Token);

            using var answer = await client.SendAsync(request);

            Assert.True(answer.IsSuccessStatusCode, $"{userAgent}: {(int)answer.StatusCode}");
        }
    }

    [Fact]
    public async Task A_renewed_certificate_is_shown_to_the_next_connection()
    {
        await using var tls = Open();
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));
        var first = await ShownAsync(gateway);
        var end = tls.NotAfter;

        _authority.Server(life: TimeSpan.FromDays(120));
        await Eventually.BecomesTrueAsync(() =>
        {
            _clock.Move(TimeSpan.FromSeconds(5));
            return tls.NotAfter != end;
        });

        Assert.NotEqual(first, await ShownAsync(gateway));
        Assert.Equal(30, (tls.NotAfter - end).TotalDays, 0.1);
        Assert.Contains(_log.Lines, line => line.Contains("was renewed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_half_written_pair_leaves_the_former_certificate_and_is_told_once()
    {
        await using var tls = Open();
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));
        var first = await ShownAsync(gateway);
        var (certificate, key) = (_authority["server.pem"], _authority["server.key"]);
        var whole = (Certificate: await File.ReadAllTextAsync(certificate), Key: await File.ReadAllTextAsync(key));

        // The certificate of another key, none at all, and half of one; and each seen more than once.
        var (other, _) = _authority.Server("other");
        foreach (var text in new[] { await File.ReadAllTextAsync(other), "", whole.Certificate[..200] })
        {
            await File.WriteAllTextAsync(certificate, text);
            var told = _log.Lines.Count;
            for (var i = 0; i < 3; i++)
                tls.Look();
            Assert.Equal(told + 1, _log.Lines.Count);
            Assert.Contains("the former certificate stays", _log.Lines[^1], StringComparison.Ordinal);
            Assert.DoesNotContain("BEGIN", _log.Lines[^1], StringComparison.Ordinal);
        }

        File.Delete(certificate);
        tls.Look();
        Assert.Equal(3, _log.Lines.Count);
        tls.Look();
        tls.Look();
        Assert.Equal(4, _log.Lines.Count);
        Assert.Equal(first, await ShownAsync(gateway));

        await File.WriteAllTextAsync(certificate, whole.Certificate);
        tls.Look();
        tls.Look();
        Assert.Equal(5, _log.Lines.Count);
        Assert.Equal(first, await ShownAsync(gateway));
    }

    [Fact]
    public async Task A_chain_that_is_being_written_is_not_shown_in_part()
    {
        using var between = _authority.Intermediate("between");
        var (certificate, key) = between.Server();
        await using var tls = new ServerTls(new TlsSettings(certificate, key), _log, _clock);
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));
        var (other, otherKey) = between.Server("other");
        var renewed = await File.ReadAllTextAsync(other);

        // A whole certificate and its key, and not yet what issued it.
        File.Copy(otherKey, key, overwrite: true);
        await File.WriteAllTextAsync(certificate, renewed[..(renewed.IndexOf("-----END CERTIFICATE-----", StringComparison.Ordinal) + 25)]);
        tls.Look();
        await AssertTrustedAsync();
        await File.WriteAllTextAsync(certificate, renewed);
        tls.Look();
        await AssertTrustedAsync();
        Assert.Empty(_log.Lines);
        tls.Look();
        await AssertTrustedAsync();

        Assert.Contains("was renewed", Assert.Single(_log.Lines), StringComparison.Ordinal);

        async Task AssertTrustedAsync()
        {
            using var client = Client(gateway);
            using var answer = await client.GetAsync(new Uri("/livez", UriKind.Relative));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_connection_of_HTTP_2_may_not_have_many_requests_at_one_time()
    {
        await using var tls = Open();
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, gateway.Parts.PublicUrl.Port);
        await using var stream = new SslStream(socket.GetStream(), false, static (_, shown, _, _) => shown is not null);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ApplicationProtocols = [SslApplicationProtocol.Http2],
        });

        // A client's preface with its empty settings; the server's settings come first (RFC 9113, sections 3.4 and 6.5).
        await stream.WriteAsync((byte[])[.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0]);
        var head = new byte[9];
        await stream.ReadExactlyAsync(head);
        Assert.Equal(4, head[3]);
        var settings = new byte[(head[0] << 16) + (head[1] << 8) + head[2]];
        await stream.ReadExactlyAsync(settings);

        const int MaxConcurrentStreams = 3;
        var streams = Assert.Single(settings.Chunk(6), s => BinaryPrimitives.ReadUInt16BigEndian(s) == MaxConcurrentStreams);
        Assert.Equal(16u, BinaryPrimitives.ReadUInt32BigEndian(streams.AsSpan(2)));
    }

    [Fact]
    public async Task What_issued_the_certificate_is_shown_along_with_it()
    {
        using var between = _authority.Intermediate("between");
        var (certificate, key) = between.Server();
        await using var tls = new ServerTls(new TlsSettings(certificate, key), _log, _clock);
        await using var gateway = await TestGateway.StartAsync(edge: new Edge(tls));

        using var answer = await Client(gateway).GetAsync("/livez");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData(13, "expires on")]
    [InlineData(-0.5, "expired on")]
    [InlineData(15, null)]
    public async Task A_certificate_that_ends_soon_is_told_of(double days, string? told)
    {
        var (certificate, key) = _authority.Server(life: TimeSpan.FromDays(days));

        await using var tls = new ServerTls(new TlsSettings(certificate, key), _log, TimeProvider.System);

        if (told is null)
        {
            Assert.Null(tls.Doubt);
            Assert.Empty(_log.Lines);
            return;
        }

        Assert.Contains(told, tls.Doubt, StringComparison.Ordinal);
        Assert.Contains(told, Assert.Single(_log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_end_of_the_certificate_is_a_metric()
    {
        await using var tls = Open();
        await using var gateway = await TestGateway.StartAsync(parts => parts with { CertificateEnd = () => tls.NotAfter },
            edge: new Edge(tls));
        using var client = Client(gateway);

        var metrics = await client.GetStringAsync(new Uri("/metrics", UriKind.Relative));

        Assert.Contains(metrics.Split('\n'), line =>
            line.StartsWith("orleans_cache_tls_not_after_timestamp_seconds", StringComparison.Ordinal)
            && line.Contains($" {tls.NotAfter.ToUnixTimeSeconds()}", StringComparison.Ordinal));
    }

    [Fact]
    public void Files_that_are_no_pair_keep_the_server_from_starting()
    {
        var (certificate, key) = _authority.Server();
        var (_, other) = _authority.Server("other");
        foreach (var pair in new[] { new TlsSettings(certificate, other), new(key, certificate), new("/nonexistent", key),
            new("/etc/hostname", key) })
        {
            var refused = Assert.Throws<StartupException>(() => new ServerTls(pair, _log, _clock));
            Assert.Contains(pair.CertificateFile, refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', refused.Message);
        }
    }

    public void Dispose() => _authority.Dispose();

    private ServerTls Open()
    {
        var (certificate, key) = _authority.Server();
        return new ServerTls(new TlsSettings(certificate, key), _log, _clock);
    }

    private HttpClient Client(TestGateway gateway) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(_authority.File) },
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            },
        },
    })
    { BaseAddress = new Uri($"https://127.0.0.1:{gateway.Parts.PublicUrl.Port}") };

    private static async Task<string> ShownAsync(TestGateway gateway)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, gateway.Parts.PublicUrl.Port);
        await using var stream = new SslStream(socket.GetStream(), false, static (_, shown, _, _) => shown is not null);
        await stream.AuthenticateAsClientAsync("localhost");
        return stream.RemoteCertificate!.GetCertHashString();
    }
}
