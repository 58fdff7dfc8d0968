using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
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
using OrleansCache.Core.Tokens;
using OrleansCache.Core.Verify;
using OrleansCache.Core.Withdraw;
using OrleansCache.Nix;

namespace OrleansCache.Core;

/// <summary>Settings of a process that takes part in the write path.</summary>
public sealed record CoreOptions
{
    /// <summary>Npgsql connection string of the catalog.</summary>
    public required string ConnectionString { get; init; }

    public required IObjectStore Store { get; init; }

    /// <summary>Keys that every published path is signed with; none is allowed.</summary>
    public IReadOnlyList<SecretKey> SigningKeys { get; init; } = [];

    /// <summary>Keys whose signatures, when a client sends them, are verified before they are kept.</summary>
    public IReadOnlyList<PublicKey> TrustedKeys { get; init; } = [];

    public PushOptions Pushes { get; init; } = new();

    public GcOptions Gc { get; init; } = new();

    /// <summary>How long lines of the audit log are kept; null: for ever.</summary>
    public TimeSpan? AuditLife { get; init; } = TimeSpan.FromDays(400);

    /// <summary>Sends steps of several pushes that arrive together in one statement.</summary>
    public bool GroupCommit { get; init; }

    /// <summary>Null: the services alone.</summary>
    public IEngine? Engine { get; init; }

    /// <summary>
    /// No push may use paths and NARs from before there were publishers until a server has read them. All processes of a catalog must
    /// agree.
    /// </summary>
    public bool DistrustsLegacy { get; init; }

    public VerifyOptions Verify { get; init; } = new();

    /// <summary>False where another process does the background work.</summary>
    public bool Housekeeping { get; init; } = true;
}

/// <summary>
/// The write path in process: the contracts over one catalog and one store, and the work that goes on behind them. No web server is needed.
/// </summary>
public sealed partial class CacheCore : IAsyncDisposable
{
    // The housekeeper looks once an hour for multipart uploads that no row notes.
    private static readonly TimeSpan MultipartSlack = TimeSpan.FromHours(2);

    private readonly CancellationTokenSource _stopping;
    private readonly GarbageCollector _collector;
    private readonly Housekeeper _housekeeper;
    private readonly CacheDirectory _caches;
    private readonly GroupedPushCatalog? _groups;
    private readonly NixCopyCatalog _nixCatalog;
    private readonly NarReceiver _narReceiver;
    private readonly CacheStatistics _statistics;
    private readonly CatalogPaths _paths;
    private readonly Verifier _verifier;
    private readonly Task _housekeeping;
    private readonly TimeProvider _time;
    private readonly TimeSpan _fenceMargin;

