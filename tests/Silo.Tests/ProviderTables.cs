using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Orleans.Configuration;
using Orleans.Storage;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

/// <summary>Orleans' ADO.NET providers over a database of the catalog, configured as a silo configures them. No silo runs.</summary>
internal sealed class ProviderTables : IAsyncDisposable
{
    public const string Cluster = "orleans-cache";

    private readonly PgBouncer? _bouncer;
    private readonly IHost _host;

    private ProviderTables(string connectionString, string cluster, PgBouncer? bouncer)
    {
        (Catalog, _bouncer) = (connectionString, bouncer);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.UseOrleans(silo =>
        {
            silo.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (cluster, cluster));
            ClusterTables.Use(silo, Task.FromResult(connectionString), hasMembers: true);
        });
        _host = builder.Build();
    }

    /// <summary>The connection string of the database.</summary>
    public string Catalog { get; }

    public IMembershipTable Membership => _host.Services.GetRequiredService<IMembershipTable>();

    public IReminderTable Reminders => _host.Services.GetRequiredService<IReminderTable>();

    public async Task<string?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Catalog);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // A test's own text.
        command.CommandText = sql;
#pragma warning restore CA2100
        return (string?)await command.ExecuteScalarAsync();
    }

    /// <summary>The storage of documents, as a silo has it once it runs.</summary>
    public async Task<IGrainStorage> DocumentsAsync()
    {
        var storage = _host.Services.GetRequiredKeyedService<IGrainStorage>(ClusterTables.Documents);
        var lifecycle = new StartOnly();
        ((ILifecycleParticipant<ISiloLifecycle>)storage).Participate(lifecycle);
        await lifecycle.StartAsync();
        return storage;
    }

    public static async Task<ProviderTables> CreateAsync(bool throughPgBouncer = false)
    {
        var server = await PostgresServer.Shared;
        var connectionString = await server.CreateDatabaseAsync();
        await using (await CatalogDatabase.OpenAsync(connectionString, CancellationToken.None))
        {
            // Opening migrates.
        }

        var bouncer = throughPgBouncer ? await PgBouncer.StartAsync(server) : null;
        return await new ProviderTables(bouncer?.Through(connectionString) ?? connectionString, Cluster, bouncer).InitializedAsync();
    }

    /// <summary>The same database, for another cluster.</summary>
    public Task<ProviderTables> OfClusterAsync(string cluster) => new ProviderTables(Catalog, cluster, null).InitializedAsync();

    public async ValueTask DisposeAsync()
    {
        await ((IAsyncDisposable)_host).DisposeAsync();
        if (_bouncer is not null)
            await _bouncer.DisposeAsync();
    }

    private async Task<ProviderTables> InitializedAsync()
    {
        await Membership.InitializeMembershipTableAsync(true);
        await Reminders.StartAsync(CancellationToken.None);
        return this;
    }

    /// <summary>Starts what takes part in it.</summary>
    private sealed class StartOnly : ISiloLifecycle
    {
        private readonly List<ILifecycleObserver> _observers = [];

        public int HighestCompletedStage => int.MinValue;

        public int LowestStoppedStage => int.MaxValue;

        public IDisposable Subscribe(string observerName, int stage, ILifecycleObserver observer)
        {
            _observers.Add(observer);
            return new MemoryStream();
        }

        public Task StartAsync() => Task.WhenAll(_observers.Select(o => o.OnStart(CancellationToken.None)));
    }
}
