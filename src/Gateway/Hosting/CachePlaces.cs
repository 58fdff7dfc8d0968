using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Where caches beside the default one lie: in a folder of the data directory, or in a bucket at the endpoint, and with the credentials, of
/// the default cache's.
/// </summary>
internal sealed class CachePlaces(ServerSettings settings, DataDirectory? data, IObjectStore main, Uri publicUrl) : ICachePlaces
{
    // They read few NARs at once, as there may be many such caches.
    private const int ReadAtOnce = 2;
    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(20);

    public VerifyPolicy Policy => settings.Verify.Policy;

    public CacheSettings OfDefault { get; } = new()
    {
        Bucket = settings.S3?.Bucket,
        Prefix = settings.S3 is { Prefix.Length: > 0 } s3 ? s3.Prefix : null,
        Private = settings.IsPrivate,
        Priority = settings.Priority,
        GcSchedule = settings.Gc.Schedule,
        Verify = settings.Verify.Policy.ToString().ToLowerInvariant(),
        Upstreams = settings.Upstreams.Upstreams.Count == 0 ? null : [.. settings.Upstreams.Upstreams.Select(u => u.ToString())],
        UpstreamPins = settings.Upstreams.AllowsPins ? true : null,
    };

    public Uri UrlOf(CacheName cache, CacheSettings own) => cache == CacheName.Default ? publicUrl
        : CacheView.UrlOf(publicUrl, cache, own);

    public (string? Bucket, string Prefix) PlaceOf(CacheName cache, CacheSettings own)
    {
        if (settings.S3 is not { } s3)
            return own.Bucket is null && own.Prefix is null ? (null, "")
                : throw Bad("bucket and prefix are places in an S3 store, and this server keeps its objects in a directory: leave them " +
                    "out");
        var root = s3.Prefix.Length == 0 || s3.Prefix.EndsWith('/') ? s3.Prefix : s3.Prefix + "/";
        var bucket = own.Bucket ?? s3.Bucket;
        var given = own.Prefix ?? (own.Bucket is null ? $"{root}c/{cache}/" : "");
        if (given.StartsWith('/') || given.Contains("//", StringComparison.Ordinal) || given.Any(c => c is < '!' or > '~'))
            throw Bad($"prefix is '{given}': keys begin with a name, not with a slash, and have no spaces");
        var prefix = given.Length == 0 || given.EndsWith('/') ? given : given + "/";
        if (bucket == s3.Bucket && (root.StartsWith(prefix, StringComparison.Ordinal)
            || (prefix.StartsWith(root, StringComparison.Ordinal) && !(prefix[root.Length..] is ['c', '/', _, ..]))))
            throw Bad($"prefix is '{prefix}', where the default cache has its objects: below its prefix only '{root}c/NAME/' is free");
        return (bucket, prefix);
    }

    public IReadOnlyList<SecretKey> KeysOf(CacheSettings own) => [.. (own.Keys ?? []).Select(ReadKey)];

    public async Task<CachePlace> OpenAsync(CacheDefinition cache, CancellationToken cancellationToken)
    {
        // A deletion signs nothing, and its key files may be gone.
        var keys = cache.IsDeleting ? [] : KeysOf(cache.Settings);
        var store = await StoreAsync(cache, cancellationToken);
        try
        {
            if (!cache.IsDeleting)
                await WriteInfoAsync(store, cache.Settings.Priority ?? settings.Priority, cancellationToken);
            return new CachePlace(store, keys, CacheSettingsCheck.GcOf(cache.Settings, settings.Gc), settings.Verify with
            {
                Policy = CacheSettingsCheck.PolicyOf(cache.Settings, settings.Verify.Policy),
                AtOnce = ReadAtOnce,
            });
        }
        catch
        {
            (store as IDisposable)?.Dispose();
            throw;
        }
    }

    private async Task<IObjectStore> StoreAsync(CacheDefinition cache, CancellationToken cancellationToken)
    {
        if (main is S3ObjectStore s3)
            return cache.Bucket is { } bucket ? await s3.OpenBesideAsync(bucket, cache.Prefix, cancellationToken)
                : throw Bad("its objects lie in the directory of another server");
        if (cache.Bucket is not null || data is null)
            throw Bad("its objects lie in a bucket, and this server has a directory");
        return new DirectoryObjectStore(new DirectoryOptions
        {
            Root = data.StoreFolderOf(cache.Name),
            PublicUrl = new Uri($"{publicUrl.AbsoluteUri.TrimEnd('/')}/c/{cache.Name}"),
            UrlSecret = data.UrlSecret(),
            Scope = $"cache {cache.Name}",
        });
    }

    private static async Task WriteInfoAsync(IObjectStore store, int priority, CancellationToken cancellationToken)
    {
        var (key, text) = (ObjectKey.NixCacheInfo, CacheInfos.NixCacheInfo(priority));
        if (await StoredObject.IsAsync(store, key, text, cancellationToken) == true)
            return;
        if (await store.PutAsync(key, text, KeyHeaders.For(key), DateTimeOffset.UtcNow + Fence, cancellationToken) == FencedOutcome.Done)
            await store.SyncAsync([key], cancellationToken);
    }

    private static SecretKey ReadKey(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Bad($"the file {path} of its keys cannot be read: {e.Message.TrimEnd('.')}", e);
        }

        return SecretKey.TryParse(text, out var key, out var error) ? key : throw Bad($"the file {path} holds no signing key: {error}");
    }

    private static CacheProblemException Bad(string why, Exception? inner = null) =>
        new(ProblemKind.BadRequest, $"{char.ToUpperInvariant(why[0])}{why[1..]}.", inner: inner);
}
