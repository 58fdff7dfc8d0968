using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3.Model;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>Multipart uploads: the server begins, signs, joins and aborts them, and clients put the parts.</summary>
public sealed partial class S3ObjectStore
{
    public async Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken)
    {
        var headers = KeyHeaders.For(key);
        var request = new InitiateMultipartUploadRequest
        {
            BucketName = _options.Bucket,
            Key = _prefix + key,
            ContentType = headers.ContentType
        };
        request.Headers.CacheControl = headers.CacheControl;
        return (await _calls.RunAsync(StoreCall.Multipart, $"begin of the multipart upload of {key}", () =>
            _client.InitiateMultipartUploadAsync(request, cancellationToken), cancellationToken)).UploadId;
    }

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life)
    {
        var now = _clock.GetUtcNow();
        var urls = new Uri[count];
        for (var i = 0; i < count; i++)
        {
            (string, string)[] query = [("partNumber", (first + i).ToString(CultureInfo.InvariantCulture)), ("uploadId", uploadId)];
            urls[i] = _uploads.ForLife("PUT", key, query, NoHeaders, now, life).Url;
        }

        return urls;
    }

    public async Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken)
    {
        if (partMd5.Count == 0 || !partMd5.All(md5 => md5.Length == 32 && md5.All(char.IsAsciiHexDigitLower)))
            return false;
        List<PartETag> parts;
        try
        {
            parts = _options.EtagIsMd5 ? [.. partMd5.Select((md5, i) => new PartETag(i + 1, md5))]
                : await PartsAsync(key, uploadId, partMd5.Count, cancellationToken);
        }
        catch (AmazonServiceException)
        {
            parts = [];
        }

        // An earlier request, whose answer was lost, may have completed it.
        return (parts.Count > 0 && await JoinAsync(key, uploadId, parts, cancellationToken))
            || (await HeadAsync(key, cancellationToken) is { } info && (info.ETag is null || info.ETag == JoinedETag(partMd5)));
    }

    /// <summary>False: there is no such upload any more, or its parts are others.</summary>
    private async Task<bool> JoinAsync(ObjectKey key, string uploadId, List<PartETag> parts, CancellationToken cancellationToken)
    {
        var request = new CompleteMultipartUploadRequest
        {
            BucketName = _options.Bucket,
            Key = _prefix + key,
            UploadId = uploadId,
            PartETags = parts
        };
        try
        {
            await _calls.RunAsync(StoreCall.Multipart, $"completion of {key}", () =>
                _client.CompleteMultipartUploadAsync(request, cancellationToken),
                cancellationToken, static _ => true);
            return true;
        }
        catch (AmazonServiceException)
        {
            return false;
        }
        catch (ObjectStoreException e) when (e.IsTransient)
        {
            // Ceph repeatedly answers InternalError about an aborted upload.
            try
            {
                await PartsAsync(key, uploadId, parts.Count, cancellationToken);
            }
            catch (AmazonServiceException)
            {
                return false;
            }

            throw;
        }
    }

    public async Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken)
    {
        try
        {
            await _calls.RunAsync(StoreCall.Multipart, $"abort of the multipart upload of {key}", () =>
                _client.AbortMultipartUploadAsync(_options.Bucket, _prefix + key, uploadId, cancellationToken), cancellationToken,
                    static _ => true);
        }
        catch (AmazonServiceException)
        {
            // Gone already.
        }
    }

    public async IAsyncEnumerable<OpenMultipart> ListMultipartAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListMultipartUploadsRequest { BucketName = _options.Bucket, Prefix = _prefix };
        while (true)
        {
            var page = await _calls.RunAsync(StoreCall.Multipart, "LIST of multipart uploads", () =>
                _client.ListMultipartUploadsAsync(request, cancellationToken), cancellationToken);
            foreach (var upload in page.MultipartUploads ?? [])
            {
                if (!IsOfOthers(upload.Key) && ObjectKey.TryParse(upload.Key[_prefix.Length..], out var key))
                    yield return new OpenMultipart(key, upload.UploadId, Time(upload.Initiated));
            }

            if (page.IsTruncated != true)
                yield break;
            (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
    }

    private async Task<List<PartETag>> PartsAsync(ObjectKey key, string uploadId, int count, CancellationToken cancellationToken)
    {
        var request = new ListPartsRequest { BucketName = _options.Bucket, Key = _prefix + key, UploadId = uploadId };
        var parts = new List<PartETag>();
        while (true)
        {
            var page = await _calls.RunAsync(StoreCall.Multipart, $"LIST of the parts of {key}", () =>
                _client.ListPartsAsync(request, cancellationToken), cancellationToken, static _ => true);
            parts.AddRange((page.Parts ?? []).Where(p => p.PartNumber <= count).Select(p => new PartETag(p.PartNumber ?? 0, p.ETag)));
            if (page.IsTruncated != true)
                return parts;
            request.PartNumberMarker = page.NextPartNumberMarker?.ToString(CultureInfo.InvariantCulture);
        }
    }

    private static string JoinedETag(IReadOnlyList<string> partMd5) =>
        $"{Convert.ToHexStringLower(MD5.HashData(partMd5.SelectMany(Convert.FromHexString).ToArray()))}-{partMd5.Count}";
}
