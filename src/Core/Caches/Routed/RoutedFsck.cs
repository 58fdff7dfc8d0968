using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Caches;

/// <summary>Checks of all caches.</summary>
internal sealed class RoutedFsck(CacheRegistry caches) : IFsck
{
    public IAsyncEnumerable<FsckFinding> CheckAsync(CacheName cache, FsckTally tally, CancellationToken cancellationToken)
    {
        _ = caches.Find(cache) ?? throw CacheDirectory.Unknown(cache);
        return RunAsync(cache, tally, cancellationToken);
    }

    private async IAsyncEnumerable<FsckFinding> RunAsync(CacheName cache, FsckTally tally,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(cache, cancellationToken);
        await foreach (var finding in use.Services.Fsck.CheckAsync(cache, tally, cancellationToken))
            yield return finding;
    }
}
