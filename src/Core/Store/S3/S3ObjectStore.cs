using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// A bucket of S3 or of a server that speaks its protocol, or the part of one below a prefix. Clients upload to it directly, with presigned
/// URLs.
/// </summary>
public sealed partial class S3ObjectStore : IObjectStore, IDisposable
{
    private static readonly Dictionary<string, string> NoHeaders = [];

    private readonly S3Options _given;
    private volatile S3Options _options; // What of them the store allows: see Adapt.
    private readonly string _prefix;
    private readonly TimeProvider _clock;
    private readonly AmazonS3Client _client;
    private readonly HttpClient _http;
    private readonly AdaptiveLimit _limit;
    private readonly AdaptiveLimit _copyLimit;
    private readonly S3Calls _calls;
    private readonly S3Calls _copies;
    private readonly S3Presigner _uploads;
    private readonly S3FencedWrites _fenced;
    private readonly S3KeyProbe? _uploadKey;
    private readonly S3KeyProbe? _readKey;
    private readonly S3Presigner? _reads;
    private readonly S3StoreProbe _probe;
    private readonly S3BucketSettings _bucket;

    /// <param name="options">Where the bucket is and who we are.</param>
    /// <param name="clock">Our idea of the time: dates requests and URLs and decides when trying is in vain. It does not move a
    /// fence.</param>
    /// <exception cref="ObjectStoreException">No credentials were given and the SDK's chain finds none.</exception>
    public S3ObjectStore(S3Options options, TimeProvider? clock = null)
        : this(options, clock, new AdaptiveLimit(options.MaxConnections),
            new AdaptiveLimit(Math.Max(1, options.MaxConnections / CopyShare)))
    {
    }

