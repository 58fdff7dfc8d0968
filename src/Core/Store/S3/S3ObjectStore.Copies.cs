using Amazon.Runtime;
using Amazon.S3.Model;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Copies by the server itself. Each goes by parts, however small: the object appears only by the completion of an upload that was begun
/// for this key, which works once and replaces nothing. So no server need know a condition on copies, and one that is given up leaves
/// nothing.
/// </summary>
public sealed partial class S3ObjectStore
{
    // Of the requests at once: copies, which last long, leave the others their places.
    private const int CopyShare = 4;
    private const int MaxParts = 9_000;
    private const int PartsAtOnce = 4;

    /// <remarks>
    /// 1. The source has the size that is meant; from now on its ETag stands for it. 2. Its bytes become the parts. 3. The parts become the
    /// object.
    /// </remarks>
    public async Task<CopyOutcome> CopyAsync(IObjectStore from, ObjectKey source, long size, ObjectKey key, string? uploadId,
        CancellationToken cancellationToken)
    {
        if (from is not S3ObjectStore other || uploadId is null)
            throw new ArgumentException("a copy takes a bucket of the same server, and the upload that it ends");

        // 1. Other calls read ETags as MD5s, or not at all; here one is only compared with itself.
        string etag;
        try
        {
            var head = await _copies.RunAsync(StoreCall.Head, $"HEAD {source}", () =>
                _client.GetObjectMetadataAsync(other._options.Bucket, other._prefix + source, cancellationToken), cancellationToken,
                IsMissing);
            if (head.ContentLength != size)
                return CopyOutcome.Changed;
            etag = head.ETag;
        }
        catch (AmazonServiceException)
        {
            return CopyOutcome.Absent;
        }

        // 2.
        var partSize = CopiedPartSize(size);
        var parts = new PartETag[(size + partSize - 1) / partSize];
        try
        {
            await Parallel.ForAsync(0, parts.Length, new ParallelOptions
            {
                MaxDegreeOfParallelism = PartsAtOnce,
                CancellationToken = cancellationToken
            }, async (i, stop) => parts[i] = await CopyPartAsync(i, stop));
        }
        catch (AmazonServiceException e)
        {
            return e.ErrorCode switch
            {
                "NoSuchKey" => CopyOutcome.Absent,
                "PreconditionFailed" or "InvalidRange" => CopyOutcome.Changed,
                // An earlier attempt, whose answer was lost, may have joined them.
                _ => await IsThereAsync() ? CopyOutcome.Done : CopyOutcome.Ended,
            };
        }

        // 3.
        return await JoinAsync(key, uploadId, [.. parts], cancellationToken) || await IsThereAsync() ? CopyOutcome.Done : CopyOutcome.Ended;

        // Nobody else writes this key: no URL for it was signed.
        async Task<bool> IsThereAsync() => await HeadAsync(key, cancellationToken) is { } info && info.Size == size;

        async Task<PartETag> CopyPartAsync(int index, CancellationToken stop)
        {
            var request = new CopyPartRequest
            {
                SourceBucket = other._options.Bucket,
                SourceKey = other._prefix + source,
                DestinationBucket = _options.Bucket,
                DestinationKey = _prefix + key,
                UploadId = uploadId,
                PartNumber = index + 1,
                ETagToMatch = [etag],
            };
            if (parts.Length > 1)
                (request.FirstByte, request.LastByte) = (index * partSize, Math.Min(size, (index + 1) * partSize) - 1);
            var what = $"copy of {source} to part {index + 1} of {key}";
            var answer = await _copies.RunAsync(StoreCall.Multipart, what, () => _client.CopyPartAsync(request, stop), stop,
                static _ => true);
            // A copy that fails after its answer has begun is a success without a result.
            return new PartETag(index + 1, answer.ETag ?? throw new ObjectStoreException(what, StoreAnswer.None));
        }
    }

    // A part is copied within the time that an answer may take.
    private static long CopiedPartSize(long size)
    {
        const long MiB = 1 << 20;
        return Math.Max(64 * MiB, ((size / MaxParts) + MiB - 1) / MiB * MiB);
    }
}
