using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Common;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Testing;

/// <summary>A catalog on the real PostgreSQL, a bucket in memory, and any number of gateways' worth of services over both.</summary>
internal sealed class World : IAsyncDisposable
{
    // Few connections behind it, so that the services really share them.
    private static readonly Lazy<Task<PgBouncer>> Bouncer = new(async () =>
        await PgBouncer.StartAsync(await PostgresServer.Shared, poolSize: 8));
    private readonly List<CacheCore> _cores = [];

    private World(string connectionString, PushOptions options) => (ConnectionString, Options) = (connectionString, options);

    /// <summary>Another engine's tests, which are these over that engine, set it before the first of them runs.</summary>
    public static Func<World, IEngine>? Engine { get; set; }

    public static SecretKey Key { get; } = SecretKey.Generate("test-1");

    public string ConnectionString { get; }

    public PushOptions Options { get; }

    public GcOptions Gc { get; init; } = new();

    /// <summary>What its gateways read in the store; they read when a test says so.</summary>
    public VerifyPolicy Verify { get; set; }

    public UpstreamOptions Upstreams { get; init; } = new();

    /// <summary>Its gateways send the steps of several pushes in one statement.</summary>
    public bool Grouped { get; init; }

    public MemoryObjectStore Store { get; } = new();

    public CacheCore Core => _cores[0];

    public IPushes Pushes => Core.Pushes;

    public static async Task<World> CreateAsync(PushOptions? options = null, Func<string, string>? through = null,
        PostgresServer? on = null, GcOptions? gc = null, bool grouped = false, VerifyPolicy verify = VerifyPolicy.Off,
        UpstreamOptions? upstreams = null)
    {
        var connectionString = await (on ?? await PostgresServer.Shared).CreateCatalogAsync();
        var world = new World(through is null ? connectionString : through(connectionString), options ?? new PushOptions())
        {
            Gc = gc ?? new GcOptions(),
            Grouped = grouped,
            Verify = verify,
            Upstreams = upstreams ?? new UpstreamOptions(),
        };
        await world.AddGatewayAsync();
        return world;
    }

    /// <summary>A world whose database is reached through PgBouncer in transaction mode.</summary>
    public static async Task<World> ThroughPgBouncerAsync() => await CreateAsync(through: (await Bouncer.Value).Through);

