using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Hosting;

/// <summary>Puts the store and the core together from the settings. A configuration that cannot work ends in one sentence.</summary>
internal static partial class ServerComposition
{
    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(20);

    public static IObjectStore Store(ServerSettings settings, DataDirectory? data, Uri publicUrl)
    {
        if (settings.S3 is not { } s3)
            return new DirectoryObjectStore(new DirectoryOptions
            {
                Root = data!.StoreFolder,
                PublicUrl = publicUrl,
                UrlSecret = data.UrlSecret(),
                Scope = "default"
            });
        try
        {
            return new S3ObjectStore(new S3Options
            {
                Bucket = s3.Bucket,
                Endpoint = s3.Endpoint,
                UploadEndpoint = s3.UploadEndpoint,
                Region = s3.Region,
                Prefix = s3.Prefix,
                PathStyle = s3.PathStyle,
                AccessKey = s3.AccessKey,
                SecretKey = s3.SecretKey,
                UploadAccessKey = s3.UploadAccessKey,
                UploadSecretKey = s3.UploadSecretKey,
                ReadAccessKey = s3.ReadAccessKey,
                ReadSecretKey = s3.ReadSecretKey,
            });
        }
        catch (ObjectStoreException e)
        {
            throw Unusable(e);
        }
    }

    public static async Task<CacheCore> CoreAsync(
        string connectionString, IObjectStore store, ICachePlaces places, IReadOnlyList<SecretKey> keys,
        IReadOnlyList<SigningCommand> commands, IEngine? engine, ServerSettings settings, ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        var options = new CoreOptions
        {
            ConnectionString = connectionString,
            Store = store,
            Places = places,
            SigningKeys = keys,
            SigningCommands = commands,
            TrustedKeys = settings.TrustedKeys,
            Gc = settings.Gc,
            AuditLife = settings.AuditLife,
            Pushes = new PushOptions
            {
                MaxPaths = settings.Limits.Paths,
                MaxReferences = settings.Limits.References,
                Quotas = settings.Quotas,
            },
            Engine = engine,
            GroupCommit = true,
            DistrustsLegacy = settings.DistrustsLegacy,
            Verify = settings.Verify,
            Upstreams = settings.Upstreams,
        };
        return await WithDatabaseAsync(connectionString, () =>
            CacheCore.StartAsync(options, loggers, TimeProvider.System, cancellationToken));
    }

    /// <summary>Runs the first use of the database. When the database cannot be used, one sentence says why.</summary>
    public static async Task<T> WithDatabaseAsync<T>(string connectionString, Func<Task<T>> first)
    {
        try
        {
            return await first();
        }
        catch (CatalogVersionException e)
        {
            throw new StartupException(e.Message, e);
        }
        catch (ArgumentException e)
        {
            throw new StartupException(
                $"--postgres is not a connection string such as {PostgresAddress.Forms}: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException or CacheProblemException)
        {
            throw PostgresTrouble.Tell(connectionString, e);
        }
    }

    /// <summary>
    /// Writes <c>nix-cache-info</c> for readers of the bucket. It is the first call of the store, so it also shows whether the store can be
    /// used.
    /// </summary>
    public static async Task WriteCacheInfoAsync(IObjectStore store, GatewayParts parts, CancellationToken cancellationToken)
    {
        var key = ObjectKey.NixCacheInfo;
        var text = CacheInfos.NixCacheInfo(parts.Priority);
        try
        {
            if (await StoredObject.IsAsync(store, key, text, cancellationToken) == true)
                return;
            if (await store.PutAsync(key, text, KeyHeaders.For(key), parts.Time.GetUtcNow() + Fence,
                cancellationToken) != FencedOutcome.Done)
                throw new StartupException(
                    "The object store does not take writes: nix-cache-info could not be written. Are the clocks of this machine and the store right?");
            await store.SyncAsync([key], cancellationToken);
        }
        catch (Exception e) when (e is ObjectStoreException or IOException or UnauthorizedAccessException)
        {
            throw Unusable(e);
        }
    }

    /// <summary>Brings the caches of the file to what it says; the others are left alone, and named.</summary>
    /// <exception cref="StartupException">One cannot be so.</exception>
    public static async Task DeclareAsync(CacheCore core, string file, IReadOnlyList<DeclaredCache> caches, ILogger logger,
        CancellationToken cancellationToken)
    {
        try
        {
            var others = await core.DeclareAsync(caches, cancellationToken);
            if (others.Count > 0)
                LogOthers(logger, file, string.Join(", ", others));
        }
        catch (CacheProblemException e)
        {
            throw new StartupException($"The file {file} of --caches cannot be followed: {e.Message}", e);
        }
    }

    [LoggerMessage(LogLevel.Information, "{File} does not have these caches, which stay as they are: {Caches}")]
    private static partial void LogOthers(ILogger logger, string file, string caches);

    private static StartupException Unusable(Exception e) => new($"The object store cannot be used: {e.Message}", e);
}
