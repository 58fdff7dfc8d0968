using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests;

/// <summary>The real application on a real socket of loopback, over scripted pushes and a real directory store.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    public const string Token = "correct-horse";
    public const string SecondToken = "battery-staple";

    private readonly TempFolder _folder;

    private TestGateway(TempFolder folder, WebApplication app, GatewayParts parts, List<string> log)
    {
        (_folder, App, Parts, Log) = (folder, app, parts, log);
        // Nothing is decoded, followed or kept on behalf of the test.
        Client = new HttpClient(new SocketsHttpHandler
        {
            AutomaticDecompression = DecompressionMethods.None,
            AllowAutoRedirect = false,
            UseCookies = false
        })
        { BaseAddress = parts.PublicUrl };
    }

    public WebApplication App { get; }

    public GatewayParts Parts { get; }

    public HttpClient Client { get; }

    public List<string> Log { get; }

    public ScriptedPushes Pushes => (ScriptedPushes)Parts.Pushes;

    public ScriptedCollection Collection => (ScriptedCollection)Parts.Collection;

    public ScriptedFsck Fsck => (ScriptedFsck)Parts.Fsck;

    public ScriptedPins Pins => (ScriptedPins)Parts.Pins;

    public ScriptedWithdrawals Withdrawals => (ScriptedWithdrawals)Parts.Withdrawals;

    public ScriptedTokens Tokens => (ScriptedTokens)Parts.Tokens;

    public ScriptedSubjects Subjects => (ScriptedSubjects)Parts.Subjects;

    public ScriptedAudit Audit => (ScriptedAudit)Parts.Audit;

    public DirectoryObjectStore Store => (DirectoryObjectStore)Parts.Store;

    public static async Task<TestGateway> StartAsync(Func<GatewayParts, GatewayParts>? change = null, bool privateReads = false,
        Edge? edge = null)
    {
        var folder = new TempFolder();
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var url = new Uri($"http://{listener.LocalEndPoint}");
        var tokens = new ScriptedTokens();
        var parts = new GatewayParts
        {
            Pushes = new ScriptedPushes(),
            Niks3Pushes = new ScriptedNiks3Pushes(),
            AtticPushes = new ScriptedAtticPushes(),
            Contents = new ScriptedContents(),
            Paths = new ScriptedPaths(),
            Collection = new ScriptedCollection(),
            Fsck = new ScriptedFsck(),
            Upstreams = new ScriptedUpstreams(),
            Pins = new ScriptedPins(),
            NixCopy = new ScriptedNixCopy(),
            Store = new DirectoryObjectStore(new DirectoryOptions { Root = folder["store"], PublicUrl = url, UrlSecret = new byte[32] }),
            Tokens = tokens,
            Subjects = new ScriptedSubjects(),
            Deployments = new ScriptedDeployments(),
            Audit = new ScriptedAudit(),
            Withdrawals = new ScriptedWithdrawals(),
            Promotions = new ScriptedPromotions(),
            Credentials = new TokenCredentials(new TokenFile([Token, SecondToken], privateReads), tokens),
            PingDatabase = _ => Task.CompletedTask,
            PublicUrl = url,
            PublicKeys = ["test-1:AAAA"],
        };
        parts = change?.Invoke(parts) ?? parts;
        var log = new List<string>();
        var app = await GatewayApp.BuildAsync(parts, listener, logging => logging.AddProvider(new ListLogger(log)),
            edge: edge);
        await app.StartAsync();
        return new TestGateway(folder, app, parts, log);
    }

    public string StoreFolder => _folder["store"];

    public Task<HttpResponseMessage> GetAsync(string path, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, headers);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.RelativeOrAbsolute));
        foreach (var (name, value) in headers)
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        return await Client.SendAsync(request);
    }

    /// <summary>A POST of JSON with the token.</summary>
    public Task<HttpResponseMessage> PostAsync(string path, string json, params (string Name, string Value)[] headers) =>
        PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), headers);

    public async Task<HttpResponseMessage> PostAsync(string path, HttpContent? content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        request.Headers.Authorization = new("Bearer", Token);
        foreach (var (name, value) in headers)
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        return await Client.SendAsync(request);
    }

    /// <summary>Puts an object into the store as the core does.</summary>
    public async Task StoreAsync(string key, byte[] content)
    {
        var parsed = ObjectKey.Parse(key);
        Assert.Equal(FencedOutcome.Done, await Store.PutAsync(parsed, content, KeyHeaders.For(parsed), DateTimeOffset.UtcNow.AddMinutes(1),
            CancellationToken.None));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await App.DisposeAsync();
        _folder.Dispose();
    }
}

internal static class AnswerExtensions
{
    /// <summary>The problem document that this answer must be.</summary>
    public static async Task<Problem> ProblemAsync(this HttpResponseMessage answer)
    {
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        var problem = await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.Problem);
        Assert.NotNull(problem);
        Assert.Equal((int)answer.StatusCode, problem.Status);
        Assert.StartsWith("urn:orleans-cache:error:", problem.Type, StringComparison.Ordinal);
        Assert.NotEqual("", problem.Title);
        return problem;
    }
}
