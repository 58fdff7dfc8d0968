using Amazon.S3;

namespace OrleansCache.Storm;

/// <summary>
/// Does to the bucket what the product must never do: takes the NARs of pinned paths away. For a look at whether the storm can fail.
/// </summary>
internal static class Sabotage
{
    public static async Task RunAsync(TimeSpan after, StormCache cache, AmazonS3Client store, string bucketName,
        StormReport tally, CancellationToken end)
    {
        try
        {
            await Task.Delay(after, end);
            foreach (var pin in (await cache.Api.PinsAsync(end)).Pins)
            {
                if (await cache.Reader.NarInfoAsync(pin.Path.Hash, end) is not { } info)
                    continue;
                await store.DeleteObjectAsync(bucketName, info.Url, end);
                tally.Event($"SABOTAGE: {info.Url} of pin {pin.Name} is deleted");
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // It was noticed, or the storm is over.
        }
    }
}
