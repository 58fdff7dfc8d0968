using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Adapters.Niks3;
using OrleansCache.Core.Adapters.NixCopy;
using OrleansCache.Core.Background;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Common;
using OrleansCache.Core.Inspect;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Core.Subjects;
using OrleansCache.Core.Upstreams;
using OrleansCache.Core.Verify;
using OrleansCache.Core.Withdraw;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>
/// The services of one process over the catalog, made anew for each request: what processes keep in memory must not matter.
/// </summary>
internal sealed class Gateway(int number, CatalogDatabase database, CacheDirectory caches, ModelStore store, ModelClock clock,
    IEngine? engine = null)
{
    public const int Cache = 1;
    private const long ScrubRate = 1 << 20;
    private static readonly SecretKey Secret = SecretKey.Generate("model-1");
    private static readonly PathSigner Signer = new([Secret], [], []);
    private readonly PushCatalog _pushCatalog = new(database);
    private CoreServices? _over;

    /// <summary>Signs every narinfo.</summary>
    public static PublicKey Key => Secret.PublicKey;

    // The life of a commit's lease is well above what a schedule lasts in real time, so that its heartbeat, which keeps to real time, is
    // never heard.
    public static PushOptions Options { get; } = new()
    {
        PublishParallelism = 1,
        MultipartsAtOnce = 1,
        CommitLease = TimeSpan.FromMinutes(5),
        LateUpload = ModelStore.LateUpload,
        SinglePutLimit = Bodies.Large,
        PartSize = Bodies.Large,
        DefaultRate = 160,
    };

    public int Number { get; } = number;

    public CatalogDatabase Database { get; } = database;

    public PushCatalog PushCatalog => _pushCatalog;

    private PublishCatalog PublishCatalog { get; } = new(database);

    public GcCatalog GcCatalog { get; } = new(database);

    private WithdrawalCatalog WithdrawalCatalog { get; } = new(database);

    private VerificationCatalog VerificationCatalog { get; } = new(database);

    // Requests wake it, and nothing more.
    private Verifier Verifier { get; } = NewVerifier(caches, database, store, withdrawals: null!, clock);

    public PinCatalog PinCatalog { get; } = new(database);

    public Publisher Publisher => new(PublishCatalog, store, Signer, Options, NullLogger.Instance, clock);

    private RefusedDeletions Refused { get; } = new(clock, NullLogger.Instance);

    public Deletions Deletions => new(Database, store, Options, GcPace.Full, NullLogger.Instance, Refused);

    public DirectWithdrawals Withdrawals => new(caches, WithdrawalCatalog, new Withdrawer(WithdrawalCatalog, Deletions), Refused, clock,
        NullLogger.Instance, CancellationToken.None);

    /// <summary>What has to be read before it is relied on.</summary>
    public VerifyPolicy Policy { get; init; }

    /// <summary>Of the cache.</summary>
    public ModelUpstream? Upstream { get; init; }

    private UpstreamPaths? Upstreams => Upstream?.Open(Database, clock);

    private PushOptions Reading => Options with { NotesReferences = Policy == VerifyPolicy.Always };

    public PinWriter PinWriter => Writer(CancellationToken.None);

    public IPins Pins => engine is null ? DirectPins : Over(engine).Pins;

    private DirectPins DirectPins => new(caches, PinCatalog, PinWriter, Upstreams);

    // Its bucket is never written: somebody else does that.
    private DirectPins RowsOfPins => new(caches, PinCatalog, Writer(new CancellationToken(canceled: true)));

    private PinWriter Writer(CancellationToken stopping) => new(PinCatalog, store, Options, NullLogger.Instance, stopping, clock);

    public IPushes Pushes => engine is null ? DirectPushes : Over(engine).Pushes;

    // No schedule promotes.
    private static PublisherPlaces Copies { get; } = PublisherPlaces.ForCopies();

    private DirectPushes DirectPushes => new(
        caches, _pushCatalog, new UploadGrants(caches, Database, store, Options), new UploadCheck(store, Reading),
        new UploadCopies(store, new UploadGrants(caches, Database, store, Options), Copies, Options, clock), Publisher, PinWriter,
        new UploadWaiters(_pushCatalog, Options, TimeProvider.System), Signer, Options,
        new VerificationWait(VerificationCatalog, Verifier, clock), CancellationToken.None, clock, engine?.News, upstreams: Upstreams);

    public INiks3Pushes Niks3Pushes => new Niks3Pushes(
        caches, new Niks3Catalog(Database), _pushCatalog, new CacheContents(caches, Database), store,
        new UploadGrants(caches, Database, store, Options), new UploadCheck(store, Reading), Signer, Publisher, Options,
        engine?.News);

    public GcRunner Collector(int batch) => new(GcCatalog, _pushCatalog, Deletions, Options, new GcOptions { Batch = batch },
        GcPace.Full, clock);

    public Task DiscardMultipartsAsync() => Housekeeper().DiscardMultipartsAsync(Cache, CancellationToken.None);

    /// <summary>From now on grains find its services.</summary>
    public void Join()
    {
        if (engine is not null)
            Over(engine);
    }

    /// <summary>The run that the operation started, or that is in its way. Null when that one has just ended.</summary>
    public async Task<GcRow?> StartRunAsync(GcRequest request, OperationId operation)
    {
        var direct = new ModelCollection(GcCatalog);
        if (engine is null)
            return await direct.StartRowAsync(request, operation);
        try
        {
            return await GcCatalog.FindAsync(Cache, (await Over(engine).Collection.StartAsync(CacheName.Default, request, operation,
                CancellationToken.None)).Id, CancellationToken.None);
        }
        catch (CacheProblemException e) when (e.Kind == ProblemKind.GcRunning)
        {
            return null;
        }
    }

    /// <summary>A request of stock Nix.</summary>
    public async Task<T> NixAsync<T>(Func<INixCopy, Task<T>> request)
    {
        await using var catalog = new NixCopyCatalog(Database, Options);
        using var places = PublisherPlaces.ForBodies();
        var receiver = new NarReceiver(store, catalog, places, Reading, NullLogger.Instance);
        return await request(new DirectNixCopy(caches, catalog, receiver, Publisher, Signer, clock, Refused, Verifier, Options,
            CancellationToken.None));
    }

    /// <summary>Reads all that is asked for now.</summary>
    public async Task VerifyAsync()
    {
        var catalog = WithdrawalCatalog;
        var withdrawer = new Withdrawer(catalog, Deletions);
        // What goes on with an eviction that has begun comes below, in this flow.
        var beginning = new DirectWithdrawals(caches, catalog, withdrawer, Refused, clock, NullLogger.Instance,
            new CancellationToken(canceled: true));
        await using (var verifier = NewVerifier(caches, Database, store, beginning, clock))
            await verifier.RunOnceAsync(Cache, CancellationToken.None);
        foreach (var eviction in await Database.ListAsync(
            "select id from eviction where finished is null and operation like 'verify:%' order by id", static _ => { },
            r => r.GetInt64(0), CancellationToken.None))
            await withdrawer.AdvanceAsync(Cache, eviction, CancellationToken.None);
    }

    public Task WatchUpstreamsAsync() => Upstreams?.WatchAsync(Cache, CancellationToken.None) ?? Task.CompletedTask;

    public Task ScrubAsync() => new Scrub(VerificationCatalog, ScrubRate).AskAsync(Cache, CancellationToken.None);

    private static Verifier NewVerifier(CacheDirectory caches, CatalogDatabase database, ModelStore store, DirectWithdrawals withdrawals,
        ModelClock clock) =>
        new(caches, new VerificationCatalog(database), store, withdrawals, new VerifyOptions(), clock, NullLogger.Instance);

    private CoreServices Over(IEngine over) =>
        _over ??= over.Over(new CoreServices(DirectPushes, new HostPins(RowsOfPins, DirectPins), new ModelCollection(GcCatalog),
            // Stock Nix writes beside the grains here, and nobody asks about single paths.
            NixCopy: null!, Paths: null!, _ => new GcOptions(), () => [CacheName.Default]));

    // Multipart uploads are all that is asked of it.
    private Housekeeper Housekeeper() => new(
        caches, Database, _pushCatalog, PublishCatalog, Publisher, Deletions, Withdrawals, null!, PinWriter, null!, null!,
        store,
        new CatalogSubjects(caches, Database), Options, TimeSpan.Zero, null, clock, NullLogger.Instance);
}
