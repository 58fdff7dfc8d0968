using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Deployments;
using OrleansCache.Core.Inspect;
using OrleansCache.Core.Promotions;
using OrleansCache.Core.Store;
using OrleansCache.Core.Subjects;
using OrleansCache.Core.Tokens;
using OrleansCache.Core.Verify;

namespace OrleansCache.Core;

/// <summary>
/// The write path in process: the contracts over one catalog and the stores of its caches, and the work that goes on behind them. No web
/// server is needed.
/// </summary>
public sealed partial class CacheCore : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly CoreOptions _options;
    private readonly CacheRegistry _caches;
    private readonly CacheKeeper _keeper;
    private readonly CacheStatistics _statistics;
    private readonly PromotionCatalog _promotions;
    private readonly Promoter _promoter;
    private readonly AgreementKeeper _agreements;
    private readonly PublisherPlaces _bodyPlaces = PublisherPlaces.ForBodies();
    private readonly PublisherPlaces _copyPlaces = PublisherPlaces.ForCopies();
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private Task _work = Task.CompletedTask;

    private CacheCore(CoreOptions options, CatalogDatabase database, ILoggerFactory loggers, TimeProvider time)
    {
        (_options, Database, _loggers, _time) = (options, database, loggers, time);
        var all = new CacheDirectory([]);
        var catalog = new CacheCatalog(database);
        var keys = new KeyCatalog(database);
        _caches = new CacheRegistry(catalog, all, OpenAsync, options.Places is not null, cache => options.Engine?.Serves(cache), time,
            loggers.CreateLogger<CacheRegistry>());
        _keeper = new CacheKeeper(_caches, catalog, keys, options.Pushes, options.AuditLife, time, loggers.CreateLogger<CacheKeeper>());
        var direct = new CoreServices(new RoutedPushes(_caches), new RoutedPins(_caches), new RoutedCollection(_caches),
            new RoutedNixCopy(_caches), new RoutedPaths(_caches), cache => _caches.Find(cache)?.Services?.Options.Gc, () => _caches.Names);
        (Pushes, Pins, Collection, NixCopy, Paths, _, _) = options.Engine?.Over(direct) ?? direct;
        Niks3Pushes = new RoutedNiks3Pushes(_caches);
        AtticPushes = new RoutedAtticPushes(_caches);
        Contents = new RoutedContents(_caches);
        Withdrawals = new RoutedWithdrawals(_caches);
        Fsck = new RoutedFsck(_caches);
        Upstreams = new RoutedUpstreams(_caches, all);
        Tokens = new CatalogTokens(all, database);
        Subjects = new CatalogSubjects(all, database);
        Audit = new CatalogAudit(all, database);
        Deployments = new CatalogDeployments(all, database);
        _promotions = new PromotionCatalog(database);
        var agreements = new AgreementCatalog(database);
        _promoter = new Promoter(_caches, _promotions, agreements, options.Pushes.MaxPaths);
        _agreements = new AgreementKeeper(_caches, agreements, _promoter, time, loggers.CreateLogger<AgreementKeeper>());
        Caches = new CacheAdmin(_caches, catalog, keys, options.Places);
        _statistics = new CacheStatistics(all, database, time);
    }

    /// <summary>Starts each counter of this assembly at 0. Call it once a listener is there.</summary>
    public static void BeginCountersAtZero() => Telemetry.BeginAtZero(StoreCall.Operations, StoreCall.Outcomes);

    public IPushes Pushes { get; }

    public INiks3Pushes Niks3Pushes { get; }

    public IAtticPushes AtticPushes { get; }

    public ICacheContents Contents { get; }

    public IPaths Paths { get; }

    public INixCopy NixCopy { get; }

    public IPins Pins { get; }

    public IGarbageCollection Collection { get; }

    public ITokens Tokens { get; }

    public ISubjects Subjects { get; }

    public IAudit Audit { get; }

    public IDeployments Deployments { get; }

    public IPromotions Promotions => _promoter;

    public IWithdrawals Withdrawals { get; }

    public IFsck Fsck { get; }

    public IUpstreams Upstreams { get; }

    public ICaches Caches { get; }

    /// <summary>The store of the default cache.</summary>
    public IObjectStore Store => _options.Store;

    public CatalogDatabase Database { get; }

    /// <summary>A cache as requests meet it; null: there is none.</summary>
    /// <exception cref="CacheProblemException">This server cannot serve it, or the database does not answer.</exception>
    public async ValueTask<ServedCache?> FindCacheAsync(CacheName cache, CancellationToken cancellationToken) =>
        (await _caches.FindAsync(cache, cancellationToken))?.ToServed();

    /// <summary>The same, as it was last seen.</summary>
    public ServedCache? FindCache(CacheName cache) => _caches.Find(cache)?.ToServed();

    /// <summary>The cache whose host this is; null: it is no cache's own.</summary>
    public CacheName? FindHost(string host) => _caches.HostOf(host);

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
    public async Task<string?> FindPushTroubleAsync(CancellationToken cancellationToken)
    {
        var trouble = await Database.FindWriteTroubleAsync(_time, _options.Pushes.FenceMargin, cancellationToken)
            ?? Store.FindWriteTrouble();
        foreach (var command in _caches.Default.Options.Keys.ActiveCommands)
            trouble ??= await command.FindTroubleAsync(cancellationToken);
        return trouble;
    }

    /// <summary>What is read of the default cache before it is relied on: <c>adopt</c>, <c>always</c> or <c>off</c>.</summary>
    public string VerifyPolicy => _caches.Default.VerifyPolicy;

    /// <summary><c>name:base64</c> of the default cache's keys.</summary>
    public IReadOnlyList<string> PublicKeys => _caches.Default.PublicKeys;

    /// <summary>Connects, migrates and starts the background work.</summary>
    public static async Task<CacheCore> StartAsync(CoreOptions options, ILoggerFactory loggers, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var logger = loggers.CreateLogger<CatalogDatabase>();
        var database = await CatalogDatabase.OpenAsync(options.ConnectionString, cancellationToken, tell: waits =>
            LogUpgradeWaits(logger, waits));
        CacheCore? core = null;
        try
        {
            foreach (var (cache, former) in await new VerificationCatalog(database).SetPolicyAsync(
                options.Verify.Policy, options.DistrustsLegacy, cancellationToken))
                LogPolicy(logger, options.Verify.Policy < former ? LogLevel.Warning : LogLevel.Information, cache,
                    OutcomeText.Of(options.Verify.Policy), OutcomeText.Of(former), options.DistrustsLegacy);
            core = new CacheCore(options, database, loggers, time);
            await core._caches.LookAsync(TimeSpan.Zero, cancellationToken);
            if (options.Housekeeping)
                core._work = Task.WhenAll(Task.Run(() => core._caches.RunAsync(core._stopping.Token), CancellationToken.None),
                    Task.Run(() => core._keeper.RunAsync(core._stopping.Token), CancellationToken.None),
                    Task.Run(() => core._agreements.RunAsync(core._stopping.Token), CancellationToken.None));
            return core;
        }
        catch
        {
            await (core?.DisposeAsync() ?? database.DisposeAsync());
            throw;
        }
    }

    /// <summary>Looks at the list of caches, now.</summary>
    public Task LookAtCachesAsync(CancellationToken cancellationToken) => _caches.LookAsync(TimeSpan.Zero, cancellationToken);

    /// <summary>One turn of the background work for every cache, now.</summary>
    public async Task RunHousekeepingAsync(CancellationToken cancellationToken)
    {
        foreach (var entry in _caches.Entries)
            await (entry.Services?.RunHousekeepingAsync(cancellationToken) ?? Task.CompletedTask);
        await _keeper.RunOnceAsync(cancellationToken);
    }

    /// <summary>Compares the stages of each cache, now, and promotes what they agree on.</summary>
    public Task RunAgreementAsync(CancellationToken cancellationToken) => _agreements.RunOnceAsync(TimeSpan.Zero, cancellationToken);

    /// <summary>Reads all that waits to be verified, now; returns how many objects that was.</summary>
    public async Task<int> RunVerificationAsync(CancellationToken cancellationToken)
    {
        var count = 0;
        foreach (var entry in _caches.Entries)
            count += entry.Services is { } services ? await services.RunVerificationAsync(cancellationToken) : 0;
        return count;
    }

    /// <summary>Brings the caches of a file to what it says.</summary>
    /// <returns>The caches that it does not have.</returns>
    public Task<IReadOnlyList<string>> DeclareAsync(IReadOnlyList<DeclaredCache> caches, CancellationToken cancellationToken) =>
        ((CacheAdmin)Caches).DeclareAsync(caches, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _work;
        await _caches.DisposeAsync();
        _statistics.Dispose();
        _promoter.Dispose();
        _bodyPlaces.Dispose();
        _copyPlaces.Dispose();
        await Database.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task<CacheServices> OpenAsync(CacheRow row, CancellationToken cancellationToken)
    {
        var options = new CacheOptions
        {
            Store = _options.Store,
            Keys = new CacheKeys(_options.SigningKeys, _options.SigningCommands, row.Keys),
            FileKeys = [.. _options.SigningKeys.Select(k => k.PublicKey), .. _options.SigningCommands.Select(c => c.PublicKey)],
            TrustedKeys = _options.TrustedKeys,
            Pushes = _options.Pushes,
            Gc = _options.Gc,
            Verify = _options.Verify,
            Upstreams = _options.Upstreams,
            AuditLife = _options.AuditLife,
            GroupCommit = _options.GroupCommit,
            News = _options.Engine?.News,
            BodyPlaces = _bodyPlaces,
            CopyPlaces = _copyPlaces,
            Parent = ParentNars.Of(row, _caches, _promotions, _options.Places),
            Housekeeping = _options.Housekeeping,
        };
        IObjectStore? own = null;
        try
        {
            if (row is { Settings: { } settings } && _options.Places is { } places)
            {
                var place = await places.OpenAsync(new CacheDefinition(row.Name, settings, row.Bucket, row.Prefix,
                    row.Deleting is not null), cancellationToken);
                var quotas = options.Pushes.Quotas with { OfCache = (settings.QuotaBytes ?? settings.QuotaPaths) is not null };
                own = place.Store;
                options = options with
                {
                    Store = place.Store,
                    OwnsStore = true,
                    Keys = new CacheKeys(place.Keys, [], row.Keys),
                    FileKeys = [.. place.Keys.Select(k => k.PublicKey)],
                    Pushes = options.Pushes with { Quotas = quotas },
                    Gc = place.Gc,
                    Verify = place.Verify,
                    Upstreams = CacheSettingsCheck.UpstreamsOf(settings, _options.Upstreams),
                };
            }

            return new CacheServices(row, options, Database, _loggers, _time);
        }
        catch
        {
            (own as IDisposable)?.Dispose();
            throw;
        }
    }

    [LoggerMessage(LogLevel.Warning, "{What}")]
    private static partial void LogUpgradeWaits(ILogger logger, string what);

    [LoggerMessage("cache {Cache}: --verify is {Policy} now, and was {Former}; --distrust-legacy is {DistrustsLegacy}. Each server sets " +
        "its own: start all with the same")]
    private static partial void LogPolicy(ILogger logger, LogLevel level, string cache, string policy, string former, bool distrustsLegacy);
}
