using System.Text.Json.Nodes;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>Where the objects lie.</summary>
public enum StoreKind
{
    Folder,
    Bucket,

    /// <summary>A bucket that keeps old versions: some S3 servers let a used URL write a newer one there.</summary>
    VersionedBucket,
}

/// <summary>A running server, those who push to it, and a reader.</summary>
internal sealed class TrustServer : IAsyncDisposable
{
    private readonly List<Publisher> _publishers = [];
    private readonly ObjectBucket? _bucket;

    private TrustServer(ServerProcess process, ObjectBucket? bucket)
    {
        (Process, _bucket) = (process, bucket);
        Admin = Remember(new Publisher("the token file", process.Url, File.ReadAllText(process.TokenFile).Trim()));
        Reader = new Reader(Remember(new Publisher("a reader", process.Url, null)), process.PublicKey);
    }

    public ServerProcess Process { get; }

    /// <summary>May do everything.</summary>
    public Publisher Admin { get; }

    /// <summary>Has no token.</summary>
    public Reader Reader { get; }

    public static async Task<TrustServer> StartAsync(StoreKind store, params string[] options)
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        var bucket = store == StoreKind.Folder ? null : await ObjectBucket.CreateAsync(keepsVersions: store == StoreKind.VersionedBucket);
        return new TrustServer(await ServerProcess.StartAsync(["--postgres", database, .. bucket?.ServerOptions ?? [], .. options]),
            bucket);
    }

    /// <summary>A publisher of its own: a new token that shares its group with no other.</summary>
    public async Task<Publisher> PublisherAsync(params string[] scopes)
    {
        var made = (await Admin.PostAsync($"{V1Push.Cache}/tokens", new JsonObject
        {
            ["name"] = $"t-{Guid.NewGuid():n}",
            ["scopes"] = new JsonArray([.. scopes.Select(s => (JsonNode)s)]),
        })).OrThrow().Json;
        return Remember(new Publisher($"token:{made["token"]!["id"]}", Process.Url, (string)made["secret"]!));
    }

    /// <summary>M and V, who may push and no more, and D, who may also pin.</summary>
    public async Task<(Publisher M, Publisher V, Publisher D)> PublishersAsync() =>
        (await PublisherAsync("push"), await PublisherAsync("push"), await PublisherAsync("push", "pin"));

    public async Task RevokeAsync(Publisher publisher) =>
        (await Admin.SendAsync(HttpMethod.Delete, $"{V1Push.Cache}/tokens/{publisher.Id["token:".Length..]}")).OrThrow();

    /// <summary>Deletes what nothing protects, at once.</summary>
    public async Task CollectAsync()
    {
        var run = (await Admin.PostAsync($"{V1Push.Cache}/gc", new JsonObject { ["olderThanSeconds"] = 0, ["force"] = true }))
            .OrThrow().Json;
        await Eventually.BecomesTrueAsync(
            async () => (string)(run = (await Admin.GetAsync($"{V1Push.Cache}/gc/runs/{run["id"]}")).OrThrow().Json)["state"]! != "running",
                describe: () => run.ToJsonString());
        Assert.Equal("done", (string)run["state"]!);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var publisher in _publishers)
            publisher.Dispose();
        await Process.DisposeAsync();
        _bucket?.Dispose();
    }

    private Publisher Remember(Publisher publisher)
    {
        _publishers.Add(publisher);
        return publisher;
    }
}

/// <summary>Servers on each store for all tests, each started when a test asks for it.</summary>
public sealed class TrustServers : IAsyncLifetime
{
    private const string Private = "--private";
    private const string Always = "--verify=always";

    private readonly Dictionary<(StoreKind Store, string? Option), Lazy<Task<TrustServer>>> _servers =
        (from store in Enum.GetValues<StoreKind>() from option in (string?[])[null, Private, Always] select (store, option))
        .ToDictionary(s => s, s => new Lazy<Task<TrustServer>>(() => TrustServer.StartAsync(s.store,
            s.option is null ? [] : [s.option])));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var server in _servers.Values.Where(s => s.IsValueCreated))
            await (await server.Value).DisposeAsync();
    }

    internal Task<TrustServer> On(StoreKind store) => _servers[(store, null)].Value;

    /// <summary>One whose readers need a token.</summary>
    internal Task<TrustServer> PrivateOn(StoreKind store) => _servers[(store, Private)].Value;

    /// <summary>One that signs nothing that no server has read.</summary>
    internal Task<TrustServer> AlwaysOn(StoreKind store) => _servers[(store, Always)].Value;
}
