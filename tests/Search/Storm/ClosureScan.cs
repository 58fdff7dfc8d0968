using Amazon.S3;
using Amazon.S3.Model;
using OrleansCache.Cli.Http;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>
/// I1 for whatever is in the bucket, pinned or not: a narinfo that stands there, unchanged, before and after something that it needs was
/// found missing, is a lie.
/// </summary>
internal sealed class ClosureScan(AmazonS3Client store, string bucketName, StormCache cache, RetryPolicy retry, StormReport tally,
    Random random)
{
    private const int AtOnce = 20;
    private readonly BucketReader _bucket = cache.Reader;

    public async Task RunAsync(CancellationToken end, CancellationToken stopped)
    {
        try
        {
            while (!end.IsCancellationRequested)
            {
                var found = await ListAsync("", stopped);
                var narInfos = found.Keys.Where(key => key.EndsWith(".narinfo", StringComparison.Ordinal)).ToArray();
                random.Shuffle(narInfos);
                foreach (var key in narInfos.Take(AtOnce))
                    await CheckAsync(key, stopped);
                await Task.Delay(TimeSpan.FromMilliseconds(500), stopped);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e)
        {
            tally.Violation($"the scan of the bucket failed: {e}");
        }
    }

    private async Task CheckAsync(string key, CancellationToken cancellationToken)
    {
        // 1. When it was written, and what it needs.
        var before = await WrittenAsync(key, cancellationToken);
        if (before is null || await retry.RunAsync("reading a narinfo", c =>
            _bucket.NarInfoAsync(StorePathHash.Parse(key.AsSpan(0, StorePathHash.TextLength)), c), cancellationToken) is not { } info)
            return;
        // 2. Whether that is there.
        var hole = await retry.RunAsync("looking for a NAR", c => _bucket.FindWrongNarAsync(info, readNar: false, c), cancellationToken);
        foreach (var reference in info.References)
            hole ??= await retry.RunAsync("looking for a narinfo", c => _bucket.SizeAsync($"{reference.Hash}.narinfo", c),
                cancellationToken) is null
                ? $"its reference {reference.BaseName} is not there" : null;
        tally.Count("narinfos checked");
        // 3. Whether it is still the same; the bytes are always the same, the moment is not.
        if (hole is not null && await retry.RunAsync("reading a narinfo", c => _bucket.NarInfoAsync(info.StorePath.Hash, c),
            cancellationToken)
            is { } again && again == info && await WrittenAsync(key, cancellationToken) == before)
            tally.Violation($"I1: {key}, written {before:HH:mm:ss.fff}, is in the bucket of cache {cache.Name}: {hole}");
    }

    private async Task<DateTime?> WrittenAsync(string key, CancellationToken cancellationToken) => (await ListAsync(key, cancellationToken))
        .TryGetValue(key, out var written) ? written : null;

    private Task<Dictionary<string, DateTime?>> ListAsync(string prefix, CancellationToken cancellationToken) =>
        retry.RunAsync("listing the bucket", async c =>
    {
        var keys = new Dictionary<string, DateTime?>(StringComparer.Ordinal);
        await foreach (var item in store.Paginators.ListObjectsV2(new ListObjectsV2Request
        {
            BucketName = bucketName,
            Prefix = cache.Prefix + prefix
        }).S3Objects.WithCancellation(c))
        {
            if (cache.Has(item.Key))
                keys[item.Key[cache.Prefix.Length..]] = item.LastModified;
        }

        return keys;
    }, cancellationToken);
}
