using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hostile;

/// <summary>
/// The real application on a socket, over the real catalog and a directory store, with something in the cache to be harmed. Nothing goes on
/// in the background.
/// </summary>
internal sealed class HostileServer : IAsyncDisposable
{
    public const string Token = "correct-horse-battery-staple";

    private readonly TempFolder _folder = new();
    private readonly LevelLog _log;
    private CacheCore _core = null!;
    private WebApplication _app = null!;
    private string _database = "";

    private HostileServer(LogLevel log) => _log = new LevelLog(log);

    public Uri Url { get; private set; } = null!;

    /// <summary>All that was logged.</summary>
    public IReadOnlyCollection<string> Log => _log.Lines;

    /// <summary>An open push: what it may upload is here.</summary>
    public PushOpened Open { get; private set; } = null!;

    /// <summary>Tokens that are good for reading only, revoked, and expired.</summary>
    public IReadOnlyList<string> WeakTokens { get; private set; } = [];

    public IReadOnlyList<StorePath> Paths { get; private set; } = [];

    /// <summary>Upload URLs that have expired.</summary>
    public IReadOnlyList<Uri> ExpiredUrls { get; private set; } = [];

    public CacheCore Core => _core;

    /// <param name="log">What is logged at least.</param>
    /// <param name="s3">Where the objects are instead of in a directory; nothing is in the cache then.</param>
    public static async Task<HostileServer> StartAsync(LogLevel log, S3Options? s3 = null)
    {
        var server = new HostileServer(log);
        await server.BuildAsync(s3);
        if (s3 is null)
            await server.FillAsync();
        return server;
    }

