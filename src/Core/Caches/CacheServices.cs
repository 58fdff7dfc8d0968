using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Adapters.Attic;
using OrleansCache.Core.Adapters.Niks3;
using OrleansCache.Core.Adapters.NixCopy;
using OrleansCache.Core.Background;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Inspect;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Core.Subjects;
using OrleansCache.Core.Upstreams;
using OrleansCache.Core.Verify;
using OrleansCache.Core.Withdraw;

namespace OrleansCache.Core.Caches;

/// <summary>
/// The services of one cache over the catalog that all share: its store, its keys, its options, and the work that goes on behind them.
/// </summary>
internal sealed class CacheServices : IAsyncDisposable
{
    // The housekeeper looks once an hour for multipart uploads that no row notes.
    private static readonly TimeSpan MultipartSlack = TimeSpan.FromHours(2);

    private readonly CancellationTokenSource _stopping = new();
    private readonly CacheRow _row;
    private readonly CacheDirectory _self;
    private readonly GarbageCollector _collector;
    private readonly Housekeeper _housekeeper;
    private readonly Publisher _publisher;
    private readonly GroupedPushCatalog? _groups;
    private readonly NixCopyCatalog _nixCatalog;
    private readonly WaitingPublisher _waiting;
    private readonly CatalogPaths _paths;
    private readonly Verifier _verifier;
    private readonly HashSet<string> _keyNames;
    private readonly Task _work;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _calls;
    private volatile bool _isClosed;
    private long _used;

    public CacheServices(CacheRow row, CacheOptions options, CatalogDatabase database, ILoggerFactory loggers, TimeProvider time)
    {
        var notes = options.Verify.Policy is Common.VerifyPolicy.Always;
        options = options with { Pushes = options.Pushes with { NotesReferences = notes } };
        (_row, _time, Options) = (row, time, options);
        _self = new CacheDirectory([(row.Id, row.Name.ToString(), row.Secret)]);
        _groups = options.GroupCommit ? new GroupedPushCatalog(database, options.Pushes) : null;
        var catalog = _groups ?? new PushCatalog(database);
        var signer = new PathSigner(options.Keys.Active, options.Keys.ActiveCommands, [.. options.TrustedKeys, .. options.Keys.Verifying]);
        var publishCatalog = new PublishCatalog(database);
        var publisher = new Publisher(publishCatalog, options.Store, signer, options.Pushes, loggers.CreateLogger<Publisher>());
        _publisher = publisher;
        var pinCatalog = new PinCatalog(database);
        var pinWriter = new PinWriter(pinCatalog, options.Store, options.Pushes, loggers.CreateLogger<PinWriter>(), _stopping.Token);
        var refused = new RefusedDeletions(time, loggers.CreateLogger<RefusedDeletions>());
        PublicKeys = [.. signer.PublicKeys, .. options.Keys.Verifying.Select(k => k.ToString())];
        VerifyPolicy = OutcomeText.Of(options.Verify.Policy);
        _keyNames = [.. row.Keys.Select(k => k.Name), .. options.FileKeys.Select(k => k.Name)];
        var grants = new UploadGrants(_self, database, options.Store, options.Pushes);
        var check = new UploadCheck(options.Store, options.Pushes);
        var pace = new GcPace(database);
        var deletions = new Deletions(database, options.Store, options.Pushes, pace, loggers.CreateLogger<Deletions>(), refused);
        var withdrawalCatalog = new WithdrawalCatalog(database);
        var withdrawals = new DirectWithdrawals(
            _self, withdrawalCatalog, new Withdrawer(withdrawalCatalog, deletions), refused, time,
            loggers.CreateLogger<DirectWithdrawals>(), _stopping.Token);
        Withdrawals = withdrawals;
        var verifications = new VerificationCatalog(database);
        _verifier = new Verifier(_self, verifications, options.Store, withdrawals, options.Verify, time, loggers.CreateLogger<Verifier>());
        var copies = new UploadCopies(options.Store, grants, options.CopyPlaces, options.Pushes, time);
        Upstreams = new UpstreamPaths(new UpstreamCatalog(database), new UpstreamReader(options.Upstreams, time,
            loggers.CreateLogger<UpstreamReader>()), options.Upstreams, time, loggers.CreateLogger<UpstreamPaths>());
        var upstreams = options.Upstreams.Upstreams.Count > 0 ? Upstreams : null;
        Pushes = new DirectPushes(
            _self, catalog, grants, check, copies, publisher, pinWriter, new UploadWaiters(catalog, options.Pushes, time, options.News),
            signer, options.Pushes, new VerificationWait(verifications, _verifier, time), _stopping.Token, time, options.News, refused,
            options.Parent, upstreams);
        Pins = new DirectPins(_self, pinCatalog, pinWriter, Upstreams);
        Contents = new CacheContents(_self, database);
        Niks3Pushes = new Niks3Pushes(
            _self, new Niks3Catalog(database), catalog, Contents, options.Store, grants, check, signer, publisher, options.Pushes,
            options.News);
        _nixCatalog = new NixCopyCatalog(database, options.Pushes);
        var narReceiver = new NarReceiver(options.Store, _nixCatalog, options.BodyPlaces, options.Pushes,
            loggers.CreateLogger<NarReceiver>());
        var nixCopy = new DirectNixCopy(_self, _nixCatalog, narReceiver, publisher, signer, time, refused, _verifier, options.Pushes,
            _stopping.Token);
        NixCopy = nixCopy;
        var atticCatalog = new AtticCatalog(database, options.Pushes);
        _waiting = new WaitingPublisher(atticCatalog, nixCopy, time, loggers.CreateLogger<WaitingPublisher>(), _stopping.Token);
        AtticPushes = new DirectAtticPushes(_self, atticCatalog, _nixCatalog, new AtticReceiver(options.Store, _nixCatalog, atticCatalog,
            options.BodyPlaces, options.Pushes, loggers.CreateLogger<AtticReceiver>()), _waiting, options.Pushes);
        _paths = new CatalogPaths(_self, database);
        Fsck = new CatalogFsck(_self, new FsckCatalog(database), options.Store, options.Pushes.UrlLife + MultipartSlack, time);
        var gcCatalog = new GcCatalog(database);
        _collector = new GarbageCollector(
            _self, gcCatalog, new GcRunner(gcCatalog, catalog, deletions, options.Pushes, options.Gc, pace), options.Store, options.Gc,
            pace, time, loggers.CreateLogger<GarbageCollector>(), _stopping.Token);
        _housekeeper = new Housekeeper(
            _self, database, catalog, publishCatalog, publisher, deletions, withdrawals, _collector, pinWriter, _waiting, Upstreams,
            options.Store,
            new CatalogSubjects(_self, database), options.Pushes, options.Pushes.LapsedBefore(options.Gc.FailedUploadsOlderThan),
            options.AuditLife, time, loggers.CreateLogger<Housekeeper>());
        _work = options.Housekeeping
            ? Task.WhenAll(Task.Run(() => _housekeeper.RunAsync(_stopping.Token)), Task.Run(() => _verifier.RunAsync(_stopping.Token)))
            : Task.CompletedTask;
    }

