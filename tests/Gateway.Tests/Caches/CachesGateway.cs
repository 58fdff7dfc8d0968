using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.Parts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Caches;

/// <summary>The real application over a real core that serves several caches from a data directory.</summary>
internal sealed class CachesGateway : IAsyncDisposable
{
    /// <summary>May everything in all caches.</summary>
    public const string Operator = "correct-horse-battery-staple";

    private readonly TempFolder _folder;
    private readonly DataDirectory _data;
    private readonly WebApplication _app;

    private CachesGateway(TempFolder folder, DataDirectory data, CacheCore core, WebApplication app, Uri url)
    {
        (_folder, _data, Core, _app, Url) = (folder, data, core, app, url);
        Client = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.None, AllowAutoRedirect = false })
        {
            BaseAddress = url,
        };
    }

    public CacheCore Core { get; }

    public Uri Url { get; }

    public HttpClient Client { get; }

    public string Data => _folder["data"];

    public static SecretKey Key { get; } = SecretKey.Generate("default-1");

    public static async Task<CachesGateway> StartAsync(bool works = false)
    {
        var folder = new TempFolder();
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var url = new Uri($"http://{listener.LocalEndPoint}");
        var data = DataDirectory.Open(folder["data"]);
        var store = new DirectoryObjectStore(new DirectoryOptions
        {
            Root = data.StoreFolder,
            PublicUrl = url,
            UrlSecret = data.UrlSecret(),
            Scope = "default",
        });
        var settings = new ServerSettings { Listen = (IPEndPoint)listener.LocalEndPoint! };
        var core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = await (await PostgresServer.Shared).CreateCatalogAsync(),
                Store = store,
                Places = new CachePlaces(settings, data, store, url),
                SigningKeys = [Key],
                Housekeeping = works,
                Pushes = new() { KeySettles = TimeSpan.Zero },
                GroupCommit = true,
            },
            NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
        var parts = GatewayParts.Of(core, new TokenCredentials(new TokenFile([Operator], privateReads: false), core.Tokens), url) with
        {
            Limits = new() { FailedLogins = 0 },
        };
        var app = await GatewayApp.BuildAsync(parts, listener, static logging => logging.SetMinimumLevel(LogLevel.None));
        await app.StartAsync();
        return new CachesGateway(folder, data, core, app, url);
    }

    /// <summary>Makes a cache over HTTP.</summary>
    public async Task<CacheDescription> MakeAsync(string name, string settings = "{}")
    {
        using var made = await SendAsync(HttpMethod.Post, "/v1/caches", Operator, $$"""{"name":"{{name}}","settings":{{settings}}}""");
        Assert.True(made.StatusCode == HttpStatusCode.Created, await made.Content.ReadAsStringAsync());
        return (await made.Content.ReadFromJsonAsync(ProtocolJson.Default.CacheDescription))!;
    }

    /// <summary>A token of a cache with these scopes; left out: all.</summary>
    public async Task<string> TokenAsync(string cache, params TokenScope[] scopes) => (await Core.Tokens.CreateAsync(NameOf(cache),
        new CreateToken { Name = $"t-{Guid.NewGuid():n}", Scopes = scopes.Length > 0 ? scopes : Enum.GetValues<TokenScope>() },
        CancellationToken.None)).Secret;

    public static CacheName NameOf(string cache) => CacheName.TryParse(cache, out var name) ? name : throw new FormatException(cache);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? token = null, string? json = null,
        string? host = null, byte[]? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.RelativeOrAbsolute));
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        if (body is not null)
            request.Content = new ByteArrayContent(body);
        if (token is not null)
            request.Headers.Authorization = new("Bearer", token);
        request.Headers.Host = host;
        return await Client.SendAsync(request);
    }

    /// <summary>Publishes a text over our own protocol, with uploads by URL.</summary>
    public async Task<PushOpened> PushAsync(string cache, string token, string name, string text)
    {
        var nar = new TextNar(name, text);
        var closure = new BeginPush { Roots = [nar.Hash], Paths = [nar.Path()] };
        using var begun = await SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/pushes", token,
            System.Text.Json.JsonSerializer.Serialize(closure, ProtocolJson.Default.BeginPush));
        Assert.True(begun.StatusCode == HttpStatusCode.Created, await begun.Content.ReadAsStringAsync());
        var push = (await begun.Content.ReadFromJsonAsync(ProtocolJson.Default.PushOpened))!;
        foreach (var grant in push.Uploads)
        {
            using var put = await SendAsync(HttpMethod.Put, grant.Url!.AbsoluteUri, body: nar.File);
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
            using var reported = await SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/pushes/{push.Id}/uploaded", token,
                System.Text.Json.JsonSerializer.Serialize(new UploadReport
                {
                    Uploads = [new UploadedNar { Upload = grant.Id, FileHash = Sha256Hash.Compute(nar.File), FileSize = nar.File.Length, Md5 = [] }],
                }, ProtocolJson.Default.UploadReport));
            Assert.True(reported.IsSuccessStatusCode, await reported.Content.ReadAsStringAsync());
        }

        using var committed = await SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/pushes/{push.Id}/commit", token, "");
        Assert.True(committed.StatusCode == HttpStatusCode.OK, await committed.Content.ReadAsStringAsync());
        return push;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        await Core.DisposeAsync();
        _data.Dispose();
        _folder.Dispose();
    }
}