    /// <param name="plain">Without the engine that is tested.</param>
    /// <param name="engine">Another one than the world's.</param>
    /// <param name="works">With the background work, which tests otherwise do when they want it.</param>
    /// <param name="loggers">Where it logs; null: nowhere.</param>
    public async Task<CacheCore> AddGatewayAsync(bool plain = false, IEngine? engine = null, bool works = false,
        ILoggerFactory? loggers = null)
    {
        engine = plain ? null : engine ?? Engine?.Invoke(this);
        var core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = ConnectionString,
                Store = Store,
                SigningKeys = [Key],
                Pushes = Options,
                Gc = Gc,
                Verify = new VerifyOptions { Policy = Verify },
                Upstreams = Upstreams,
                Housekeeping = works,
                Engine = engine,
                GroupCommit = Grouped || engine is not null
            },
            loggers ?? NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
        _cores.Add(core);
        return core;
    }

    /// <summary>A process stops in order.</summary>
    public async Task StopAsync(CacheCore core)
    {
        _cores.Remove(core);
        await core.DisposeAsync();
    }

    public static StorePathHash Hash(string name) => StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 20));

    /// <summary>
    /// A declared path; its NAR is made of <paramref name="content"/> (by default its name), and its derivation is called as it is.
    /// </summary>
    public static PathDeclaration Path(string name, string[]? references = null, string? content = null, long size = 1000) => new()
    {
        Path = new StorePath(Hash(name), name),
        NarHash = Sha256Hash.Compute(Encoding.UTF8.GetBytes(content ?? name)),
        NarSize = size,
        References = [.. (references ?? []).Select(Hash)],
        Deriver = new StorePath(Hash("drv"), $"{name}.drv"),
    };

    public static BeginPush Closure(params PathDeclaration[] paths) => new() { Roots = [paths[^1].Path.Hash], Paths = paths };

    /// <summary>a ← b ← c …: each refers to the one before it.</summary>
    public static BeginPush Chain(params string[] names) => Closure([.. names.Select((n, i) => Path(n, i == 0 ? [] : [names[i - 1]]))]);

    public Task<PushOpened> BeginAsync(BeginPush closure, string? operation = null, IPushes? pushes = null)
    {
        var id = OperationId.New();
        if (operation is not null)
            Assert.True(OperationId.TryParse(operation, out id));
        return (pushes ?? Pushes).BeginAsync(CacheName.Default, closure, id, CancellationToken.None);
    }

    /// <summary>Uploads and reports every grant of an opened push.</summary>
    public async Task<ReportAnswer> UploadAsync(PushOpened push, IReadOnlyList<UploadGrant>? grants = null, IPushes? pushes = null)
    {
        var uploads = (grants ?? push.Uploads).Select(grant =>
        {
            var body = Encoding.UTF8.GetBytes(grant.Id);
            Store.Upload(grant.Url ?? grant.Parts[0], body);
            return new UploadedNar
            {
                Upload = grant.Id,
                FileHash = Sha256Hash.Compute(body),
                FileSize = body.Length,
                Md5 = [Convert.ToHexStringLower(MD5.HashData(body))]
            };
        });
        return await (pushes ?? Pushes).ReportAsync(CacheName.Default, Id(push), new UploadReport { Uploads = [.. uploads] },
            CancellationToken.None);
    }

    public Task<CommitAnswer> CommitAsync(PushOpened push, IPushes? pushes = null, TimeSpan? patience = null) =>
        (pushes ?? Pushes).CommitAsync(CacheName.Default, Id(push), patience ?? TimeSpan.FromSeconds(30), CancellationToken.None);

    /// <summary>Begin, upload, report, commit.</summary>
    public async Task<CommitAnswer> PushAsync(BeginPush closure, IPushes? pushes = null)
    {
        var push = await BeginAsync(closure, pushes: pushes);
        await UploadAsync(push, pushes: pushes);
        return await CommitAsync(push, pushes);
    }

    /// <summary>A run that keeps nothing but what pins and pushes under way need, and waits for nothing.</summary>
    public static GcRequest Everything => new() { OlderThanSeconds = 0, Force = true };

    /// <summary>A garbage collection, to its end.</summary>
    public async Task<GcRun> CollectAsync(GcRequest request, CacheCore? core = null) =>
        await EndOfRunAsync((await (core ?? Core).Collection.StartAsync(CacheName.Default, request, OperationId.New(),
            CancellationToken.None)).Id);

    public async Task<GcRun> EndOfRunAsync(long id)
    {
        GcRun? run = null;
        await Eventually.BecomesTrueAsync(async () =>
            (run = await Core.Collection.RunAsync(CacheName.Default, id, CancellationToken.None)).State != GcState.Running);
        return run!;
    }

    public Task<WaitAnswer> WaitAsync(PushOpened push, params string[] names) =>
        Pushes.WaitAsync(CacheName.Default, Id(push), new WaitRequest { Paths = [.. names.Select(Hash)], TimeoutSeconds = 0 },
            CancellationToken.None);

    public Task AbortAsync(PushOpened push) => Pushes.AbortAsync(CacheName.Default, Id(push), CancellationToken.None);

    public static PushId Id(PushOpened push) => PushId.TryParse(push.Id, out var id) ? id : throw new FormatException(push.Id);

    public NarInfo? NarInfoOf(string name) => Store.Objects.TryGetValue($"{Hash(name)}.narinfo", out var text)
        ? NarInfo.Parse(Encoding.UTF8.GetString(text)) : null;

    public Task<string> StateOfAsync(string name) =>
        Core.Database.SingleAsync("select state::text from store_path where hash = $1", p =>
            p.Add(new Npgsql.NpgsqlParameter { Value = Hash(name).ToArray() }), r => r.GetString(0), CancellationToken.None);

    public async Task<T> QueryAsync<T>(string sql) =>
        await Core.Database.SingleAsync(sql, _ => { }, r => r.GetFieldValue<T>(0), CancellationToken.None);

    /// <summary>
    /// A transaction of somebody else that has done this and goes on holding its locks until it is disposed of, which commits it.
    /// </summary>
    public async Task<Holder> HoldAsync(string sql)
    {
        var holder = new Holder(new NpgsqlConnection(ConnectionString + ";Pooling=false"));
        await holder.BeginAsync(sql);
        return holder;
    }

    /// <summary>Returns when so many statements wait for a lock; where they go in groups, one for all of them.</summary>
    public Task UntilBlockedAsync(int count = 1) =>
        Eventually.BecomesTrueAsync(async () => await BlockedAsync() >= (Engine is null ? count : 1));

    /// <summary>How many statements wait for a lock.</summary>
    public Task<long> BlockedAsync() => QueryAsync<long>(
        "select count(distinct pid) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = " +
            "current_database()");

    public Task ExecuteAsync(string sql) => Core.Database.RunAsync(sql, _ => { }, CancellationToken.None);

    /// <summary>Changes states by hand; the lists of nodes follow.</summary>
    public Task ChangeAsync(string sql) => ExecuteAsync($"{sql};\n{Lists.Write}");

    /// <summary>Lets time pass for the database: everything that it has written moves into the past.</summary>
    /// <param name="time">How much.</param>
    /// <param name="alone">While nobody has a row locked, as this locks all in no order: for who travels while others push.</param>
    public Task TravelAsync(TimeSpan time, bool alone = false) => ExecuteAsync(Travel(time, alone));

    /// <summary>The same while all sorts of background work go on: no statement is under way meanwhile.</summary>
    public async Task TravelBesideWorkAsync(TimeSpan time)
    {
        await using var holder = await HoldAsync("lock table push, store_path, object, tombstone, gc_run in share row exclusive mode");
        await holder.ExecuteAsync(Travel(time, alone: false));
    }

    private static string Travel(TimeSpan time, bool alone) =>
        $"""
        with l as materialized (select {(alone ? "pg_advisory_xact_lock(20291, id)" : "id")} from cache),
          t as materialized (select make_interval(secs => {time.TotalSeconds}) as t from (select count(*) from l) x),
          a as (update push set expires = expires - t.t, created = created - t.t, finished = finished - t.t, lease = lease - t.t from t),
          b as (update store_path set fence = fence - t.t, condemned_at = condemned_at - t.t, declared_at = declared_at - t.t from t),
          c as (update root set pushed = pushed - t.t from t),
          d as (update gc_run set heartbeat = heartbeat - t.t, started = started - t.t, finished = finished - t.t from t),
          e as (update pin set fence = fence - t.t, expires = expires - t.t, created = created - t.t, updated = updated - t.t from t),
          f as (update pin_revision set created = created - t.t from t),
          g as (update pin_operation set created = created - t.t from t),
          h as (update tombstone set urls_until = urls_until - t.t from t),
          j as (update verification set asked = asked - t.t, lease = lease - t.t from t),
          k as (update proof set at = at - t.t from t),
          n as (update push_path set waiting = waiting - t.t, awaited = awaited - t.t from t where waiting is not null or awaited is not null),
          m as (update cache set scrub_began = scrub_began - t.t, scrub_lease = scrub_lease - t.t from t),
          p as (update upstream_path set checked = checked - t.t, looked = looked - t.t, lost = lost - t.t, used = used - t.t from t),
          q as (update boundary set noted = noted - t.t from t),
          o as (update waiting_path set recorded = recorded - t.t, looked = looked - t.t from t),
          i as (update eviction set lease = lease - t.t, created = created - t.t, finished = finished - t.t from t)
        update object set fence = fence - t.t, claimed_at = claimed_at - t.t, url_expires = url_expires - t.t, condemned_at = condemned_at - t.t from t
        """;

    /// <summary>What fsck finds, a line each.</summary>
    public async Task<string> FsckAsync()
    {
        var findings = new List<string>();
        await foreach (var finding in Core.Fsck.CheckAsync(CacheName.Default, new(), CancellationToken.None))
            findings.Add($"{finding.Kind} {finding.Key} {finding.Detail}");
        return string.Join('\n', findings);
    }

    /// <summary>I1 in the bucket and I11 in the catalog.</summary>
    public async Task AssertSoundAsync()
    {
        foreach (var key in Store.NarInfos)
        {
            var info = NarInfo.Parse(Encoding.UTF8.GetString(Store.Objects[key]));
            Assert.True(Store.Objects.ContainsKey(info.Url), $"{key} is visible, its NAR is not");
            foreach (var reference in info.References)
                Assert.True(Store.Objects.ContainsKey($"{reference.Hash}.narinfo"), $"{key} is visible, its reference {reference} is not");
            Assert.True(info.Verify(Key.PublicKey), $"{key} is not signed");
        }

        Assert.Equal("", await QueryAsync<string>($"select coalesce(string_agg(l.unequal, '; '), '') from ({Lists.Unequal}) l(unequal)"));
        Assert.Equal(0, await QueryAsync<long>(
            "select count(*) from store_path s cross join unnest(s.refs) r join store_path t on t.id = r where s.state = 'live' and t.state <> 'live'"));
        Assert.Equal(0, await QueryAsync<long>(
            "select count(*) from store_path s cross join unnest(s.objects) r join object t on t.id = r where s.state = 'live' and t.state <> 'live'"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var core in _cores)
            await core.DisposeAsync();
    }

    internal sealed class Holder(NpgsqlConnection connection) : IAsyncDisposable
    {
        private NpgsqlTransaction? _transaction;

        public async Task BeginAsync(string sql)
        {
            await connection.OpenAsync();
            _transaction = await connection.BeginTransactionAsync();
            await ExecuteAsync(sql);
        }

        /// <summary>More of the same transaction.</summary>
        public async Task ExecuteAsync(string sql)
        {
#pragma warning disable CA2100 // A test's own text.
            await using var command = new NpgsqlCommand(sql, connection, _transaction);
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }

        public async ValueTask DisposeAsync()
        {
            if (_transaction is not null)
                await _transaction.CommitAsync();
            await connection.DisposeAsync();
        }
    }
}