    public CacheOptions Options { get; }

    public DirectPushes Pushes { get; }

    public INiks3Pushes Niks3Pushes { get; }

    public ICacheContents Contents { get; }

    public IPaths Paths => _paths;

    public INixCopy NixCopy { get; }

    public IAtticPushes AtticPushes { get; }

    public IPins Pins { get; }

    public IGarbageCollection Collection => _collector;

    public IWithdrawals Withdrawals { get; }

    public IFsck Fsck { get; }

    public UpstreamPaths Upstreams { get; }

    /// <summary><c>name:base64</c> of the keys that readers are to trust.</summary>
    public IReadOnlyList<string> PublicKeys { get; }

    public string VerifyPolicy { get; }

    /// <summary>The names of the keys that have ever signed here.</summary>
    public IReadOnlySet<string> KeyNames => _keyNames;

    /// <summary>Somebody has used it within this time.</summary>
    public bool IsUsedWithin(TimeSpan time) => _time.GetElapsedTime(Volatile.Read(ref _used)) < time;

    /// <summary>Whether its background work looks for something to do.</summary>
    public void Rest(bool isAsleep) => _self.IsAsleep = isAsleep;

    /// <summary>Begins a call; false: it is closed, and there are others in its place. <see cref="Leave"/> ends the call.</summary>
    public bool TryEnter()
    {
        Interlocked.Increment(ref _calls);
        if (_isClosed)
        {
            Leave();
            return false;
        }

        Volatile.Write(ref _used, _time.GetTimestamp());
        _self.IsAsleep = false;
        return true;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _calls) == 0 && _isClosed)
            _drained.TrySetResult();
    }

    /// <summary>One turn of the background work, now.</summary>
    public Task RunHousekeepingAsync(CancellationToken cancellationToken) => _housekeeper.RunOnceAsync(_row.Id, cancellationToken);

    /// <summary>Signs and writes paths that lack a signature, a batch of them.</summary>
    public async Task SignAsync(CancellationToken cancellationToken)
    {
        await _publisher.MarkSignableAsync(_row.Id, cancellationToken);
        await _publisher.RefreshAsync(_row.Id, cancellationToken);
    }

    /// <summary>Reads all that waits to be verified, now; returns how many objects that was.</summary>
    public Task<int> RunVerificationAsync(CancellationToken cancellationToken) => _verifier.RunOnceAsync(_row.Id, cancellationToken);

    /// <summary>Takes no more calls, and ends when those under way have, or the patience is over. The store stays.</summary>
    public async Task CloseAsync(TimeSpan patience)
    {
        _isClosed = true;
        // Either a call that begins sees this, or it is seen here.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _calls) > 0)
            await ((Task)_drained.Task.WaitAsync(patience, _time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await DisposeAsync();
    }

    /// <summary>Disposes of a store that nobody else has. Reads use it without a call of the services, so it is the last to go.</summary>
    public void DisposeStore()
    {
        if (Options.OwnsStore)
            (Options.Store as IDisposable)?.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _work;
        await _collector.DisposeAsync();
        if (_groups is not null)
            await _groups.DisposeAsync();
        await _waiting.DisposeAsync();
        await _nixCatalog.DisposeAsync();
        await _verifier.DisposeAsync();
        _paths.Dispose();
        Upstreams.Dispose();
        _stopping.Dispose();
    }
}
