using System.Text.Json.Nodes;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>
/// A cache of the storm: who pushes to it, and how its readers find it. Its objects are what lies below its prefix in the bucket of all.
/// </summary>
internal sealed class StormCache : IObjects
{
    public const string Default = "default";

    // Where the caches beside the default one lie.
    private const string Others = "c/";

    // A quota of that share of all NARs is met again and again, as the collector makes room.
    private const int ShareOfQuota = 4;

    private readonly StormWorld _world;

    private StormCache(StormWorld world, string name, Api admin, NixCredential honest, IEnumerable<PublicKey> keys)
    {
        (_world, Name, Admin, Honest, Keys) = (world, name, admin, honest, new Keyring(keys));
        Api = new Api(world.Http, StormWorld.Balancer, name, honest.Secret, world.Retry);
        Reader = new BucketReader(world.Store, Url, Keys);
        Promises = new Promises(Reader, world.Retry, world.Tally);
        Attempts = new Attempts(world.Tally, name, isRolled: world.Options.From is not null);
        Overheard = new Overheard(listens: IsDefault && world.Options.HostileClients > 0);
        Client = new PushClient(Api, world.Store, world.Retry, Promises, Attempts, Overheard, world.Tally);
    }

    public string Name { get; }

    public bool IsDefault => Name == Default;

    /// <summary>With the token of the file.</summary>
    public Api Admin { get; }

    /// <summary>With that of <see cref="Honest"/>.</summary>
    public Api Api { get; }

    /// <summary>Pushes, pins and collects. It has the rank that this gives, and not the right to everything.</summary>
    public NixCredential Honest { get; }

    public Keyring Keys { get; }

    public BucketReader Reader { get; }

    public Promises Promises { get; }

    public Attempts Attempts { get; }

    public Overheard Overheard { get; }

    public PushClient Client { get; }

    public Committed Committed { get; } = new();

    /// <summary>Begins its keys in the bucket.</summary>
    public string Prefix => IsDefault ? "" : $"{Others}{Name}/";

    /// <summary>Its substituter in the bucket.</summary>
    public string Url => $"{_world.Bucket.Url}/{Prefix}".TrimEnd('/');

    /// <summary>Its substituter at a gateway.</summary>
    public string UrlAt(Gateway gateway) => IsDefault ? gateway.Url.ToString() : new Uri(gateway.Url, $"c/{Name}").ToString();

    /// <summary>The cache that the servers' options are of.</summary>
    public static async Task<StormCache> OpenDefaultAsync(StormWorld world)
    {
        var admin = world.AdminOf(Default);
        return new StormCache(world, Default, admin, await HonestAsync(world, admin), [PublicKey.Parse(world.Fleet.PublicKey)]);
    }

    /// <summary>Makes another one, whose quota its pushers will meet.</summary>
    public static async Task<StormCache> MakeAsync(StormWorld world, string name)
    {
        var admin = world.AdminOf(name);
        var quota = world.Universe.Packages.Sum(p => p.Builds.Sum(b => (long)b.Nar.Length)) / ShareOfQuota;
        try
        {
            await admin.CreateCacheAsync(new CreateCache { Name = name, Settings = new JsonObject { ["quotaBytes"] = quota } },
                world.Tally.Violated);
        }
        catch (CacheException e) when (e.Name == "cache-exists")
        {
            // It was made, and the answer was lost.
        }

        var keys = (await admin.KeysAsync(world.Tally.Violated)).Keys.Select(key => PublicKey.Parse(key.PublicKey));
        return new StormCache(world, name, admin, await HonestAsync(world, admin), keys);
    }

    /// <summary>A new key in the place of the others.</summary>
    public async Task RotateAsync(string key, CancellationToken cancellationToken)
    {
        KeyList keys;
        try
        {
            keys = await Admin.AddKeyAsync(new AddKey { Name = key, Replaces = true }, cancellationToken);
        }
        catch (CacheException e) when (e.Name == "cache-exists")
        {
            // It was made, and the answer was lost.
            keys = await Admin.KeysAsync(cancellationToken);
        }

        Keys.Know(keys.Keys.Select(k => PublicKey.Parse(k.PublicKey)));
        _world.Tally.Count($"keys rotated: {Name}");
        _world.Tally.Event($"cache {Name} has the key {key}, in the place of the others");
    }

    /// <summary>Is this key of the bucket one of its objects?</summary>
    public bool Has(string key) => IsDefault ? !key.StartsWith(Others, StringComparison.Ordinal)
        : key.StartsWith(Prefix, StringComparison.Ordinal);

    public async Task<IReadOnlyList<string>> KeysAsync(string prefix = "") =>
        [.. (await _world.Bucket.KeysAsync(Prefix + prefix)).Where(Has).Select(key => key[Prefix.Length..])];

    public Task<long?> SizeAsync(string key) => _world.Bucket.SizeAsync(Prefix + key);

    public Task<byte[]?> ReadAsync(string key) => _world.Bucket.ReadAsync(Prefix + key);

    private static Task<NixCredential> HonestAsync(StormWorld world, Api admin) => Pushers.CredentialAsync(admin, "fleet", Pushers.Fleet,
        [TokenScope.Read, TokenScope.Push, TokenScope.Pin, TokenScope.Gc], world.Tally.Violated);
}
