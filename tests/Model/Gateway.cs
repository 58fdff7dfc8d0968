using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Gc;
using OrleansCache.Core.NixWriter;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>The services of one process over the catalog, made anew for each request: what processes keep in memory must not matter.</summary>
internal sealed class Gateway(int number, CatalogDatabase database, CacheDirectory caches, ModelStore store, ModelClock clock)
{
    public const int Cache = 1;
    private static readonly SecretKey Secret = SecretKey.Generate("model-1");
    private static readonly PathSigner Signer = new([Secret], []);
    private readonly PushCatalog _pushCatalog = new(database);

    /// <summary>Signs every narinfo.</summary>
    public static PublicKey Key => Secret.PublicKey;

    // The life of a commit's lease is well above what a schedule lasts in real time, so that its heartbeat, which keeps to real time, is never heard.
    public static PushOptions Options { get; } = new()
    {
        PublishParallelism = 1,
        MultipartsAtOnce = 1,
        CommitLease = TimeSpan.FromMinutes(5),
        LateUpload = ModelStore.LateUpload,
        SinglePutLimit = Bodies.Large,
        PartSize = Bodies.Large,
        DefaultRate = 10,
    };

    public int Number { get; } = number;

    public CatalogDatabase Database { get; } = database;

    public PushCatalog PushCatalog => _pushCatalog;

    public GcCatalog GcCatalog { get; } = new(database);

    public PinCatalog PinCatalog { get; } = new(database);

    public Publisher Publisher => new(Database, _pushCatalog, store, Options, NullLogger.Instance, clock);

    public Deletions Deletions => new(Database, store, Options, GcPace.Full, NullLogger.Instance);

    public PinWriter PinWriter => new(PinCatalog, store, Options, NullLogger.Instance, CancellationToken.None, clock);

    public IPins Pins => new DirectPins(caches, PinCatalog, PinWriter);

    public IPushes Pushes => new DirectPushes(
        caches, _pushCatalog, new UploadGrants(Database, store, Options), new UploadCheck(store, Options), Publisher, PinWriter,
        new WaitHub(_pushCatalog, Options, TimeProvider.System), Signer, Options, CancellationToken.None, clock);

    public IDeferredPushes DeferredPushes => new DeferredPushes(
        caches, new DeferredCatalog(Database), _pushCatalog, new CacheContents(caches, Database), store, new UploadGrants(Database, store, Options), new UploadCheck(store, Options), Signer, Options, null);

    public GcRunner Collector(int batch) => new(GcCatalog, _pushCatalog, Deletions, Options, new GcOptions { Batch = batch }, GcPace.Full, clock);

    public Task DiscardMultipartsAsync() => Housekeeper().DiscardMultipartsAsync(Cache, CancellationToken.None);

    /// <summary>A request of stock Nix.</summary>
    public async Task<T> NixAsync<T>(Func<INixWriter, Task<T>> request)
    {
        await using var catalog = new NixWriterCatalog(Database, Options);
        using var receiver = new NarReceiver(store, catalog, Options, NullLogger.Instance);
        return await request(new DirectNixWriter(caches, catalog, _pushCatalog, receiver, Publisher, Signer, clock, CancellationToken.None));
    }

    private Housekeeper Housekeeper() => new(
        caches, Database, _pushCatalog, Publisher, Deletions, null!, PinWriter, store, Options, TimeSpan.Zero, clock, NullLogger.Instance);
}
