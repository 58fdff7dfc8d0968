using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>
/// Reads and writes the messages of one small push, and drops them. The runtime compiles JSON code on first use: here that happens while
/// the server waits for its database, not in the first push.
/// </summary>
internal static class JsonWarmup
{
    public static Task RunAsync() => Task.Run(async () =>
    {
        var path = new StorePath(StorePathHash.FromBytes(new byte[StorePathHash.ByteLength]), "rehearsal");
        var hash = Sha256Hash.FromBytes(new byte[Sha256Hash.ByteLength]);
        var realisation = RealisationId.Parse($"sha256:{hash.ToHex()}!out");
        await ReadAsync(new BeginPush
        {
            Roots = [path.Hash],
            Paths = [new PathDeclaration { Path = path, NarHash = hash, NarSize = 1, References = [path.Hash], Deriver = path,
                Ca = ContentAddress.Parse($"fixed:r:{hash}"), Signatures = [""] }],
            Logs = [new LogDeclaration { Drv = path, Path = path.Hash }],
            Realisations = [new RealisationDeclaration { Id = realisation, Path = path.Hash }],
        });
        await ReadAsync(new UploadReport
        {
            Uploads = [new UploadedNar { Upload = "", FileHash = hash, FileSize = 1, Md5 = [""] }],
            Listings = [new PathListing { Path = path.Hash, Content = [0] }],
            Logs = [new LogContent { Drv = path, Path = path.Hash, Content = [0] }],
            Realisations = [new RealisationContent { Id = realisation, Path = path.Hash, Content = "" }],
        });
        await WriteAsync(new PushOpened
        {
            Id = "",
            Expires = default,
            RenewAfterSeconds = 1,
            Present = 1,
            Missing = [new PathStatus { Path = path.Hash, State = PathState.Upload, Upload = "" }],
            Uploads = [new UploadGrant { Id = "", Url = new Uri("http://localhost/"),
                Headers = new Dictionary<string, string> { [""] = "" }, Expires = default }],
            Conflicts = [path.Hash],
            MissingLogs = [path],
            MissingRealisations = [realisation],
        });
        await WriteAsync(new ReportAnswer { Stored = [""], Rejected = [new RejectedUpload { Upload = "", Reason = "", Detail = "" }] });
        await WriteAsync(new BatchAnswer { Statuses = [200] });
        await WriteAsync(new CommitAnswer { Id = "", State = PushState.Committed, Published = 1 });
    });

    private static async Task ReadAsync<T>(T message) where T : class
    {
        using var body = new MemoryStream();
        await using (var coder = new System.IO.Compression.GZipStream(body, System.IO.Compression.CompressionLevel.Fastest,
            leaveOpen: true))
            await JsonSerializer.SerializeAsync(coder, message, WireJson.Of<T>());
        body.Position = 0;
        using var lease = new BodyBudget(new RequestLimits(), TimeProvider.System).Open("");
        await JsonBody<T>.ReadAsync(body, ContentCoding.Gzip, body.Length << 10, lease, CancellationToken.None);
    }

    private static async Task WriteAsync<T>(T answer)
    {
        var http = new DefaultHttpContext();
        http.Request.Headers.AcceptEncoding = ContentCoding.Gzip;
        http.Response.Body = Stream.Null;
        await new JsonAnswer<T>(answer).ExecuteAsync(http);
    }
}
