using System.Net;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;
using static OrleansCache.Gateway.Tests.Tls.CertificateGateway;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>What a proxy says of the client behind it, and who is believed.</summary>
public class ProxyHeaderTests
{
    private const string Builders = """{"name":"builders","claims":{"ou":"Builders"},"scopes":["read","push"]}""";
    private static readonly ProxySettings Here = new([IPNetwork.Parse("127.0.0.0/8")], "X-Client-Cert");
    private static readonly ProxySettings WithoutHeader = new([IPNetwork.Parse("127.0.0.0/8")], null);
    private static readonly ProxySettings Elsewhere = new([IPNetwork.Parse("10.0.0.0/8")], "X-Client-Cert");

    [Fact]
    public async Task The_certificate_of_a_client_is_taken_from_a_proxy_in_both_forms()
    {
        await using var server = await StartAsync(Builders, Here);
        var (certificate, _) = server.Authority.Client("b", "CN=builder,OU=Builders", names => names.AddDnsName("b1.example.org"));
        var client = server.Client();

        foreach (var text in Forms(certificate))
            Assert.Equal("cert:builders/dns:b1.example.org", (await WhoAmIAsync(client, ("x-client-cert", text))).Subject);
        // The next request of the same connection is somebody else's.
        Assert.Equal("anonymous", (await WhoAmIAsync(client)).Subject);
    }

    [Fact]
    public async Task From_anybody_else_the_header_means_nothing()
    {
        await using var server = await StartAsync(Builders, Elsewhere);
        var (certificate, _) = server.Authority.Client("b", "CN=builder,OU=Builders");

        foreach (var text in Forms(certificate))
            Assert.Equal("anonymous", (await WhoAmIAsync(server.Client(), ("X-Client-Cert", text))).Subject);
        // Who shows a certificate himself is known by that.
        var own = server.Client(server.Authority.Client("own", "CN=own,OU=Builders"));
        Assert.Equal("cert:builders/subject:CN%3Down%2COU%3DBuilders",
            (await WhoAmIAsync(own, ("X-Client-Cert", Forms(certificate)[0]))).Subject);
    }

    [Fact]
    public async Task What_a_proxy_passes_on_is_verified_like_any_other()
    {
        await using var server = await StartAsync(Builders, Here);
        using var stranger = new CertificateAuthority();
        var subject = "CN=builder,OU=Builders";
        string[] none =
        [
            .. Forms(stranger.Client("stranger", subject).Certificate),
            .. Forms(server.Authority.Client("expired", subject, life: TimeSpan.FromHours(-1)).Certificate),
            .. Forms(server.Authority.Client("server", subject, forClients: false).Certificate),
            "", ":", "::", ":AAAA:", ":%%%:", "-----BEGIN%20CERTIFICATE-----", "CN=builder,OU=Builders", new string('A', 9000),
        ];

        foreach (var text in none)
            Assert.Equal("anonymous", (await WhoAmIAsync(server.Client(), ("X-Client-Cert", text))).Subject);

        var good = Forms(server.Authority.Client("good", subject).Certificate)[0];
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(), ("X-Client-Cert", good))).Subject, StringComparison.Ordinal);
        Assert.Equal("anonymous", (await WhoAmIAsync(server.Client(), ("X-Client-Cert", good), ("X-Client-Cert", good))).Subject);
        Assert.Single(server.Log.Lines);
    }

    [Fact]
    public async Task The_certificate_of_the_proxy_itself_is_nobody_s()
    {
        await using var server = await StartAsync(Builders, Here);
        var proxy = server.Client(server.Authority.Client("proxy", "CN=proxy,OU=Builders"));

        Assert.Equal("anonymous", (await WhoAmIAsync(proxy)).Subject);
    }

    [Fact]
    public async Task A_proxy_that_passes_no_certificates_on_does_not_lend_its_own_to_those_behind_it()
    {
        await using var server = await StartAsync(Builders, WithoutHeader);
        var proxy = server.Client(server.Authority.Client("proxy", "CN=proxy,OU=Builders"));

        Assert.Equal("anonymous", (await WhoAmIAsync(proxy, ("X-Forwarded-For", "203.0.113.1"))).Subject);
        using var pushed = await SendAsync(proxy, HttpMethod.Post, "/v1/caches/default/missing");
        Assert.Equal(HttpStatusCode.Unauthorized, pushed.StatusCode);
    }

    [Fact]
    public async Task A_certificate_that_was_believed_is_not_when_the_authority_has_changed()
    {
        await using var server = await StartAsync(Builders, Here);
        var text = Forms(server.Authority.Client("b", "CN=builder,OU=Builders").Certificate)[0];
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(), ("X-Client-Cert", text))).Subject, StringComparison.Ordinal);

        using var next = new CertificateAuthority();
        File.Copy(next.File, server.Authority.File, overwrite: true);
        server.LookTwice();

        Assert.Equal("anonymous", (await WhoAmIAsync(server.Client(), ("X-Client-Cert", text))).Subject);
    }

    [Theory]
    [InlineData(true, HttpStatusCode.Unauthorized)]
    [InlineData(false, HttpStatusCode.TooManyRequests)]
    public async Task The_address_of_a_client_is_believed_of_a_proxy_alone(bool isProxy, HttpStatusCode ofAnother)
    {
        await using var server = await StartAsync(Builders, isProxy ? Here : Elsewhere, new RequestLimits { FailedLogins = 2 });
        var client = server.Client();

        Assert.Equal([HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests],
            [await TryAsync("203.0.113.1"), await TryAsync("203.0.113.1"), await TryAsync("203.0.113.1")]);
        Assert.Equal(ofAnother, await TryAsync("203.0.113.2"));
        // Whatever a client writes before it: the proxy appends what it has seen.
        Assert.Equal(HttpStatusCode.TooManyRequests, await TryAsync("198.51.100.7, 203.0.113.1"));

        async Task<HttpStatusCode> TryAsync(string from)
        {
            using var answer = await SendAsync(client, HttpMethod.Post, "/v1/caches/default/missing",
                ("X-Forwarded-For", from), ("Authorization", $"Bearer {Guid.NewGuid():n}"));
            return answer.StatusCode;
        }
    }

    // nginx's $ssl_client_escaped_cert, and RFC 9440.
    private static string[] Forms(string file)
    {
        var pem = File.ReadAllText(file);
        var der = pem.Split("-----")[2].ReplaceLineEndings("");
        return [Uri.EscapeDataString(pem), $":{der}:"];
    }
}
