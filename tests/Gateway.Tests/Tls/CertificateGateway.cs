using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Oidc;
using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>A server that lets clients in by certificates of an authority of the test's own.</summary>
internal sealed class CertificateGateway : IAsyncDisposable
{
    private readonly ServerTls _tls;
    private readonly List<HttpClient> _clients = [];

    private CertificateGateway(CertificateAuthority authority, ServerTls tls, ClientAuthority judge, ScriptedSubjects subjects,
        TestGateway gateway, ListLog log) =>
        (Authority, _tls, Judge, Subjects, Gateway, Log) = (authority, tls, judge, subjects, gateway, log);

    public CertificateAuthority Authority { get; }

    public ClientAuthority Judge { get; }

    public ScriptedSubjects Subjects { get; }

    public TestGateway Gateway { get; }

    public ListLog Log { get; }

    /// <param name="rules">Of <c>certificates</c>.</param>
    /// <param name="proxy">The options of a proxy.</param>
    /// <param name="limits">Of requests.</param>
    public static async Task<CertificateGateway> StartAsync(string rules, ProxySettings? proxy = null, RequestLimits? limits = null)
    {
        var authority = new CertificateAuthority();
        var (log, subjects) = (new ListLog(), new ScriptedSubjects());
        var (certificate, key) = authority.Server();
        var tls = new ServerTls(new TlsSettings(certificate, key), log, TimeProvider.System);
        var judge = new ClientAuthority(authority.File, log, new TimerClock());
        var read = AccessFile.Parse(Encoding.UTF8.GetBytes($$$"""{"certificates":{"rules":[{{{rules}}}]}}"""), "/etc/access.json",
            new Uri("https://cache.example.org")).Certificates!;
        var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Subjects = subjects,
            Limits = limits ?? parts.Limits,
            Credentials = new TokenCredentials(new TokenFile([TestGateway.Token], privateReads: true), parts.Tokens, null,
                new CertificateIdentities(read, subjects, TimeProvider.System)),
        }, edge: new Edge(tls, judge, proxy));
        return new CertificateGateway(authority, tls, judge, subjects, gateway, log);
    }

    /// <summary>A client with connections of its own, which shows this certificate, and those above it, or none.</summary>
    public HttpClient Client((string Certificate, string Key)? shown = null, Version? version = null)
    {
        var options = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = static (_, server, _, _) => server is not null,
        };
        if (shown is { } files)
        {
            var above = new X509Certificate2Collection();
            above.ImportFromPemFile(files.Certificate);
            above.RemoveAt(0);
            options.ClientCertificateContext = SslStreamCertificateContext.Create(
                X509Certificate2.CreateFromPemFile(files.Certificate, files.Key), above, offline: true);
        }

        var client = new HttpClient(new SocketsHttpHandler { SslOptions = options })
        {
            BaseAddress = new Uri($"https://127.0.0.1:{Gateway.Parts.PublicUrl.Port}"),
            DefaultRequestVersion = version ?? HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        _clients.Add(client);
        return client;
    }

    /// <summary>Has the authority's file read as long as it takes for a change to count.</summary>
    public void LookTwice()
    {
        Judge.Look();
        Judge.Look();
    }

    /// <summary>What the server says of this request.</summary>
    public static async Task<WhoAmI> WhoAmIAsync(HttpClient client, params (string Name, string Value)[] headers)
    {
        using var answer = await SendAsync(client, HttpMethod.Get, "/v1/whoami", headers);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return (await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.WhoAmI))!;
    }

    public static async Task<HttpResponseMessage> SendAsync(HttpClient client, HttpMethod method, string path,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Version = client.DefaultRequestVersion,
            VersionPolicy = client.DefaultVersionPolicy,
        };
        if (method == HttpMethod.Post)
            request.Content = new StringContent("""{"paths":[]}""", Encoding.UTF8, "application/json");
        foreach (var (name, value) in headers)
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        return await client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await Gateway.DisposeAsync();
        await Judge.DisposeAsync();
        await _tls.DisposeAsync();
        Authority.Dispose();
    }
}
