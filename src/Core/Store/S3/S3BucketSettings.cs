using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Settings of the bucket that a store tells of without a write. What it does not know or does not tell this key counts as off: then what
/// requests are answered tells.
/// </summary>
internal sealed class S3BucketSettings(AmazonS3Client client, string bucket)
{
    /// <summary>A default retention keeps whatever is written.</summary>
    public Task<bool> HasRetentionAsync(CancellationToken cancel) => AskAsync(async () =>
        (await client.GetObjectLockConfigurationAsync(new GetObjectLockConfigurationRequest { BucketName = bucket },
            cancel)).ObjectLockConfiguration?.Rule?.DefaultRetention is not null, cancel);

    public Task<bool> HasVersionsAsync(CancellationToken cancel) => AskAsync(async () =>
        (await client.GetBucketVersioningAsync(new GetBucketVersioningRequest { BucketName = bucket },
            cancel)).VersioningConfig?.Status == VersionStatus.Enabled, cancel);

    private static async Task<bool> AskAsync(Func<Task<bool>> ask, CancellationToken cancel)
    {
        try
        {
            return await ask();
        }
        catch (Exception e) when (e
            is AmazonServiceException or AmazonClientException or HttpRequestException or ObjectStoreException or OperationCanceledException && !cancel.IsCancellationRequested)
        {
            return false;
        }
    }
}