    private CacheCore(CoreOptions options, CatalogDatabase database, CacheDirectory caches, ILoggerFactory loggers, TimeProvider time)
    {
        options = options with { Pushes = options.Pushes with { NotesReferences = options.Verify.Policy is Common.VerifyPolicy.Always } };
        _stopping = new CancellationTokenSource();
        _caches = caches;
        (_time, _fenceMargin) = (time, options.Pushes.FenceMargin);
        Database = database;
        Store = options.Store;
        _groups = options.GroupCommit ? new GroupedPushCatalog(database, options.Pushes) : null;
        var catalog = _groups ?? new PushCatalog(database);
        var signer = new PathSigner(options.SigningKeys, options.TrustedKeys);
        var publishCatalog = new PublishCatalog(database);
        var publisher = new Publisher(publishCatalog, options.Store, signer, options.Pushes, loggers.CreateLogger<Publisher>());
        var pinCatalog = new PinCatalog(database);
        var pinWriter = new PinWriter(pinCatalog, options.Store, options.Pushes, loggers.CreateLogger<PinWriter>(), _stopping.Token);
        var refused = new RefusedDeletions(time, loggers.CreateLogger<RefusedDeletions>());
        PublicKeys = signer.PublicKeys;
        VerifyPolicy = OutcomeText.Of(options.Verify.Policy);
        var grants = new UploadGrants(caches, database, options.Store, options.Pushes);
        var check = new UploadCheck(options.Store, options.Pushes);
        var pace = new GcPace(database);
        var deletions = new Deletions(database, options.Store, options.Pushes, pace, loggers.CreateLogger<Deletions>(), refused);
        var withdrawalCatalog = new WithdrawalCatalog(database);
        var withdrawals = new DirectWithdrawals(
            caches, withdrawalCatalog, new Withdrawer(withdrawalCatalog, deletions), refused, time,
            loggers.CreateLogger<DirectWithdrawals>(), _stopping.Token);
        Withdrawals = withdrawals;
        var verifications = new VerificationCatalog(database);
        _verifier = new Verifier(caches, verifications, options.Store, withdrawals, options.Verify, time,
            loggers.CreateLogger<Verifier>());
        var verified = new VerificationWait(verifications, _verifier, time);
        var pushes = new DirectPushes(
            caches, catalog, grants, check, publisher, pinWriter,
            new UploadWaiters(catalog, options.Pushes, time, options.Engine?.News), signer, options.Pushes, verified, _stopping.Token, time,
            options.Engine?.News, refused);
        Contents = new CacheContents(caches, database);
        Niks3Pushes = new Niks3Pushes(
            caches, new Niks3Catalog(database), catalog, Contents, options.Store, grants, check, signer, options.Pushes,
            options.Engine?.News);
        _nixCatalog = new NixCopyCatalog(database, options.Pushes);
        _narReceiver = new NarReceiver(options.Store, _nixCatalog, options.Pushes, loggers.CreateLogger<NarReceiver>());
        var nixCopy = new DirectNixCopy(caches, _nixCatalog, _narReceiver, publisher, signer, time, refused, _verifier, options.Pushes,
            _stopping.Token);
        Tokens = new CatalogTokens(caches, database);
        var subjects = new CatalogSubjects(caches, database);
        Subjects = subjects;
        Audit = new CatalogAudit(caches, database);
        _statistics = new CacheStatistics(caches, database, time);
        _paths = new CatalogPaths(caches, database);
        Fsck = new CatalogFsck(caches, new FsckCatalog(database), options.Store, options.Pushes.UrlLife + MultipartSlack, time);
        var gcCatalog = new GcCatalog(database);
        _collector = new GarbageCollector(
            caches, gcCatalog, new GcRunner(gcCatalog, catalog, deletions, options.Pushes, options.Gc, pace), options.Store, options.Gc,
            pace, time, loggers.CreateLogger<GarbageCollector>(), _stopping.Token);
        var direct = new CoreServices(pushes, new DirectPins(caches, pinCatalog, pinWriter), _collector, nixCopy, _paths, options.Gc,
            caches.Names);
        (Pushes, Pins, Collection, NixCopy, Paths, _, _) = options.Engine?.Over(direct) ?? direct;
        _housekeeper = new Housekeeper(
            caches, database, catalog, publishCatalog, publisher, deletions, withdrawals, _collector, pinWriter, options.Store,
            subjects, options.Pushes, options.Pushes.LapsedBefore(options.Gc.FailedUploadsOlderThan), options.AuditLife, time,
            loggers.CreateLogger<Housekeeper>());
        _housekeeping = options.Housekeeping
            ? Task.WhenAll(Task.Run(() => _housekeeper.RunAsync(_stopping.Token)), Task.Run(() => _verifier.RunAsync(_stopping.Token)))
            : Task.CompletedTask;
    }

    /// <summary>Starts each counter of this assembly at 0. Call it once a listener is there.</summary>
    public static void BeginCountersAtZero() => Telemetry.BeginAtZero(StoreCall.Operations, StoreCall.Outcomes);

    public IPushes Pushes { get; }

    public INiks3Pushes Niks3Pushes { get; }

    public ICacheContents Contents { get; }

    public IPaths Paths { get; }

    public INixCopy NixCopy { get; }

    public IPins Pins { get; }

    public IGarbageCollection Collection { get; }

    public ITokens Tokens { get; }

    public ISubjects Subjects { get; }

    public IAudit Audit { get; }

