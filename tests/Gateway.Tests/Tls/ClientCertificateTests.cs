using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Oidc;
using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;
using static OrleansCache.Gateway.Tests.Tls.CertificateGateway;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>Who is let in by a certificate, and who is as good as nobody.</summary>
public class ClientCertificateTests
{
    private const string Push = "/v1/caches/default/missing";
    private const string Builders = """{"name":"builders","claims":{"ou":"Builders"},"scopes":["read","push"],"group":"ci"}""";
    private const string Spiffe =
        """{"name":"spiffe","claims":{"uri":"spiffe://example.org/ci/*"},"scopes":"push","publisher":["uri","o"]}""";

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    public async Task A_certificate_that_a_rule_names_is_an_identity(int major, int minor)
    {
        await using var server = await StartAsync(Builders);
        var client = server.Client(server.Authority.Client("b", "CN=builder,OU=Builders"), new Version(major, minor));

        var who = await WhoAmIAsync(client);

        Assert.Equal(("cert:builders/subject:CN%3Dbuilder%2COU%3DBuilders", "cert", "ci"), (who.Subject, who.Kind, who.Group));
        Assert.Equal(["builders"], who.Rules!);
        Assert.Equal([TokenScope.Push, TokenScope.Read], Assert.Single(who.Caches).Scopes.Order());
        Assert.Equal(90, (who.Expires!.Value - DateTimeOffset.UtcNow).TotalDays, 0.1);
        using var pushed = await SendAsync(client, HttpMethod.Post, Push);
        using var read = await SendAsync(client, HttpMethod.Get, "/nix-cache-info");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (pushed.StatusCode, read.StatusCode));
    }

    [Fact]
    public async Task A_publisher_is_named_by_uri_or_dns_before_the_subject_or_as_its_rule_says()
    {
        await using var server = await StartAsync($"{Builders},{Spiffe}");

        var dns = await WhoAmIAsync(server.Client(server.Authority.Client("dns", "CN=x,OU=Builders", n => n.AddDnsName("B1.example.org"))));
        var uri = await WhoAmIAsync(server.Client(server.Authority.Client("uri", "CN=x,O=Example",
            n => n.AddUri(new Uri("spiffe://example.org/ci/one")))));
        var both = await WhoAmIAsync(server.Client(server.Authority.Client("both", "CN=x,OU=Builders,O=Example",
            n => n.AddUri(new Uri("spiffe://example.org/ci/one")))));

        Assert.Equal("cert:builders/dns:b1.example.org", dns.Subject);
        Assert.Equal("cert:spiffe/spiffe:%2F%2Fexample.org%2Fci%2Fone/Example", uri.Subject);
        Assert.StartsWith("cert:builders+spiffe/", both.Subject, StringComparison.Ordinal);
        Assert.Equal(2, both.Caches.Count);
    }

    [Fact]
    public async Task A_certificate_that_does_not_count_is_as_good_as_none_and_told_of_once()
    {
        await using var server = await StartAsync(Builders);
        using var stranger = new CertificateAuthority();
        var subject = "CN=builder,OU=Builders";

        foreach (var shown in new[]
        {
            stranger.Client("stranger", subject),
            server.Authority.Client("expired", subject, life: TimeSpan.FromHours(-1)),
            server.Authority.Client("server", subject, forClients: false),
        })
        {
            var client = server.Client(shown);
            Assert.Equal("anonymous", (await WhoAmIAsync(client)).Subject);
            using var pushed = await SendAsync(client, HttpMethod.Post, Push);
            Assert.Equal(HttpStatusCode.Unauthorized, pushed.StatusCode);
        }

        Assert.Contains("'CN=builder, OU=Builders' does not count", Assert.Single(server.Log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_served_as_ever()
    {
        await using var server = await StartAsync(Builders);
        var client = server.Client();

        using var alive = await SendAsync(client, HttpMethod.Get, "/livez");
        using var read = await SendAsync(client, HttpMethod.Get, "/nix-cache-info");
        using var authorized = await SendAsync(client, HttpMethod.Post, Push, ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized, HttpStatusCode.OK),
            (alive.StatusCode, read.StatusCode, authorized.StatusCode));
        Assert.Empty(server.Log.Lines);
    }

    [Fact]
    public async Task A_certificate_that_no_rule_names_is_told_so()
    {
        await using var server = await StartAsync(Builders);
        var client = server.Client(server.Authority.Client("other", "CN=other,OU=Sales"));

        using var pushed = await SendAsync(client, HttpMethod.Post, Push);

        Assert.Equal(HttpStatusCode.Forbidden, pushed.StatusCode);
        Assert.Contains("CN=other,OU=Sales", (await pushed.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_token_and_a_certificate_the_token_counts_where_it_is_good_and_they_do_not_add_up()
    {
        await using var server = await StartAsync(Builders);
        var client = server.Client(server.Authority.Client("b", "CN=builder,OU=Builders"));
        var reading = server.Gateway.Tokens.Add(TokenScope.Read);

        Assert.StartsWith("file:", (await WhoAmIAsync(client, ("Authorization", $"Bearer {TestGateway.Token}"))).Subject,
            StringComparison.Ordinal);
        Assert.Equal("token:1", (await WhoAmIAsync(client, ("Authorization", $"Bearer {reading}"))).Subject);
        Assert.StartsWith("cert:", (await WhoAmIAsync(client, ("Authorization", "Bearer no-such-token-at-all"))).Subject,
            StringComparison.Ordinal);
        using var pushed = await SendAsync(client, HttpMethod.Post, Push, ("Authorization", $"Bearer {reading}"));
        Assert.Equal(HttpStatusCode.Forbidden, pushed.StatusCode);
    }

    [Fact]
    public async Task A_blocked_publisher_is_refused_on_a_connection_that_is_open_already()
    {
        await using var server = await StartAsync(Builders);
        var client = server.Client(server.Authority.Client("b", "CN=builder,OU=Builders", n => n.AddDnsName("b1.example.org")));
        using (var before = await SendAsync(client, HttpMethod.Post, Push))
            Assert.Equal(HttpStatusCode.OK, before.StatusCode);

        server.Subjects.Standing["cert:builders/dns:b1.example.org"] = new SubjectBlock("cert:builders/*", "lost");

        using var after = await SendAsync(client, HttpMethod.Post, Push);
        Assert.Equal(HttpStatusCode.Forbidden, after.StatusCode);
        Assert.Contains("blocked: lost", (await after.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_meets_no_blocks_of_a_cache_that_no_rule_lets_it_into()
    {
        using var authority = new CertificateAuthority();
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(authority.Client("b", "CN=builder,OU=Builders").Certificate);
        var rules = AccessFile.Parse(Encoding.UTF8.GetBytes($$$"""{"certificates":{"rules":[{{{Builders}}}]}}"""), "/etc/access.json",
            new Uri("https://cache.example.org")).Certificates!;
        var subjects = new ScriptedSubjects();
        var identities = new CertificateIdentities(rules, subjects, TimeProvider.System);
        var publisher = (await identities.FindAsync(ClientCertificate.From(certificate), CacheName.Default, default)).Id;
        subjects.Standing[publisher] = new SubjectBlock("cert:*", "lost");
        Assert.True(CacheName.TryParse("secret", out var other));

        Assert.Null((await identities.FindAsync(ClientCertificate.From(certificate), other, default)).Refusal);
        Assert.Equal(RefusalKind.Blocked,
            (await identities.FindAsync(ClientCertificate.From(certificate), CacheName.Default, default)).Refusal?.Kind);
    }

    [Fact]
    public async Task A_connection_that_outlives_its_certificate_proves_nothing_any_more()
    {
        using var authority = new CertificateAuthority();
        var (file, _) = authority.Client("b", "CN=builder,OU=Builders", life: TimeSpan.FromSeconds(-1));
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(file);
        var rules = AccessFile.Parse(Encoding.UTF8.GetBytes($$$"""{"certificates":{"rules":[{{{Builders}}}]}}"""), "/etc/access.json",
            new Uri("https://cache.example.org")).Certificates!;

        var found = await new CertificateIdentities(rules, new ScriptedSubjects(), TimeProvider.System)
            .FindAsync(ClientCertificate.From(certificate), CacheName.Default, default);

        Assert.Equal(RefusalKind.Unproven, found.Refusal?.Kind);
        Assert.Contains("expired", found.Refusal!.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_authority_between_may_be_brought_by_the_client_or_stand_in_the_file()
    {
        await using var server = await StartAsync(Builders);
        using var between = server.Authority.Intermediate("between");
        var shown = between.Client("b", "CN=builder,OU=Builders");
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(shown))).Subject, StringComparison.Ordinal);

        // The certificate alone, as many clients send it.
        var pem = await File.ReadAllTextAsync(shown.Certificate);
        await File.WriteAllTextAsync(shown.Certificate, pem[..(pem.IndexOf("-----END CERTIFICATE-----", StringComparison.Ordinal) + 25)]);
        Assert.Equal("anonymous", (await WhoAmIAsync(server.Client(shown))).Subject);

        await File.AppendAllTextAsync(server.Authority.File, "\n" + await File.ReadAllTextAsync(between.File));
        server.LookTwice();
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(shown))).Subject, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    public async Task A_connection_that_is_open_ends_being_somebody_when_the_authority_is_replaced(int major, int minor)
    {
        await using var server = await StartAsync(Builders);
        using var between = server.Authority.Intermediate("between");
        using var next = new CertificateAuthority("next");
        var former = await File.ReadAllTextAsync(server.Authority.File);
        var client = server.Client(between.Client("b", "CN=builder,OU=Builders"), new Version(major, minor));
        Assert.StartsWith("cert:", (await WhoAmIAsync(client)).Subject, StringComparison.Ordinal);

        // Both count: what was shown is verified anew, with what was shown above it.
        await File.WriteAllTextAsync(server.Authority.File, $"{await File.ReadAllTextAsync(next.File)}\n{former}");
        server.LookTwice();
        Assert.StartsWith("cert:", (await WhoAmIAsync(client)).Subject, StringComparison.Ordinal);

        File.Copy(next.File, server.Authority.File, overwrite: true);
        server.LookTwice();

        Assert.Equal("anonymous", (await WhoAmIAsync(client)).Subject);
        using var pushed = await SendAsync(client, HttpMethod.Post, Push);
        Assert.Equal(HttpStatusCode.Unauthorized, pushed.StatusCode);
    }

    [Fact]
    public async Task A_file_of_authorities_that_is_being_written_counts_once_two_looks_agree()
    {
        await using var server = await StartAsync(Builders);
        using var next = new CertificateAuthority("next");
        var client = server.Client(server.Authority.Client("b", "CN=builder,OU=Builders"));
        var both = $"{await File.ReadAllTextAsync(next.File)}\n{await File.ReadAllTextAsync(server.Authority.File)}";

        // Half of the new file is a whole certificate.
        File.Copy(next.File, server.Authority.File, overwrite: true);
        server.Judge.Look();
        Assert.StartsWith("cert:", (await WhoAmIAsync(client)).Subject, StringComparison.Ordinal);
        await File.WriteAllTextAsync(server.Authority.File, both);
        server.Judge.Look();
        Assert.Empty(server.Log.Lines);
        server.Judge.Look();

        Assert.Contains("were read anew", Assert.Single(server.Log.Lines), StringComparison.Ordinal);
        Assert.StartsWith("cert:", (await WhoAmIAsync(client)).Subject, StringComparison.Ordinal);
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(next.Client("b", "CN=builder,OU=Builders")))).Subject,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_authority_that_was_replaced_counts_for_the_next_connection()
    {
        await using var server = await StartAsync(Builders);
        var shown = server.Authority.Client("b", "CN=builder,OU=Builders");
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(shown))).Subject, StringComparison.Ordinal);

        using var next = new CertificateAuthority();
        File.Copy(next.File, server.Authority.File, overwrite: true);
        server.LookTwice();
        Assert.Equal("anonymous", (await WhoAmIAsync(server.Client(shown))).Subject);
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(next.Client("b", "CN=builder,OU=Builders")))).Subject,
            StringComparison.Ordinal);

        await File.WriteAllTextAsync(server.Authority.File, "nothing");
        server.LookTwice();
        Assert.Contains("the former authorities stay", server.Log.Lines[^1], StringComparison.Ordinal);
        Assert.StartsWith("cert:", (await WhoAmIAsync(server.Client(next.Client("b", "CN=builder,OU=Builders")))).Subject,
            StringComparison.Ordinal);
    }
}