    private S3ObjectStore(S3Options options, TimeProvider? clock, AdaptiveLimit limit, AdaptiveLimit copyLimit)
    {
        _given = _options = options;
        _prefix = options.KeyPrefix;
        _clock = clock ?? TimeProvider.System;
        var config = new AmazonS3Config
        {
            ServiceURL = (options.Endpoint ?? new Uri($"https://s3.{options.Region}.amazonaws.com")).AbsoluteUri,
            AuthenticationRegion = options.Region,
            ForcePathStyle = options.IsPathStyle,
            // Many servers do not know checksums in trailers.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            MaxErrorRetry = 0, // S3Calls repeats, under a limit that all calls share.
            MaxConnectionsPerServer = options.MaxConnections,
            Timeout = TimeSpan.FromSeconds(60),
        };
        var credentials = S3Credentials.Find(options, config);
        _client = new AmazonS3Client(credentials, config);
        _http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = options.MaxConnections,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5), // A name may move to another address.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
        })
        { Timeout = Timeout.InfiniteTimeSpan };
        (_limit, _copyLimit) = (limit, copyLimit);
        _calls = new S3Calls(_limit, _clock, answer => WriteRefused?.Invoke(answer));
        _copies = new S3Calls(_copyLimit, _clock, answer => WriteRefused?.Invoke(answer));
        var uploadKey = S3Credentials.Of(options.UploadAccessKey, options.UploadSecretKey);
        var readKey = S3Credentials.Of(options.ReadAccessKey, options.ReadSecretKey);
        _uploads = new S3Presigner(options.UploadBucketUrl, _prefix, options.Region, uploadKey ?? credentials);
        _reads = readKey is null ? null : new S3Presigner(options.UploadBucketUrl, _prefix, options.Region, readKey);
        _fenced = new S3FencedWrites(new S3Presigner(options.BucketUrl, _prefix, options.Region, credentials), _http, _limit,
            _clock, _prefix);
        // The probe uses the server's own endpoint, as the clients' may not be open to it.
        _uploadKey = uploadKey is null ? null : new S3KeyProbe(this, Requests(uploadKey), _clock);
        _readKey = readKey is null ? null : new S3KeyProbe(this, Requests(readKey), _clock);
        _probe = new S3StoreProbe(this, _fenced, Requests(credentials), _clock);
        _bucket = new S3BucketSettings(_client, options.Bucket);

        S3ProbeRequests Requests(AWSCredentials key) => new(new S3Presigner(options.BucketUrl, _prefix, options.Region, key), _http,
            _clock, _prefix);
    }

    public bool IsLocal => false;

    /// <summary>
    /// Finds out how this store behaves in this bucket, by trying it on one object; it writes nothing where a retention would keep it.
    /// </summary>
    /// <exception cref="ObjectStoreException">It did not tell, or refuses what a cache needs.</exception>
    public async Task<StoreTraits> ProbeAsync(CancellationToken cancellationToken) =>
        await _probe.RunAsync(await _bucket.HasRetentionAsync(cancellationToken),
            cancellationToken) with
        { KeepsOldVersions = await _bucket.HasVersionsAsync(cancellationToken) };

    /// <summary>Uses only the features that the store has, from now on.</summary>
    public void Adapt(StoreTraits traits)
    {
        _traits = traits;
        foreach (var beside in Beside())
            beside.Adapt(traits);
        (KeepsOldVersions, _fenced.DeletesMany) = (traits.KeepsOldVersions, traits.DeletesMany);
        _options = _given with
        {
            // Objects written while ETags were no MD5s keep them, so this process trusts ETags no more.
            EtagIsMd5 = _options.EtagIsMd5 && traits.EtagIsMd5,
            IfNoneMatch = _given.IfNoneMatch && traits.KnowsIfNoneMatch,
            SingleUse = traits.HoldsIfNoneMatch,
            SendsMd5 = traits.WantsMd5,
        };
    }

    /// <summary>Called for each write that the store refuses for good, unless it is a probe's.</summary>
    public Action<StoreAnswer>? WriteRefused { get; set; }

    public bool KeepsOldVersions { get; private set; }

    public bool PutsOnce => _options.SingleUse;

    public async Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await _calls.RunAsync(StoreCall.Head, $"HEAD {key}", () =>
                _client.GetObjectMetadataAsync(_options.Bucket, _prefix + key, cancellationToken), cancellationToken, IsMissing);
            return new ObjectInfo(key, answer.ContentLength, ETag(answer.ETag), Time(answer.LastModified));
        }
        catch (AmazonServiceException)
        {
            return null;
        }
    }

    public async Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
    {
        try
        {
            var request = new GetObjectRequest { BucketName = _options.Bucket, Key = _prefix + key };
            // For a whole object the SDK compares the body with its ETag, whatever that is (findings/awssdk-takes-etags-for-md5.sh).
            if (range is null && !_options.EtagIsMd5)
                request.ByteRange = new Amazon.S3.Model.ByteRange("bytes=0-");
            if (range is { } wanted)
                request.ByteRange = new Amazon.S3.Model.ByteRange(wanted.First < 0 ? $"bytes={wanted.First}"
                    : $"bytes={wanted.First}-{wanted.Last}");
            var answer = await _calls.RunAsync(StoreCall.Get, $"GET {key}", () => _client.GetObjectAsync(request, cancellationToken),
                cancellationToken, e =>
                IsMissing(e) || e.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable);
            var (offset, size) = answer.ContentRange is { Length: > 0 } part ? Place(part) : (0, answer.ContentLength);
            var headers = new ObjectHeaders(
                answer.Headers.ContentType ?? "application/octet-stream", answer.Headers.CacheControl ?? "",
                answer.Headers.ContentEncoding is { Length: > 0 } encoding ? encoding : null);
            return new ObjectBody(answer.ResponseStream, offset, answer.ContentLength,
                new ObjectInfo(key, size, ETag(answer.ETag), Time(answer.LastModified)), headers);
        }
        catch (AmazonServiceException e) when (e.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return await HeadAsync(key, cancellationToken) is { } info ? new ObjectBody(Stream.Null, info.Size, 0, info, null) : null;
        }
        catch (AmazonServiceException)
        {
            return null;
        }
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = _prefix + prefix };
        bool leaps;
        do
        {
            leaps = false;
            var page = await _calls.RunAsync(StoreCall.List, $"LIST {prefix}", () => _client.ListObjectsV2Async(request, cancellationToken),
                cancellationToken);
            foreach (var item in page.S3Objects ?? [])
            {
                if (leaps = IsOfOthers(item.Key))
                    break;
                // Other programs may keep objects in the bucket under names that are no keys of ours.
                if (ObjectKey.TryParse(item.Key[_prefix.Length..], out var key))
                    yield return new ObjectInfo(key, item.Size ?? 0, ETag(item.ETag), Time(item.LastModified));
            }

            request.StartAfter = leaps ? _prefix + AfterOthers : null;
            request.ContinuationToken = !leaps && page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (leaps || request.ContinuationToken is not null);
    }

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        try
        {
            return await _fenced.PutAsync(key, body, headers, fence, cancellationToken);
        }
        catch (ObjectStoreException e) when (e.Answer is { IsRefusal: true } refusal)
        {
            WriteRefused?.Invoke(refusal);
            throw;
        }
    }

    public async Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var outcomes = await _fenced.DeleteAsync(keys, fence, cancellationToken);
        if (outcomes.Select(o => o.Answer).FirstOrDefault(a => a is { IsRefusal: true }) is { } refusal)
            WriteRefused?.Invoke(refusal);
        return outcomes;
    }

    /// <summary>Does nothing: a write that a bucket has answered is durable.</summary>
    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var headers = KeyHeaders.For(key);
        try
        {
            await _calls.RunAsync(StoreCall.Put, $"PUT {key}", async () =>
            {
                using var stream = MemoryBody.AsStream(body);
                var request = new PutObjectRequest
                {
                    BucketName = _options.Bucket,
                    Key = _prefix + key,
                    InputStream = stream,
                    UseChunkEncoding = false,
                    ContentType = headers.ContentType,
                    IfNoneMatch = _options.IfNoneMatch ? "*" : null,
                    MD5Digest = Digest(body),
                };
                request.Headers.CacheControl = headers.CacheControl;
                return await _client.PutObjectAsync(request, cancellationToken);
            }, cancellationToken, e => e.StatusCode == HttpStatusCode.PreconditionFailed);
        }
        catch (AmazonServiceException e)
        {
            // An attempt without an answer may have arrived: no other claim gets this key.
            if (await HeadAsync(key, cancellationToken) is not { } info || info.Size != body.Length
                || (info.ETag is { } etag && etag != Convert.ToHexStringLower(MD5.HashData(body.Span))))
                throw new ObjectStoreException($"PUT {key}", StoreAnswer.Of(e).AsRefusal(), e);
        }
    }

    public Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken) =>
        _calls.RunAsync(StoreCall.Put, $"PUT of part {number} of {key}", async () =>
        {
            using var stream = MemoryBody.AsStream(body);
            var request = new UploadPartRequest
            {
                BucketName = _options.Bucket,
                Key = _prefix + key,
                UploadId = uploadId,
                PartNumber = number,
                PartSize = body.Length,
                InputStream = stream,
                UseChunkEncoding = false,
                MD5Digest = Digest(body)
            };
            return await _client.UploadPartAsync(request, cancellationToken);
        }, cancellationToken);

    public void Dispose()
    {
        _client.Dispose();
        _http.Dispose();
    }

    private string? Digest(ReadOnlyMemory<byte> body) => _options.SendsMd5 ? Convert.ToBase64String(MD5.HashData(body.Span)) : null;

    private static bool IsMissing(AmazonServiceException e) => e.StatusCode == HttpStatusCode.NotFound;

    private string? ETag(string? etag) => _options.EtagIsMd5 ? etag?.Trim('"') : null;

    private static DateTimeOffset Time(DateTime? time) => time?.ToUniversalTime() ?? default;

    // "bytes 3-5/10"
    private static (long Offset, long Size) Place(string range)
    {
        var numbers = range["bytes ".Length..].Split('-', '/');
        return (long.Parse(numbers[0], CultureInfo.InvariantCulture), long.Parse(numbers[2], CultureInfo.InvariantCulture));
    }
}