    public IWithdrawals Withdrawals { get; }

    public IFsck Fsck { get; }

    public IObjectStore Store { get; }

    public CatalogDatabase Database { get; }

    /// <summary>The size of a cache's contents, at most a minute old.</summary>
    /// <exception cref="CacheProblemException">No such cache, or the database does not answer.</exception>
    public Task<CacheNumbers> NumbersAsync(CacheName cache, CancellationToken cancellationToken) =>
        _statistics.ReadAsync(cache, cancellationToken);

    /// <summary>
    /// Doubts whether an acknowledged push survives the loss of the database's primary, and settings that hurt: one sentence each, empty
    /// when all is well.
    /// </summary>
    /// <exception cref="CacheProblemException">The database does not answer.</exception>
    public async Task<IReadOnlyList<string>> FindDoubtsAsync(CancellationToken cancellationToken) =>
        [.. await Durability.FindDoubtsAsync(Database, cancellationToken),
            .. await DatabaseSettings.FindDoubtsAsync(Database, cancellationToken)];

    /// <summary>The reason why a push would fail now although the database answers, in a sentence; null when there is none.</summary>
    /// <exception cref="CacheProblemException">The database does not answer.</exception>
    public async Task<string?> FindPushTroubleAsync(CancellationToken cancellationToken) =>
        await Database.FindWriteTroubleAsync(_time, _fenceMargin, cancellationToken) ?? Store.FindWriteTrouble();

    /// <summary>What is read in the store before it is relied on: <c>adopt</c>, <c>always</c> or <c>off</c>.</summary>
    public string VerifyPolicy { get; }

    /// <summary><c>name:base64</c> of the signing keys.</summary>
    public IReadOnlyList<string> PublicKeys { get; }

    /// <summary>Connects, migrates and starts the background work.</summary>
    public static async Task<CacheCore> StartAsync(CoreOptions options, ILoggerFactory loggers, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var logger = loggers.CreateLogger<CatalogDatabase>();
        var database = await CatalogDatabase.OpenAsync(options.ConnectionString, cancellationToken, tell: waits =>
            LogUpgradeWaits(logger, waits));
        try
        {
            foreach (var (cache, former) in await new VerificationCatalog(database).SetPolicyAsync(
                options.Verify.Policy, options.DistrustsLegacy, cancellationToken))
                LogPolicy(logger, options.Verify.Policy < former ? LogLevel.Warning : LogLevel.Information, cache,
                    OutcomeText.Of(options.Verify.Policy), OutcomeText.Of(former), options.DistrustsLegacy);
            return new CacheCore(options, database, await CacheDirectory.LoadAsync(database, cancellationToken), loggers, time);
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>One turn of the background work for every cache, now.</summary>
    public async Task RunHousekeepingAsync(CancellationToken cancellationToken)
    {
        foreach (var cache in _caches.All)
            await _housekeeper.RunOnceAsync(cache, cancellationToken);
    }

    /// <summary>Reads all that waits to be verified, now; returns how many objects that was.</summary>
    public async Task<int> RunVerificationAsync(CancellationToken cancellationToken)
    {
        var count = 0;
        foreach (var cache in _caches.All)
            count += await _verifier.RunOnceAsync(cache, cancellationToken);
        return count;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _housekeeping;
        await _collector.DisposeAsync();
        if (_groups is not null)
            await _groups.DisposeAsync();
        await _nixCatalog.DisposeAsync();
        await _verifier.DisposeAsync();
        _narReceiver.Dispose();
        _statistics.Dispose();
        _paths.Dispose();
        await Database.DisposeAsync();
        _stopping.Dispose();
    }

    [LoggerMessage(LogLevel.Warning, "{What}")]
    private static partial void LogUpgradeWaits(ILogger logger, string what);

    [LoggerMessage("cache {Cache}: --verify is {Policy} now, and was {Former}; --distrust-legacy is {DistrustsLegacy}. Each server sets " +
        "its own: start all with the same")]
    private static partial void LogPolicy(ILogger logger, LogLevel level, string cache, string policy, string former, bool distrustsLegacy);
}
