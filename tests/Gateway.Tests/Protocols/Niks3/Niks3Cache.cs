using System.Net;
using System.Net.Sockets;
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

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>A cache with two gateways, on a real PostgreSQL and a real store, and its clients.</summary>
internal sealed class Niks3Cache : IAsyncDisposable
{
    private const string Token = "correct-horse";
    private readonly TempFolder _folder = new();
    private readonly List<(WebApplication App, CacheCore Core)> _gateways = [];
    private readonly List<HttpClient> _https = [];
    private string _database = "";
    private S3Options? _s3;
    private Uri? _uploads;

    public static SecretKey Key { get; } = SecretKey.Generate("test-1");

    /// <summary>What the cores see instead of the store.</summary>
    public Func<IObjectStore, IObjectStore> Through { get; init; } = store => store;

    public CacheCore Core => _gateways[0].Core;

    public IObjectStore Store { get; private set; } = null!;

    public IReadOnlyList<Uri> Urls => [.. _gateways.Select(g => new Uri(g.App.Urls.First()))];

    /// <param name="uploader">Who signs the URLs that clients upload to, on S3; null: the servers' own user.</param>
    public static async Task<Niks3Cache> StartAsync(bool onS3 = false, Func<IObjectStore, IObjectStore>? through = null,
        UploadUser? uploader = null)
    {
        var cache = new Niks3Cache { Through = through ?? (store => store) };
        cache._database = await (await PostgresServer.Shared).CreateCatalogAsync();
        if (onS3)
        {
            var ceph = await CephServer.Shared;
            cache._s3 = new S3Options
            {
                Bucket = await ceph.CreateBucketAsync(),
                Endpoint = ceph.Endpoint,
                Region = ceph.Region,
                AccessKey = ceph.AccessKey,
                SecretKey = ceph.SecretKey,
                UploadAccessKey = uploader?.AccessKey,
                UploadSecretKey = uploader?.SecretKey,
            };
            if (uploader is not null)
                await ceph.SetPolicyAsync(cache._s3.Bucket, uploader.Policy(cache._s3.Bucket));
        }

        await cache.AddGatewayAsync();
        await cache.AddGatewayAsync();
        return cache;
    }

    public async Task AddGatewayAsync()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var url = new Uri($"http://{listener.LocalEndPoint}");
        _uploads ??= url;
        IObjectStore store = _s3 is not null ? new S3ObjectStore(_s3)
            : new DirectoryObjectStore(new DirectoryOptions { Root = _folder["store"], PublicUrl = _uploads, UrlSecret = new byte[32] });
        Store ??= store;
        var core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = _database,
                Store = Through(store),
                SigningKeys = [Key],
                Pushes = new PushOptions
                {
                    CommitLease = TimeSpan.FromSeconds(1),
                    Fence = TimeSpan.FromSeconds(2),
                    FenceMargin = TimeSpan.FromSeconds(1)
                },
                Housekeeping = false,
            },
            NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
        var app = await GatewayApp.BuildAsync(
            GatewayParts.Of(core, new TokenFile([Token], privateReads: false), url) with { Store = store },
            listener, logging => logging.SetMinimumLevel(LogLevel.None));
        await app.StartAsync();
        _gateways.Add((app, core));
    }

    /// <summary>A gateway's process stops in the middle of whatever it does.</summary>
    public async Task StopGatewayAsync(int at)
    {
        var (app, core) = _gateways[at];
        _gateways.RemoveAt(at);
        await core.DisposeAsync();
        await app.DisposeAsync();
    }

    /// <summary>A client that sends each request to another gateway than the one before.</summary>
    public Niks3Client Client(string prefix = "") => new(Http(), () => Urls, prefix, Token);

    public HttpClient Http()
    {
        var http = new HttpClient();
        _https.Add(http);
        return http;
    }

    public async Task<byte[]?> ReadAsync(string key)
    {
        await using var body = await Store.GetAsync(ObjectKey.Parse(key), null, CancellationToken.None);
        if (body is null)
            return null;
        using var bytes = new MemoryStream();
        await body.Stream.CopyToAsync(bytes);
        return bytes.ToArray();
    }

    public async Task<List<string>> KeysAsync()
    {
        var keys = new List<string>();
        await foreach (var info in Store.ListAsync("", CancellationToken.None))
            keys.Add(info.Key.ToString());
        return keys;
    }

    public async Task<NarInfo?> NarInfoAsync(TestPath path) =>
        await ReadAsync($"{path.Path.Hash}.narinfo") is { } text ? NarInfo.Parse(System.Text.Encoding.UTF8.GetString(text)) : null;

    /// <summary>It is there as a reader wants it: signed, its NAR right, its references there.</summary>
    public async Task AssertPublishedAsync(TestPath path)
    {
        var info = await NarInfoAsync(path);
        Assert.NotNull(info);
        Assert.True(info.Verify(Key.PublicKey));
        Assert.Equal((path.Path, path.NarHash, (long)path.Nar.Length, path.Deriver),
            (info.StorePath, info.NarHash, info.NarSize, info.Deriver));
        Assert.Equal(path.References.Select(r => r.Path).Order(), info.References);
        var file = await ReadAsync(info.Url);
        Assert.NotNull(file);
        Assert.Equal(info.FileSize, file.Length);
        Assert.Equal(path.Nar, Zstd.Decompress(file, 100 << 20));
        Assert.Equal(path.Listing,
            System.Text.Encoding.UTF8.GetString(Zstd.Decompress((await ReadAsync($"{path.Path.Hash}.ls"))!, 1 << 20)));
    }

    public async Task<IReadOnlyList<FsckFinding>> FsckAsync()
    {
        var findings = new List<FsckFinding>();
        await foreach (var finding in Core.Fsck.CheckAsync(CacheName.Default, new FsckTally(), CancellationToken.None))
            findings.Add(finding);
        return findings;
    }

    public Task<long> CountAsync(string sql) =>
        Core.Database.SingleAsync(sql, _ => { }, r => r.GetInt64(0), CancellationToken.None);

    public async Task CollectAsync()
    {
        var run = await Core.Collection.StartAsync(CacheName.Default, new GcRequest { OlderThanSeconds = 0, Force = true },
            OperationId.New(), CancellationToken.None);
        await Eventually.BecomesTrueAsync(async () =>
            (await Core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State == GcState.Done);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var http in _https)
            http.Dispose();
        foreach (var (app, core) in _gateways)
        {
            await app.DisposeAsync();
            await core.DisposeAsync();
        }

        (Store as IDisposable)?.Dispose();
        _folder.Dispose();
    }
}
