using System.Net;
using System.Runtime.CompilerServices;
using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Credentials;
using Amazon.S3;
using Amazon.S3.Model;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using RetryPolicy = OrleansCache.Cli.Http.RetryPolicy;

namespace OrleansCache.Cli.Import;

/// <summary>A cache in a bucket, read as its owner or, where it is public, as anybody.</summary>
internal sealed class S3Source : ISource
{
    private const string DefaultRegion = "us-east-1";

    private readonly SourceAddress.OfBucket _place;
    private readonly RetryPolicy _retry;
    private readonly AmazonS3Client _client;

    /// <param name="place">The bucket.</param>
    /// <param name="http">All requests go through it: proxies and authorities are those of the program.</param>
    /// <param name="retry">For each request; the SDK itself repeats none.</param>
    /// <exception cref="CliException">There is no such profile, or no credential.</exception>
    public S3Source(SourceAddress.OfBucket place, HttpMessageInvoker http, RetryPolicy retry)
    {
        (_place, _retry) = (place, retry);
        var config = new AmazonS3Config
        {
            HttpClientFactory = new Through(http),
            ForcePathStyle = place.Endpoint is not null,
            // A trailing checksum is nothing that a narinfo does not have, and not every store knows them.
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            MaxErrorRetry = 0,
        };
        if (place.Endpoint is { } endpoint)
            (config.ServiceURL, config.AuthenticationRegion) = (endpoint.AbsoluteUri, place.Region ?? DefaultRegion);
        else
            config.RegionEndpoint = RegionOf(place);
        _client = new AmazonS3Client(Credentials(place, config), config);
    }

    public string Name => $"s3://{_place.Bucket}/{_place.Prefix}".TrimEnd('/');

    public bool Lists => true;

    public async IAsyncEnumerable<string> ListAsync(string folder, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request
        {
            BucketName = _place.Bucket,
            Prefix = _place.Prefix + folder,
            Delimiter = folder.Length == 0 ? "/" : null,
        };
        do
        {
            var page = await CallAsync("listing it", cancel => _client.ListObjectsV2Async(request, cancel), cancellationToken)
                ?? throw new CliException(ExitCodes.Failed, $"There is no bucket {_place.Bucket} at {Where}.");
            foreach (var found in page.S3Objects ?? [])
                yield return found.Key[_place.Prefix.Length..];
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (request.ContinuationToken is not null);
    }

    public async Task<SourceObject?> ReadAsync(string key, CancellationToken cancellationToken) =>
        await CallAsync($"reading {key}", async cancel =>
        {
            using var answer = await GetAsync(key, 0, cancel);
            using var bytes = new MemoryStream();
            await answer.ResponseStream.CopyToAsync(bytes, cancel);
            return new SourceObject(bytes.ToArray(), answer.Headers.ContentEncoding is { Length: > 0 } encoding ? encoding : null);
        }, cancellationToken);

    public Stream? Open(string url, CancellationToken cancellationToken)
    {
        return OpenAt(0, cancellationToken).GetAwaiter().GetResult() is { } first
            ? new ResumedStream($"{url} of {Name}", first, OpenAt, cancellationToken) : null;

        Task<Stream?> OpenAt(long offset, CancellationToken cancel) => CallAsync<Stream>($"reading {url}", async c =>
            (await GetAsync(url, offset, c)).ResponseStream, cancel);
    }

    public void Dispose() => _client.Dispose();

    private string Where => _place.Endpoint?.GetLeftPart(UriPartial.Authority) ?? $"AWS, region {_client.Config.RegionEndpoint.SystemName}";

    private Task<GetObjectResponse> GetAsync(string key, long offset, CancellationToken cancellationToken) =>
        _client.GetObjectAsync(new GetObjectRequest
        {
            BucketName = _place.Bucket,
            Key = _place.Prefix + key,
            ByteRange = offset > 0 ? new ByteRange($"bytes={offset}-") : null,
        }, cancellationToken);

    /// <returns>Null: it is not there.</returns>
    private Task<T?> CallAsync<T>(string what, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
        where T : class => _retry.RunAsync($"{what} of {Name}", async c =>
        {
            try
            {
                return await call(c);
            }
            catch (AmazonServiceException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }
            catch (AmazonServiceException e)
            {
                throw Explained(e, what);
            }
            catch (AmazonClientException e)
            {
                throw (e.InnerException is { } inner && RetryPolicy.AsTransient(inner) is { } transient ? transient : null)
                    ?? (Exception)new CliException(ExitCodes.Failed, $"{what} of {Name} failed: {e.Message}", e);
            }
        }, cancellationToken);

    private Exception Explained(AmazonServiceException e, string what) => e.StatusCode switch
    {
        HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized => new CliException(ExitCodes.Failed,
            $"{Where} refuses {what} of {Name}: {e.ErrorCode}, {e.Message.TrimEnd('.')}. Name a profile that may, as in ?profile=NAME, set " +
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or say ?anonymous=true of a public bucket.", e),
        0 => new TransientException($"{Where}: {e.Message}", null, e),
        var status when RetryPolicy.IsTransient(status) => new TransientException($"{Where} answers {e.ErrorCode}: {e.Message}", null, e),
        _ => new CliException(ExitCodes.Failed, $"{Where} answers {what} of {Name} with {e.ErrorCode}: {e.Message}", e),
    };

    private static RegionEndpoint RegionOf(SourceAddress.OfBucket place)
    {
        var named = place.Region ?? Environment.GetEnvironmentVariable("AWS_REGION")
            ?? Environment.GetEnvironmentVariable("AWS_DEFAULT_REGION");
        var profile = place.Profile ?? Environment.GetEnvironmentVariable("AWS_PROFILE") ?? "default";
        return named is not null ? RegionEndpoint.GetBySystemName(named)
            : new CredentialProfileStoreChain().TryGetProfile(profile, out var found) && found.Region is { } region ? region
            : RegionEndpoint.GetBySystemName(DefaultRegion);
    }

    private static AWSCredentials Credentials(SourceAddress.OfBucket place, AmazonS3Config config)
    {
        if (place.IsAnonymous)
            return new AnonymousAWSCredentials();
        if (place.Profile is { } profile)
            return new CredentialProfileStoreChain().TryGetAWSCredentials(profile, out var named) ? named
                : throw new CliException(ExitCodes.Usage,
                    $"The files of the AWS tools (~/.aws/credentials, ~/.aws/config) have no profile '{profile}' that can be used.");
        try
        {
            return DefaultAWSCredentialsIdentityResolver.GetCredentials(config);
        }
        catch (AmazonClientException e)
        {
            throw new CliException(ExitCodes.Usage, $"There is no credential for s3://{place.Bucket}: set AWS_ACCESS_KEY_ID and " +
                "AWS_SECRET_ACCESS_KEY, name a profile as in ?profile=NAME, or say ?anonymous=true of a public bucket.", e);
        }
    }

    /// <summary>Gives the SDK the connections of this program.</summary>
    private sealed class Through(HttpMessageInvoker http) : HttpClientFactory
    {
        public override HttpClient CreateHttpClient(IClientConfig clientConfig) => new(new Passing(http), disposeHandler: false)
        {
            Timeout = Timeout.InfiniteTimeSpan, // of a whole answer, which may be large: see ResumedStream
        };

        public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

        private sealed class Passing(HttpMessageInvoker http) : HttpMessageHandler
        {
            protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
                http.SendAsync(request, cancellationToken);
        }
    }
}
