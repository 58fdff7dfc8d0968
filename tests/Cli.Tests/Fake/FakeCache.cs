using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Tests.Fake;

/// <summary>
/// The v1 routes and a store behind presigned-looking URLs, in memory, on a real loopback port. It checks what a server can check
/// of each upload, and misbehaves when told to.
/// </summary>
public sealed class FakeCache : IAsyncDisposable
{
    public const string Key = "fake-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, FakePush> _pushes = [];
    private int _ids;

    private FakeCache(WebApplication app) => _app = app;

    public Uri Url => new(_app.Urls.First() + Prefix);

    /// <summary>A path below which everything stands, such as <c>/nix</c>.</summary>
    public string Prefix { get; private init; } = "";

    public long SinglePutLimit { get; set; } = 16 << 20;

    public long PartSize { get; set; } = 64 << 10;

    /// <summary>URLs of parts that a grant has from the beginning.</summary>
    public int FirstParts { get; set; } = 2;

    /// <summary>Whether the store names what it holds by MD5; where it does not, a report with MD5s is not accepted.</summary>
    public bool WantsMd5 { get; set; } = true;

    /// <summary>It hashes itself what arrives, and wants no hash of a file.</summary>
    public bool Hashes { get; set; }

    /// <summary>Whether small NARs may come many in one request; such URLs need no headers.</summary>
    public bool TakesBatches { get; set; }

    public int RenewAfterSeconds { get; set; } = 900;

    public string? Token { get; set; }

    /// <summary>What begin says of a path that is not live.</summary>
    public Func<PathDeclaration, PathState> StateOf { get; set; } = _ => PathState.Upload;

    /// <summary>What wait says of a path.</summary>
    public Func<StorePathHash, PathState> WaitStateOf { get; set; } = _ => PathState.Present;

    /// <summary>Asked before each request; true: it has answered (or not) itself.</summary>
    public Func<HttpContext, Task<bool>> Misbehave { get; set; } = _ => Task.FromResult(false);

    /// <summary>Asked of each reported upload: a reason not to accept it.</summary>
    public Func<UploadedNar, string?> Reject { get; set; } = _ => null;

    /// <summary>Only URLs of this generation work; raise it, and what was handed out has expired.</summary>
    public int UrlGeneration { get; set; }

    /// <summary>Where its URLs for uploads lead; null: to itself.</summary>
    public Uri? Store { get; set; }

    /// <summary>What it tells readers to use; null: the address that it has.</summary>
    public Uri? Named { get; set; }

    /// <summary>What it tells readers to trust.</summary>
    public IReadOnlyList<string> PublicKeys { get; set; } = [Key];

