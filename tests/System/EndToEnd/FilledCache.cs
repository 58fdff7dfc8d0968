using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A cache to which all <see cref="Sets"/> were pushed. Its tests only read.</summary>
public abstract class FilledCache : IAsyncLifetime
{
    public ServerProcess Server { get; private set; } = null!;

    public abstract IObjects Objects { get; }

    /// <summary>What Nix reads from.</summary>
    public abstract string Substituter { get; }

    public async Task InitializeAsync()
    {
        if (Programs.Missing("nix-store", "nix") is not null || CannotBe)
            return;
        Server = await StartAsync();
        foreach (var name in Sets.Names)
        {
            var set = await Closures.GetAsync(name);
            (await CacheCli.PushAsync(Server, set.Root)).OrThrow();
        }
    }

    public virtual async Task DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
    }

    /// <summary>All tests on it are skipped on this machine.</summary>
    protected virtual bool CannotBe => false;

    protected abstract Task<ServerProcess> StartAsync();
}

/// <summary>The embedded server; Nix reads from the gateway.</summary>
public sealed class FilledFolder : FilledCache
{
    public override IObjects Objects => Server.Objects;

    public override string Substituter => Server.Url.ToString();

    protected override Task<ServerProcess> StartAsync() => ServerProcess.StartAsync();
}

/// <summary>A gateway on a PostgreSQL and a bucket; Nix reads from the bucket itself.</summary>
public sealed class FilledBucket : FilledCache
{
    private ObjectBucket _bucket = null!;

    public override IObjects Objects => _bucket;

    public ObjectBucket Bucket => _bucket;

    public override string Substituter => _bucket.Url;

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _bucket?.Dispose();
    }

    protected override bool CannotBe => CephServer.MissingReason is not null;

    protected override async Task<ServerProcess> StartAsync()
    {
        _bucket = await ObjectBucket.CreateAsync();
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        return await ServerProcess.StartAsync(["--postgres", database, .. _bucket.ServerOptions]);
    }
}

[CollectionDefinition(nameof(FilledFolder))]
public sealed class FilledFolderTests : ICollectionFixture<FilledFolder>;

[CollectionDefinition(nameof(FilledBucket))]
public sealed class FilledBucketTests : ICollectionFixture<FilledBucket>;