    /// <summary>
    /// Every row of the catalog and every file of the store. What is answered again to a repeated request is not among it: a refusal is
    /// noted too.
    /// </summary>
    public async Task<SortedDictionary<string, string>> SnapshotAsync()
    {
        var all = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await using var source = NpgsqlDataSource.Create(_database);
        var tables = new List<string>();
        await using (var command = source.CreateCommand(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'pin_operation'"))
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
                tables.Add(reader.GetString(0));
        }

        foreach (var table in tables)
        {
#pragma warning disable CA2100 // A name from the system's own table.
            await using var command =
                source.CreateCommand($"select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from \"{table}\" t");
#pragma warning restore CA2100
            all[table] = (string)(await command.ExecuteScalarAsync())!;
        }

        // Who was cut off leaves nothing; an open multipart upload's own folder may hold parts that are not whole.
        await Eventually.BecomesTrueAsync(() => !Directory.EnumerateFileSystemEntries(_folder["store/.tmp"]).Any(), describe: () =>
            "the end of what is left in .tmp");
        foreach (var file in Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/.multipart/", StringComparison.Ordinal)))
            all[file] = Convert.ToHexString(SHA256.HashData(await File.ReadAllBytesAsync(file)));
        return all;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _core.DisposeAsync();
        _folder.Dispose();
    }

    private async Task BuildAsync(S3Options? s3)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Url = new Uri($"http://{listener.LocalEndPoint}");
        var directory = new DirectoryObjectStore(new DirectoryOptions
        {
            Root = _folder["store"],
            PublicUrl = Url,
            UrlSecret = new byte[32]
        });
        IObjectStore store = s3 is null ? directory : new S3ObjectStore(s3);
        _database = await (await PostgresServer.Shared).CreateCatalogAsync();
        using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(_log));
        // Without a limit of failed logins: each forged token is to be looked up.
        var limits = new RequestLimits { JsonBytes = 512 << 10, Paths = 1000, Stall = TimeSpan.FromSeconds(2), FailedLogins = 0 };
        _core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = _database,
                Store = store,
                SigningKeys = [SecretKey.Generate("test-1")],
                Pushes = new PushOptions { MaxPaths = limits.Paths, SinglePutLimit = 100_000, PartSize = 50_000 },
                Housekeeping = false,
            },
            loggers, TimeProvider.System, CancellationToken.None);
        var parts = GatewayParts.Of(_core, new TokenCredentials(new TokenFile([Token], privateReads: false), _core.Tokens),
            Url) with
        { Limits = limits };
        await directory.PutAsync(ObjectKey.NixCacheInfo, "StoreDir: /nix/store\n"u8.ToArray(), KeyHeaders.For(ObjectKey.NixCacheInfo),
            DateTimeOffset.UtcNow.AddMinutes(1), CancellationToken.None);
        ExpiredUrls = [directory.SignPut(ObjectKey.Parse($"nar/{new string('1', 52)}.nar.zst"), null, TimeSpan.FromSeconds(-5)).Url];
        _app = await GatewayApp.BuildAsync(parts, listener, logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(_log));
        await _app.StartAsync();
    }

    // A committed closure with a pin, and a push that is still open: an upload of one body, one of parts, and one that has arrived and is
    // not reported.
    private async Task FillAsync()
    {
        using var http = new HttpClient();
        var pushes = _core.Pushes;
        var contents = Enumerable.Range(0, 3).Select(i => RandomNumberGenerator.GetBytes(1000 + i)).ToList();
        Paths = [.. Enumerable.Range(0, 3)
            .Select(i => StorePath.Parse($"{(i + 1).ToString(CultureInfo.InvariantCulture)}c5b8vw40dy178xlpddw65q9gf1h2186-path-{i}"))];
        var declared = Paths.Select((path, i) => new PathDeclaration
        {
            Path = path,
            NarHash = Sha256Hash.FromBytes(SHA256.HashData(contents[i])),
            NarSize = contents[i].Length,
            References = i == 0 ? [] : [Paths[i - 1].Hash],
        }).ToList();
        var push = await pushes.BeginAsync(CacheName.Default, new BeginPush
        {
            Roots = [Paths[2].Hash],
            Paths = declared,
            Pin = new PushPin { Name = PinName.Parse("prod-web") }
        }, OperationId.New(), CancellationToken.None);
        Assert.True(PushId.TryParse(push.Id, out var id));
        var report = new List<UploadedNar>();
        foreach (var (status, i) in push.Missing.Select((s, i) => (s, i)))
        {
            var grant = push.Uploads.Single(u => u.Id == status.Upload);
            var file = Compress(contents[Paths.ToList().FindIndex(p => p.Hash == status.Path)]);
            (await http.PutAsync(grant.Url, new ByteArrayContent(file))).EnsureSuccessStatusCode();
            report.Add(new UploadedNar
            {
                Upload = grant.Id,
                FileHash = Sha256Hash.FromBytes(SHA256.HashData(file)),
                FileSize = file.Length
            });
        }

        Assert.Empty((await pushes.ReportAsync(CacheName.Default, id, new UploadReport { Uploads = report },
            CancellationToken.None)).Rejected);
        Assert.Equal(PushState.Committed,
            (await pushes.CommitAsync(CacheName.Default, id, TimeSpan.FromSeconds(30), CancellationToken.None)).State);

        PathDeclaration[] open =
        [
            new() { Path = StorePath.Parse($"{new string('4', 32)}-small"), NarHash = Sha256Hash.FromBytes(new byte[32]), NarSize = 1000 },
            new() { Path = StorePath.Parse($"{new string('5', 32)}-large"),
                NarHash = Sha256Hash.FromBytes([.. Enumerable.Repeat((byte)1, 32)]), NarSize = 200_000 },
            new() { Path = StorePath.Parse($"{new string('6', 32)}-arrived"),
                NarHash = Sha256Hash.FromBytes([.. Enumerable.Repeat((byte)2, 32)]), NarSize = 1000 },
        ];
        Open = await pushes.BeginAsync(CacheName.Default, new BeginPush { Roots = [.. open.Select(p => p.Path.Hash)], Paths = open },
            OperationId.New(), CancellationToken.None);
        var arrived = Open.Uploads.Single(u => u.Id == Open.Missing.Single(m => m.Path == open[2].Path.Hash).Upload);
        (await http.PutAsync(arrived.Url, new ByteArrayContent(Compress(contents[0])))).EnsureSuccessStatusCode();
        Open = Open with { Uploads = [.. Open.Uploads.Where(u => u.Id != arrived.Id), arrived] };
        await MakeTokensAsync();
    }

    private async Task MakeTokensAsync()
    {
        async Task<CreatedToken> MakeAsync(string name, double? expires, params TokenScope[] scopes) =>
            await _core.Tokens.CreateAsync(CacheName.Default, new CreateToken { Name = name, Scopes = scopes, ExpiresSeconds = expires },
                CancellationToken.None);

        var (weak, revoked, expired) = (await MakeAsync("weak", null, TokenScope.Read), await MakeAsync("revoked", null, TokenScope.Admin),
            await MakeAsync("expired", 0.001, TokenScope.Admin));
        await _core.Tokens.RevokeAsync(CacheName.Default, revoked.Token.Id, CancellationToken.None);
        // Its first use is noted; the next only ten minutes later.
        Assert.NotNull(await _core.Tokens.FindAsync(weak.Secret, CancellationToken.None));
        await Eventually.BecomesTrueAsync(async () => await _core.Tokens.FindAsync(expired.Secret, CancellationToken.None) is null);
        WeakTokens = [weak.Secret, revoked.Secret, expired.Secret];
    }

    internal static byte[] Compress(byte[] bytes)
    {
        using var file = new MemoryStream();
        using (var zstd = new ZstdCompressStream(file, level: 1, leaveOpen: true))
            zstd.Write(bytes);
        return file.ToArray();
    }

    private sealed class LevelLog(LogLevel least) : ILoggerProvider, ILogger
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

        public IReadOnlyCollection<string> Lines => _lines;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull
        {
            if (least == LogLevel.Trace)
                _lines.Enqueue($"scope {state}");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
                return;
            var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{logLevel} {formatter(state, exception)} {exception}");
            // What only a structured log would show.
            if (state is IEnumerable<KeyValuePair<string, object?>> values)
                text.AppendJoin(' ', values.Select(v => $"{v.Key}={v.Value}"));
            _lines.Enqueue(text.ToString());
        }

        public void Dispose()
        {
        }
    }
}
