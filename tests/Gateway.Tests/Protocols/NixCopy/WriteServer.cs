using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.Parts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>The real application over the real core, on a real PostgreSQL and a directory or a real S3.</summary>
internal sealed class WriteServer : IAsyncDisposable
{
    public const string Writer = "write-password";
    public const string OtherWriter = "other-password";
    public const string Reader = "read-password";
    public const string Pinner = "pin-password";

    private readonly TempFolder _folder;
    private readonly WebApplication _app;
    private readonly IDisposable? _store;

    private WriteServer(TempFolder folder, CacheCore core, WebApplication app, Uri url, IDisposable? store, List<string> log)
    {
        (_folder, Core, _app, Url, _store, Log) = (folder, core, app, url, store, log);
        Client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
        {
            BaseAddress = new Uri(url,
            "/c/default/")
        };
    }

    public static SecretKey Key { get; } = SecretKey.Generate("test-1");

    public CacheCore Core { get; }

    public Uri Url { get; }

    /// <summary>Its base is the write URL.</summary>
    public HttpClient Client { get; }

    public List<string> Log { get; }

    public static async Task<WriteServer> StartAsync(bool s3 = false, bool privateReads = false,
        Func<IObjectStore, IObjectStore>? around = null, PushOptions? options = null)
    {
        var folder = new TempFolder();
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var url = new Uri($"http://{listener.LocalEndPoint}");
        var store = s3 ? await BucketAsync()
            : new DirectoryObjectStore(new DirectoryOptions { Root = folder["store"], PublicUrl = url, UrlSecret = new byte[32] });
        var served = around?.Invoke(store) ?? store;
        var core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = await (await PostgresServer.Shared).CreateCatalogAsync(),
                Store = served,
                SigningKeys = [Key],
                Housekeeping = false,
                Pushes = options ?? new PushOptions(),
            },
            NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
        var parts = GatewayParts.Of(core, new Users(privateReads), url);
        var log = new List<string>();
        var app = await GatewayApp.BuildAsync(parts, listener, logging => logging.SetMinimumLevel(LogLevel.Trace)
            .AddProvider(new Lines(log)));
        await app.StartAsync();
        return new WriteServer(folder, core, app, url, store as IDisposable, log);
    }

    /// <summary>A request under the write URL, as the writer unless told otherwise.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, byte[]? body = null, string? password = Writer,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.RelativeOrAbsolute))
        {
            Content = body is null ? null
            : new ByteArrayContent(body)
        };
        if (password is not null)
            request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{password}")));
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                Assert.True(request.Content!.Headers.TryAddWithoutValidation(name, value));
        }

        return await Client.SendAsync(request);
    }

    public Task<HttpResponseMessage> PutAsync(string path, byte[] body, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Put, path, body, headers: headers);

    public Task<HttpResponseMessage> PutAsync(string path, string body, params (string Name, string Value)[] headers) =>
        PutAsync(path, Encoding.UTF8.GetBytes(body), headers);

    public Task<HttpResponseMessage> GetAsync(string path, string? password = Writer) =>
        SendAsync(HttpMethod.Get, path, password: password);

    public Task<HttpResponseMessage> HeadAsync(string path, string? password = Writer) =>
        SendAsync(HttpMethod.Head, path, password: password);

    /// <summary>What a socket gets when it sends exactly this: the head of a request, and perhaps a part of its body.</summary>
    /// <param name="close">No more will be sent, and the server is told so.</param>
    public async Task<string> RawAsync(string text, bool close)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, Url.Port));
        await socket.SendAsync(Encoding.ASCII.GetBytes(text));
        if (close)
            socket.Shutdown(SocketShutdown.Send);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        while (await socket.ReceiveAsync(buffer) is > 0 and var read)
        {
            answer.Append(Encoding.UTF8.GetString(buffer, 0, read));
            // The 100 comes first.
            if (answer.ToString().Split("HTTP/1.1 ")
                .Any(a => a.StartsWith('4') || a.StartsWith('5') || a.StartsWith("20", StringComparison.Ordinal)))
                break;
        }

        return answer.ToString();
    }

    public async Task<GcRun> CollectAsync()
    {
        var run = await Core.Collection.StartAsync(CacheName.Default, new GcRequest { OlderThanSeconds = 0, Force = true },
            OperationId.New(), CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () =>
            (run = await Core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State != GcState.Running);
        return run;
    }

    /// <summary>Lets holds lapse and roots be forgotten: for the database, all that they did was hours ago.</summary>
    public Task ForgetHoldsAsync() => Core.Database.RunAsync(
        "with r as (delete from root) update push set expires = expires - interval '1 day', created = created - interval '1 day' where " +
            "holder is not null", _ => { }, CancellationToken.None);

    public async Task<string> FsckAsync()
    {
        var findings = new List<string>();
        await foreach (var finding in Core.Fsck.CheckAsync(CacheName.Default, new(), CancellationToken.None))
            findings.Add($"{finding.Kind} {finding.Key} {finding.Detail}");
        return string.Join('\n', findings);
    }

    /// <summary>All keys of the store but that of the server's own page.</summary>
    public async Task<IReadOnlyList<string>> KeysAsync()
    {
        var keys = new List<string>();
        await foreach (var info in Core.Store.ListAsync("", CancellationToken.None))
        {
            if (info.Key != ObjectKey.Page)
                keys.Add(info.Key.ToString());
        }

        return keys;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        await Core.DisposeAsync();
        _store?.Dispose();
        _folder.Dispose();
    }

    private static async Task<IObjectStore> BucketAsync()
    {
        var server = await CephServer.Shared;
        return new S3ObjectStore(new S3Options
        {
            Bucket = await server.CreateBucketAsync(),
            Endpoint = server.Endpoint,
            Region = server.Region,
            AccessKey = server.AccessKey,
            SecretKey = server.SecretKey,
        });
    }

    // Read and write users, by password.
    private sealed class Users(bool privateReads) : Gateway.Auth.ICredentials
    {
        public bool IsKnown(string secret) => false;

        public ValueTask<Credential?> FindAsync(string? secret, CacheName cache, CancellationToken cancellationToken) =>
            ValueTask.FromResult(secret switch
            {
                null => Credential.Anonymous(privateReads),
                Writer => new Credential("writer", Scopes.Push),
                OtherWriter => new Credential("other-writer", Scopes.Push),
                Reader => new Credential("reader", Scopes.Read),
                Pinner => new Credential("pinner", Scopes.Pin),
                _ => null,
            });
    }

    private sealed class Lines(List<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lock (lines)
                lines.Add($"{formatter(state, exception)} {exception}");
        }

        public void Dispose()
        {
        }
    }
}
