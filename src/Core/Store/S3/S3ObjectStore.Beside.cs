namespace OrleansCache.Core.Store.S3;

/// <summary>Other places at the same server.</summary>
public sealed partial class S3ObjectStore
{
    // Below a cache's prefix these keys are other caches', of which there may be millions. No key of its own begins so; '0' is next to '/'.
    private const string Others = "c/";
    private const string AfterOthers = "c0";

    private readonly List<WeakReference<S3ObjectStore>> _beside = [];
    private StoreTraits? _traits;

    /// <summary>
    /// Another place at the same server, with the same credentials and one limit of requests for both. In the same bucket it follows what
    /// is found out of it here; another bucket is tried once.
    /// </summary>
    /// <exception cref="ObjectStoreException">That bucket refuses what a cache needs.</exception>
    public async Task<S3ObjectStore> OpenBesideAsync(string bucket, string prefix, CancellationToken cancellationToken)
    {
        var beside = new S3ObjectStore(_given with { Bucket = bucket, Prefix = prefix }, _clock, _limit, _copyLimit);
        try
        {
            if (bucket == _given.Bucket)
                Follow(beside);
            else
                beside.Adapt(await beside.ProbeAsync(cancellationToken));
            return beside;
        }
        catch
        {
            beside.Dispose();
            throw;
        }
    }

    private bool IsOfOthers(string key) => key.AsSpan(_prefix.Length).StartsWith(Others, StringComparison.Ordinal);

    private void Follow(S3ObjectStore beside)
    {
        lock (_beside)
            _beside.Add(new WeakReference<S3ObjectStore>(beside));
        if (_traits is { } traits)
            beside.Adapt(traits);
    }

    private List<S3ObjectStore> Beside()
    {
        lock (_beside)
        {
            _beside.RemoveAll(b => !b.TryGetTarget(out _));
            return [.. _beside.Select(b => b.TryGetTarget(out var store) ? store : null).OfType<S3ObjectStore>()];
        }
    }
}
