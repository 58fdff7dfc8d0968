using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Minio;

namespace OrleansCache.Testing;

/// <summary>
/// A real S3: the server that <c>ORLEANS_CACHE_TEST_S3_ENDPOINT</c> (with <c>_ACCESS_KEY</c>, <c>_SECRET_KEY</c>, <c>_REGION</c>,
/// <c>_ROLE</c>, <c>_USER</c>, <c>_UPLOAD_…</c>) names, else a Ceph on loopback that ends with the test process.
/// </summary>
public sealed class CephServer : IAsyncDisposable
{
    // ceph-micro.sh: PORT is S3, the next 30 belong to the daemons.
    private const int Ports = 31;

    private static readonly Lazy<Task<CephServer>> LazyShared = new(ConnectOrStartAsync);

    private readonly TempFolder? _folder;
    private readonly IDisposable? _atExit;

    private CephServer(Uri endpoint, string accessKey, string secretKey, string region, TempFolder? folder = null,
        IDisposable? atExit = null)
    {
        (Endpoint, AccessKey, SecretKey, Region) = (endpoint, accessKey, secretKey, region);
        (_folder, _atExit) = (folder, atExit);
    }

    /// <summary>One server for all tests of this process. Nobody may kill it; everybody makes buckets of their own.</summary>
    public static Task<CephServer> Shared => LazyShared.Value;

    public Uri Endpoint { get; }

    public string AccessKey { get; }

    public string SecretKey { get; }

    public string Region { get; }

    /// <summary>
    /// A role that may write into every bucket, and that the keys may take at the same endpoint; null when the server that is named has
    /// none.
    /// </summary>
    public static string? Role => Setting("ENDPOINT") is null ? "arn:aws:iam:::role/test" : Setting("ROLE");

    /// <summary>A second user, who may do in a bucket what its policy says; null when the server that is named has none.</summary>
    public static UploadUser? Uploader => Setting("ENDPOINT") is null
        ? new UploadUser("arn:aws:iam:::user/upload", "testuploadaccesskey", "testuploadsecretkey", "arn:aws:iam:::user/test")
        : Setting("UPLOAD_USER") is { } user ? new UploadUser(user, Setting("UPLOAD_ACCESS_KEY") ?? "", Setting("UPLOAD_SECRET_KEY") ?? "",
            Setting("USER") ?? "") : null;

    /// <summary>Null when an S3 server can be had, else why not.</summary>
    public static string? MissingReason =>
        Setting("ENDPOINT") is not null ? null : Programs.Missing("radosgw", "ceph-mon", "ceph-osd", "ceph", "curl");

    /// <summary>Starts a Ceph of the test's own, which it may kill.</summary>
    public static async Task<CephServer> StartAsync()
    {
        var folder = new TempFolder("oc-ceph-");
        // Not "wipe": that stops in order and takes seconds, and the folder goes anyway.
        var atExit = Reaper.AtExit($"{Reaper.Quote(Repository.Script("ceph-micro.sh"))} kill9 {Reaper.Quote(folder.Path)}");
        var port = FreePort.Range(Ports);
        (await MicroAsync("start", folder.Path, $"{port}")).OrThrow();
        return new CephServer(new Uri($"http://127.0.0.1:{port}"), "testaccesskey", "testsecretkey", "us-east-1", folder, atExit);
    }

    /// <summary>A client that follows the rules for stores of all ages.</summary>
    public AmazonS3Client CreateClient() => new(
        new BasicAWSCredentials(AccessKey, SecretKey),
        new AmazonS3Config
        {
            ServiceURL = Endpoint.ToString(),
            AuthenticationRegion = Region,
            ForcePathStyle = true,
            // Older servers store the checksum trailer's Content-Encoding otherwise.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });

    /// <summary>
    /// Another implementation of S3 than the product's: good for listing, for asking what there is and for reading whole objects (decision
    /// 004).
    /// </summary>
    public IMinioClient CreateSecondClient() =>
        new MinioClient().WithEndpoint(Endpoint).WithSSL(Endpoint.Scheme == Uri.UriSchemeHttps).WithRegion(Region)
            .WithCredentials(AccessKey, SecretKey).Build();

    /// <summary>Creates an empty bucket and returns its name. It may stay: the server is thrown away.</summary>
    public async Task<string> CreateBucketAsync()
    {
        var name = $"test-{Guid.NewGuid():n}";
        using var client = CreateClient();
        await client.PutBucketAsync(new PutBucketRequest { BucketName = name });
        return name;
    }

    public async Task KeepVersionsAsync(string bucket)
    {
        using var client = CreateClient();
        await client.PutBucketVersioningAsync(new PutBucketVersioningRequest
        {
            BucketName = bucket,
            VersioningConfig = new S3BucketVersioningConfig { Status = VersionStatus.Enabled }
        });
    }

    public async Task SetPolicyAsync(string bucket, string policy)
    {
        using var client = CreateClient();
        await client.PutBucketPolicyAsync(new PutBucketPolicyRequest { BucketName = bucket, Policy = policy });
    }

    /// <summary>SIGKILL to the S3 front end; <see cref="RestartAsync"/> brings it back. Only on a server of the test's own.</summary>
    public async Task Kill9Async() => (await MicroAsync("kill9", OwnFolder, "rgw")).OrThrow();

    public async Task RestartAsync() => (await MicroAsync("start", OwnFolder)).OrThrow();

    private string OwnFolder => _folder?.Path
        ?? throw new InvalidOperationException("This S3 server belongs to others: use CephServer.StartAsync.");

    public async ValueTask DisposeAsync()
    {
        if (_folder is null) return;
        (await MicroAsync("kill9", _folder.Path)).OrThrow();
        _atExit?.Dispose();
        _folder.Dispose();
    }

    private static async Task<CephServer> ConnectOrStartAsync() => Setting("ENDPOINT") is { } endpoint
        ? new CephServer(new Uri(endpoint), Setting("ACCESS_KEY") ?? "", Setting("SECRET_KEY") ?? "", Setting("REGION") ?? "us-east-1")
        : await StartAsync();

    private static string? Setting(string name) =>
        Environment.GetEnvironmentVariable($"ORLEANS_CACHE_TEST_S3_{name}") is { Length: > 0 } value ? value : null;

    // The daemons it leaves behind must not hold our pipes open: they write to files of their own.
    private static Task<ProcessResult> MicroAsync(params string[] arguments) =>
        ProcessRunner.RunAsync(Repository.Script("ceph-micro.sh"), arguments);
}