    /// <summary>How long it says that URLs work.</summary>
    public TimeSpan UrlLife { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Method and path of every request, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    public ConcurrentDictionary<StorePathHash, PathDeclaration> Live { get; } = [];

    /// <summary>The verified NARs by hash, uncompressed.</summary>
    public ConcurrentDictionary<Sha256Hash, byte[]> Nars { get; } = [];

    public ConcurrentDictionary<StorePathHash, string> Listings { get; } = [];

    public ConcurrentDictionary<string, string> Logs { get; } = [];

    public ConcurrentDictionary<RealisationId, string> Realisations { get; } = [];

    public ConcurrentDictionary<string, Pin> Pins { get; } = [];

    /// <summary>What was declared by each begin.</summary>
    public ConcurrentQueue<BeginPush> Begun { get; } = [];

    /// <summary>Ids of pushes that were ended by DELETE.</summary>
    public ConcurrentQueue<string> Aborted { get; } = [];

    /// <summary>What the server found wrong with the client's uploads.</summary>
    public ConcurrentQueue<string> Complaints { get; } = [];

    public int Reports => Requests.Count(request => request.EndsWith("/uploaded", StringComparison.Ordinal));

    public static async Task<FakeCache> StartAsync(string prefix = "", int port = 0)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls($"http://127.0.0.1:{port}");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var cache = new FakeCache(app) { Prefix = prefix };
        app.Run(cache.ServeAsync);
        await app.StartAsync();
        return cache;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    private async Task ServeAsync(HttpContext context)
    {
        var request = context.Request;
        Requests.Enqueue($"{request.Method} {request.Path}");
        if (await Misbehave(context))
            return;
        if (!request.Path.Value!.StartsWith(Prefix, StringComparison.Ordinal))
        {
            context.Response.StatusCode = 404;
            return;
        }

        var route = request.Path.Value[Prefix.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (route is ["store", var upload, var part])
        {
            await PutAsync(context, upload, int.Parse(part, null));
            return;
        }

        if (Token is not null && request.Method != "GET" && request.Headers.Authorization != $"Bearer {Token}")
        {
            await ProblemAsync(context, 401, "unauthorized", "the token is not known");
            return;
        }

        await (route switch
        {
            ["v1", "caches", var name] => InfoAsync(context, name),
            ["v1", "caches", _, "uploads"] when TakesBatches => BatchAsync(context),
            ["v1", "caches", _, "missing"] => MissingAsync(context),
            ["v1", "caches", _, "pins"] => AnswerAsync(context, new PinList { Pins = [.. Pins.Values] }, ProtocolJson.Default.PinList),
            ["v1", "caches", _, "pins", var name] => SetPinAsync(context, name),
            ["v1", "caches", _, "pushes"] => BeginAsync(context),
            ["v1", "caches", _, "pushes", var push] => AbortAsync(context, push),
            ["v1", "caches", _, "pushes", var push, "uploaded"] => WithPush(context, push, ReportAsync),
            ["v1", "caches", _, "pushes", var push, "wait"] => WithPush(context, push, WaitAsync),
            ["v1", "caches", _, "pushes", var push, "renew"] => WithPush(context, push, RenewAsync),
            ["v1", "caches", _, "pushes", var push, "commit"] => WithPush(context, push, CommitAsync),
            ["v1", "caches", _, "pushes", var push, "uploads", var id, "urls"] => WithPush(context, push, (c, p) => UrlsAsync(c, p, id)),
            _ => ProblemAsync(context, 404, "unknown-route", "no such route"),
        });
    }

    private Task InfoAsync(HttpContext context, string name) => AnswerAsync(
        context, new CacheInfo
        {
            Name = name,
            StoreDir = "/nix/store",
            Priority = 30,
            Substituter = Named ?? Url,
            PublicKeys = PublicKeys,
            Version = "0.1.0"
        }, ProtocolJson.Default.CacheInfo);

    private async Task MissingAsync(HttpContext context)
    {
        var asked = await ReadAsync(context, ProtocolJson.Default.MissingRequest);
        await AnswerAsync(context, new MissingAnswer { Missing = [.. asked.Paths.Where(path => !Live.ContainsKey(path))] },
            ProtocolJson.Default.MissingAnswer);
    }

    private async Task SetPinAsync(HttpContext context, string text)
    {
        var set = await ReadAsync(context, ProtocolJson.Default.SetPin);
        if (!PinName.TryParse(text, out var name) || !Live.ContainsKey(set.Path.Hash))
        {
            await ProblemAsync(context, 409, "path-not-in-cache", "the path is not there");
            return;
        }

        var pin = new Pin
        {
            Name = name,
            Path = set.Path,
            Revision = Pins.TryGetValue(text, out var before) ? before.Revision + 1 : 1,
            KeepRevisions = 1,
            Created = default,
            Updated = default,
            Written = true,
        };
        Pins[text] = pin;
        await AnswerAsync(context, pin, ProtocolJson.Default.Pin);
    }

    private async Task BeginAsync(HttpContext context)
    {
        var begin = await ReadAsync(context, ProtocolJson.Default.BeginPush);
        Begun.Enqueue(begin);
        var push = new FakePush($"push{Interlocked.Increment(ref _ids)}", begin);
        lock (_lock)
            _pushes.Add(push.Id, push);
        var missing = begin.Paths.Where(path => !Live.ContainsKey(path.Path.Hash))
            .Select(path => new PathStatus
            {
                Path = path.Path.Hash,
                State = Nars.ContainsKey(path.NarHash) ? PathState.Stored
                : StateOf(path)
            }).ToList();
        var grants = new Dictionary<Sha256Hash, UploadGrant>();
        var states = missing.ConvertAll(status => status.State == PathState.Upload ? Grant(push, status.Path, grants) : status);
        await AnswerAsync(context, new PushOpened
        {
            Id = push.Id,
            Expires = DateTimeOffset.UtcNow.AddHours(1),
            RenewAfterSeconds = RenewAfterSeconds,
            Present = begin.Paths.Count - missing.Count,
            Missing = states,
            Uploads = [.. grants.Values],
            TakesBatches = TakesBatches,
            MissingLogs = [.. begin.Logs.Select(log => log.Drv).Where(drv => !Logs.ContainsKey(drv.BaseName))],
            MissingRealisations = [.. begin.Realisations.Select(realisation => realisation.Id).Where(id => !Realisations.ContainsKey(id))],
        }, ProtocolJson.Default.PushOpened, 201);
    }

    private PathStatus Grant(FakePush push, StorePathHash path, Dictionary<Sha256Hash, UploadGrant> grants)
    {
        var declared = push.Paths[path];
        if (!grants.TryGetValue(declared.NarHash, out var grant))
        {
            var upload = new FakeUpload($"up{Interlocked.Increment(ref _ids)}", declared, declared.NarSize <= SinglePutLimit
                ? null : PartSize);
            lock (_lock)
                push.Uploads.Add(upload.Id, upload);
            grants.Add(declared.NarHash, grant = Describe(upload, 1, FirstParts));
        }

        return new PathStatus { Path = path, State = PathState.Upload, Upload = grant.Id };
    }

    private UploadGrant Describe(FakeUpload upload, int first, int count) => new()
    {
        Id = upload.Id,
        Url = upload.PartSize is null ? StoreUrl(upload, 0) : null,
        Headers = upload.PartSize is null && !TakesBatches ? new Dictionary<string, string> { ["If-None-Match"] = "*" } : [],
        PartSize = upload.PartSize,
        Md5 = WantsMd5,
        ServerHashes = Hashes,
        Parts = upload.PartSize is null ? [] : [.. Enumerable.Range(first, count).Select(part => StoreUrl(upload, part))],
        Expires = DateTimeOffset.UtcNow + UrlLife,
    };

    private Uri StoreUrl(FakeUpload upload, int part) =>
        new($"{(Store ?? Url).AbsoluteUri.TrimEnd('/')}/store/{upload.Id}/{part}?generation={UrlGeneration}");

    private FakeUpload? Find(string id)
    {
        lock (_lock)
            return _pushes.Values.Select(push => push.Uploads.GetValueOrDefault(id)).FirstOrDefault(found => found is not null);
    }

    private async Task BatchAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var bytes = body.ToArray();
        var end = bytes.AsSpan().IndexOf("\n\n"u8);
        var at = end + 2;
        var statuses = new List<int>();
        foreach (var line in System.Text.Encoding.ASCII.GetString(bytes, 0, end).Split('\n'))
        {
            var (url, size) = (new Uri(line.Split(' ')[0]), int.Parse(line.Split(' ')[1], null));
            var upload = Find(url.Segments[^2].TrimEnd('/'));
            statuses.Add(url.Query != $"?generation={UrlGeneration}" ? 403 : upload is null ? 404
                : upload.Bodies.TryAdd(0, bytes[at..(at + size)]) ? 200 : 412);
            at += size;
        }

        if (at != bytes.Length)
            Complaints.Enqueue("a batch of another size than its lines say");
        await AnswerAsync(context, new BatchAnswer { Statuses = statuses }, ProtocolJson.Default.BatchAnswer);
    }

    private async Task PutAsync(HttpContext context, string id, int part)
    {
        var upload = Find(id);
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (context.Request.Query["generation"] != $"{UrlGeneration}")
            context.Response.StatusCode = 403;
        else if (upload is null)
            context.Response.StatusCode = 404;
        else if (part == 0 && !TakesBatches && context.Request.Headers.IfNoneMatch != "*")
            context.Response.StatusCode = 403;
        else if (!upload.Bodies.TryAdd(part, body.ToArray()) && part == 0)
            context.Response.StatusCode = 412;
        else
            context.Response.Headers.ETag = $"\"{Convert.ToHexStringLower(MD5.HashData(body.ToArray()))}\"";
    }

    private async Task ReportAsync(HttpContext context, FakePush push)
    {
        var report = await ReadAsync(context, ProtocolJson.Default.UploadReport);
        var stored = new List<string>();
        var rejected = new List<RejectedUpload>();
        foreach (var uploaded in report.Uploads)
        {
            var reason = push.Uploads.TryGetValue(uploaded.Upload, out var upload) ? Reject(uploaded)
                ?? await upload.ProblemAsync(uploaded, WantsMd5, Hashes) : "not-found";
            if (reason is null)
            {
                stored.Add(uploaded.Upload);
                Nars[upload!.Declared.NarHash] = upload.Nar!;
            }
            else
            {
                Complaints.Enqueue(reason);
                rejected.Add(new RejectedUpload { Upload = uploaded.Upload, Reason = reason, Detail = "the fake says so" });
            }
        }

        foreach (var listing in report.Listings)
            Listings[listing.Path] = System.Text.Encoding.UTF8.GetString(Zstd.Decompress(listing.Content, 16 << 20));
        foreach (var log in report.Logs)
            Logs[log.Drv.BaseName] = System.Text.Encoding.UTF8.GetString(Zstd.Decompress(log.Content, 16 << 20));
        foreach (var realisation in report.Realisations)
            Realisations[realisation.Id] = realisation.Content;
        await AnswerAsync(context, new ReportAnswer { Stored = stored, Rejected = rejected }, ProtocolJson.Default.ReportAnswer);
    }

    private async Task WaitAsync(HttpContext context, FakePush push)
    {
        var wait = await ReadAsync(context, ProtocolJson.Default.WaitRequest);
        var grants = new Dictionary<Sha256Hash, UploadGrant>();
        var states = wait.Paths.Select(path =>
        {
            var state = WaitStateOf(path);
            if (state == PathState.Present)
                Live[path] = push.Paths[path];
            return state == PathState.Upload ? Grant(push, path, grants) : new PathStatus { Path = path, State = state };
        }).ToList();
        await AnswerAsync(context, new WaitAnswer { Paths = states, Uploads = [.. grants.Values] }, ProtocolJson.Default.WaitAnswer);
    }

    private async Task UrlsAsync(HttpContext context, FakePush push, string id)
    {
        var wanted = await ReadAsync(context, ProtocolJson.Default.UrlsRequest);
        if (push.Uploads.TryGetValue(id, out var upload))
            await AnswerAsync(context, new UrlsAnswer
            {
                FirstPart = wanted.FirstPart,
                Grant = Describe(upload, wanted.FirstPart, wanted.Count)
            }, ProtocolJson.Default.UrlsAnswer);
        else
            await ProblemAsync(context, 404, "unknown-upload", "the upload has ended");
    }

    private Task RenewAsync(HttpContext context, FakePush push) => AnswerAsync(
        context, new RenewAnswer { Expires = DateTimeOffset.UtcNow.AddHours(1), RenewAfterSeconds = RenewAfterSeconds },
        ProtocolJson.Default.RenewAnswer);

    private async Task CommitAsync(HttpContext context, FakePush push)
    {
        var missing = push.Begin.Paths.Where(path => !Live.ContainsKey(path.Path.Hash) && !Nars.ContainsKey(path.NarHash)).ToList();
        if (missing.Count > 0)
        {
            await ProblemAsync(context, 409, "missing-paths", "some paths have not been uploaded");
            return;
        }

        var published = push.Begin.Paths.Count(path => Live.TryAdd(path.Path.Hash, path));
        await AnswerAsync(context, new CommitAnswer { Id = push.Id, State = PushState.Committed, Published = published },
            ProtocolJson.Default.CommitAnswer);
    }

    private Task AbortAsync(HttpContext context, string push)
    {
        Aborted.Enqueue(push);
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    /// <summary>Forgets all pushes, as a server whose pushes have lapsed.</summary>
    public void ForgetPushes()
    {
        lock (_lock)
            _pushes.Clear();
    }

    private async Task WithPush(HttpContext context, string id, Func<HttpContext, FakePush, Task> serve)
    {
        FakePush? push;
        lock (_lock)
            push = _pushes.GetValueOrDefault(id);
        await (push is null ? ProblemAsync(context, 410, "push-ended", "the push has ended") : serve(context, push));
    }

    public static Task ProblemAsync(HttpContext context, int status, string name, string detail,
        IReadOnlyList<StorePathHash>? paths = null) => AnswerAsync(context, new Problem
        {
            Type = $"urn:orleans-cache:error:{name}",
            Title = name,
            Status = status,
            Detail = detail,
            Paths = paths,
        }, ProtocolJson.Default.Problem, status, "application/problem+json");

    private static async Task AnswerAsync<T>(HttpContext context, T answer, JsonTypeInfo<T> type, int status = 200,
        string contentType = "application/json")
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer, type));
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        var body = context.Request.Body;
        if (context.Request.Headers.ContentEncoding == "zstd")
            body = new ZstdDecompressStream(body);
        return (await JsonSerializer.DeserializeAsync(body, type))!;
    }
}
