using System.Collections.Concurrent;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Testing;

/// <summary>A bucket in memory for each cache; two processes with one of these meet the same buckets.</summary>
internal sealed class MemoryPlaces : ICachePlaces
{
    private readonly ConcurrentDictionary<CacheName, OpenedStore> _stores = new();

    /// <summary>Called before a cache is opened; it may throw.</summary>
    public Action<CacheDefinition> OnOpen { get; set; } = static _ => { };

    public VerifyPolicy Policy { get; set; } = VerifyPolicy.Off;

    /// <summary>How often caches were opened.</summary>
    public ConcurrentQueue<CacheName> Opened { get; } = new();

    public OpenedStore StoreOf(CacheName cache) => _stores.GetOrAdd(cache, static _ => new OpenedStore());

    public Task<CachePlace> OpenAsync(CacheDefinition cache, CancellationToken cancellationToken)
    {
        OnOpen(cache);
        Opened.Enqueue(cache.Name);
        return Task.FromResult(new CachePlace(StoreOf(cache.Name), [], CacheSettingsCheck.GcOf(cache.Settings, new GcOptions()),
            new VerifyOptions { Policy = CacheSettingsCheck.PolicyOf(cache.Settings, Policy), AtOnce = 2 }));
    }

    public (string? Bucket, string Prefix) PlaceOf(CacheName cache, CacheSettings settings) =>
        (settings.Bucket ?? "bucket", settings.Prefix ?? $"c/{cache}/");

    public IReadOnlyList<SecretKey> KeysOf(CacheSettings settings) => [];

    public CacheSettings OfDefault { get; } = new() { Private = true };

    public Uri UrlOf(CacheName cache, CacheSettings settings) => new($"http://cache.test/c/{cache}");

    /// <summary>A bucket that goes on when it was disposed of, and counts that.</summary>
    internal sealed class OpenedStore : MemoryObjectStore, IDisposable
    {
        private int _disposals;

        public int Disposals => Volatile.Read(ref _disposals);

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }
}
