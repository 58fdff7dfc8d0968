using System.Globalization;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace OrleansCache.Bench;

/// <summary>
/// The S3 server that <c>eng/bench --store s3</c> has started, and a bucket in it. Each server of ours gets a prefix of its own.
/// </summary>
internal sealed class S3Place : IDisposable
{
    private const string Bucket = "bench";

    private readonly AmazonS3Client _client;
    private readonly string _accessKeyFile;
    private readonly string _secretKeyFile;
    private readonly string _folder = Required("DIR");
    private readonly string _endpoint = Required("ENDPOINT");
    private int _prefixes;

    private S3Place(string work)
    {
        var (access, secret) = (Required("ACCESS_KEY"), Required("SECRET_KEY"));
        (_accessKeyFile, _secretKeyFile) = (Path.Combine(work, "s3-access"), Path.Combine(work, "s3-secret"));
        File.WriteAllText(_accessKeyFile, access);
        File.WriteAllText(_secretKeyFile, secret);
        _client = new AmazonS3Client(new BasicAWSCredentials(access, secret), new AmazonS3Config
        {
            ServiceURL = _endpoint,
            AuthenticationRegion = "us-east-1",
            ForcePathStyle = true,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        });
    }

    /// <summary>Processor seconds of the store itself.</summary>
    public double Cpu => Directory.EnumerateFiles(Path.Combine(_folder, "run"), "*.pid")
        .Sum(file => int.TryParse(File.ReadAllText(file).Trim(), CultureInfo.InvariantCulture, out var pid) ? ProcFs.Cpu(pid) : 0);

    /// <summary>The prefix of the server that was started last.</summary>
    public string Prefix => $"run{_prefixes}/";

    public static async Task<S3Place> OpenAsync(string work)
    {
        var place = new S3Place(work);
        await place._client.PutBucketAsync(new PutBucketRequest { BucketName = Bucket });
        return place;
    }

    public string[] NextServerArguments()
    {
        _prefixes++;
        return
        [
            "--s3-bucket", Bucket, "--s3-endpoint", _endpoint, "--s3-prefix", Prefix,
            "--s3-access-key-file", _accessKeyFile, "--s3-secret-key-file", _secretKeyFile,
        ];
    }

    public async Task<int> CountObjectsAsync()
    {
        var count = 0;
        ListObjectsV2Response? page = null;
        do
        {
            page = await _client.ListObjectsV2Async(new ListObjectsV2Request
            {
                BucketName = Bucket,
                Prefix = Prefix,
                ContinuationToken = page?.NextContinuationToken
            });
            count += page.S3Objects?.Count ?? 0;
        }
        while (page.IsTruncated == true);
        return count;
    }

    public void Dispose() => _client.Dispose();

    private static string Required(string name) => Environment.GetEnvironmentVariable($"ORLEANS_CACHE_BENCH_S3_{name}")
        is { Length: > 0 } value
        ? value
        : throw new BenchException($"ORLEANS_CACHE_BENCH_S3_{name} is not set: run eng/bench, which starts an S3 server.");
}
