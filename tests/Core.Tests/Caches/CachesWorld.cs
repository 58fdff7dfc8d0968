using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Core.Tests.Caches;

/// <summary>Processes that serve several caches of one catalog, each cache with a bucket in memory.</summary>
internal sealed class CachesWorld : IAsyncDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly List<CacheCore> _cores = [];

    private CachesWorld(string connectionString) => ConnectionString = connectionString;

    public static CacheName A { get; } = Name("a");

    public static CacheName B { get; } = Name("b");

    public string ConnectionString { get; }

    public MemoryPlaces Places { get; } = new();

    public MemoryObjectStore DefaultStore { get; } = new();

    public CacheCore Core => _cores[0];

    public static CacheName Name(string text) => CacheName.TryParse(text, out var name) ? name : throw new FormatException(text);

    public static async Task<CachesWorld> CreateAsync(params CacheName[] caches)
    {
        var world = new CachesWorld(await (await PostgresServer.Shared).CreateCatalogAsync());
        await world.AddCoreAsync();
        foreach (var cache in caches)
            await world.MakeAsync(cache);
        return world;
    }

    public async Task<CacheCore> AddCoreAsync(bool works = false, bool grouped = false, IEngine? engine = null)
    {
        var core = await CacheCore.StartAsync(
            new CoreOptions
            {
                ConnectionString = ConnectionString,
                Store = DefaultStore,
                Places = Places,
                SigningKeys = [World.Key],
                Pushes = new PushOptions { KeySettles = TimeSpan.Zero },
                Verify = new VerifyOptions { Policy = Places.Policy },
                Housekeeping = works,
                GroupCommit = grouped,
                Engine = engine,
            },
            NullLoggerFactory.Instance, TimeProvider.System, None);
        _cores.Add(core);
        return core;
    }

    public Task<CacheDescription> MakeAsync(CacheName cache, JsonObject? settings = null) =>
        Core.Caches.CreateAsync(cache, settings ?? [], Caller.Server, None);

    public Task<CacheDescription> SetAsync(CacheName cache, JsonObject changes) =>
        Core.Caches.SetAsync(cache, changes, isOperator: true, Caller.Server, None);

    public MemoryObjectStore StoreOf(CacheName cache) => cache == CacheName.Default ? DefaultStore : Places.StoreOf(cache);

    public Task<PushOpened> BeginAsync(CacheName cache, BeginPush closure, CacheCore? core = null) =>
        (core ?? Core).Pushes.BeginAsync(cache, closure, OperationId.New(), None);

    /// <param name="bodies">By grant; null: any bytes, which nobody reads.</param>
    public async Task UploadAsync(CacheName cache, PushOpened push, CacheCore? core = null, Caller? caller = null,
        IReadOnlyDictionary<string, byte[]>? bodies = null)
    {
        var uploads = push.Uploads.Select(grant =>
        {
            var body = bodies?[grant.Id] ?? Encoding.UTF8.GetBytes(grant.Id);
            StoreOf(cache).Upload(grant.Url ?? grant.Parts[0], body);
            return new UploadedNar
            {
                Upload = grant.Id,
                FileHash = Sha256Hash.Compute(body),
                FileSize = body.Length,
                Md5 = [Convert.ToHexStringLower(MD5.HashData(body))],
            };
        });
        await (core ?? Core).Pushes.As(caller ?? Caller.Server).ReportAsync(cache, World.Id(push), new UploadReport { Uploads = [.. uploads] }, None);
    }

    public async Task PushAsync(CacheName cache, BeginPush closure, CacheCore? core = null)
    {
        var push = await BeginAsync(cache, closure, core);
        await UploadAsync(cache, push, core);
        var answer = await (core ?? Core).Pushes.CommitAsync(cache, World.Id(push), TimeSpan.FromSeconds(30), None);
        if (answer.State != PushState.Committed)
            throw new InvalidOperationException($"the push is {answer.State}");
    }

    public NarInfo? NarInfoOf(CacheName cache, string name) => StoreOf(cache).Objects.TryGetValue($"{World.Hash(name)}.narinfo", out var text)
        ? NarInfo.Parse(Encoding.UTF8.GetString(text)) : null;

    /// <summary>Names of the keys that have signed a path, as readers see it.</summary>
    public IReadOnlyList<string> SignersOf(CacheName cache, string name) =>
        [.. NarInfoOf(cache, name)!.Signatures.Select(s => s.Split(':')[0]).Order(StringComparer.Ordinal)];

    /// <summary>A turn of the background work of all processes.</summary>
    public async Task TurnAsync(int turns = 1)
    {
        for (var turn = 0; turn < turns; turn++)
        {
            foreach (var core in _cores)
                await core.RunHousekeepingAsync(None);
        }
    }

    public Task ExecuteAsync(string sql) => Core.Database.RunAsync(sql, static _ => { }, None);

    public Task<T> QueryAsync<T>(string sql) => Core.Database.SingleAsync(sql, static _ => { }, r => r.GetFieldValue<T>(0), None);

    /// <summary>Stops a process.</summary>
    public ValueTask StopAsync(CacheCore core)
    {
        _cores.Remove(core);
        return core.DisposeAsync();
    }

    public static async Task<string> FsckAsync(CacheCore core, CacheName cache)
    {
        var findings = new List<string>();
        await foreach (var finding in core.Fsck.CheckAsync(cache, new FsckTally(), None))
            findings.Add($"{finding.Kind} {finding.Key} {finding.Detail}");
        return string.Join('\n', findings);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var core in _cores)
            await core.DisposeAsync();
    }
}
