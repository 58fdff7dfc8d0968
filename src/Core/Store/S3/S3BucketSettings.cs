using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Settings of the bucket that a store tells without a write. A setting that it does not know, or does not tell this key, counts as off;
/// the answers to requests then show it.
/// </summary>
internal sealed class S3BucketSettings(AmazonS3Client client, string bucket)
{
    /// <summary>A default retention keeps whatever is written.</summary>
    public Task<bool> HasRetentionAsync(CancellationToken cancellationToken) => AskAsync(async () =>
        (await client.GetObjectLockConfigurationAsync(new GetObjectLockConfigurationRequest { BucketName = bucket },
            cancellationToken)).ObjectLockConfiguration?.Rule?.DefaultRetention is not null, cancellationToken);

    public Task<bool> HasVersionsAsync(CancellationToken cancellationToken) => AskAsync(async () =>
        (await client.GetBucketVersioningAsync(new GetBucketVersioningRequest { BucketName = bucket },
            cancellationToken)).VersioningConfig?.Status == VersionStatus.Enabled, cancellationToken);

    private static async Task<bool> AskAsync(Func<Task<bool>> ask, CancellationToken cancellationToken)
    {
        try
        {
            return await ask();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested
            && e is AmazonServiceException or AmazonClientException or HttpRequestException or ObjectStoreException
                or OperationCanceledException)
        {
            return false;
        }
    }
}
