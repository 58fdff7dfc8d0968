using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;

namespace OrleansCache.Silo;

/// <summary>
/// Gives Orleans' ADO.NET providers the tables that the catalog's migrations make. A silo starts beside its database, and learns the
/// connection string, and that the tables are there, before the first provider asks.
/// </summary>
internal sealed class ClusterTables(Task<string> catalog, IOptions<AdoNetReminderTableOptions> reminders,
    IOptions<AdoNetClusteringSiloOptions> members, IOptionsMonitor<AdoNetGrainStorageOptions> documents)
    : ILifecycleParticipant<ISiloLifecycle>
{
    /// <summary>The storage that has grains' documents.</summary>
    public const string Documents = "document-rows";

    private const string Invariant = "Npgsql";
    private const string NotKnownYet = "Host=";

    /// <param name="silo">Gets its reminders, and its grains' documents, from the tables.</param>
    /// <param name="catalog">The catalog's connection string, once its tables are there.</param>
    /// <param name="hasMembers">Keep its membership in the tables too.</param>
    public static void Use(ISiloBuilder silo, Task<string> catalog, bool hasMembers)
    {
        var known = catalog.IsCompletedSuccessfully ? ConnectionString(catalog.Result) : NotKnownYet;
        silo.UseAdoNetReminderService(options => (options.Invariant, options.ConnectionString) = (Invariant, known));
        silo.AddAdoNetGrainStorage(Documents, options => (options.Invariant, options.ConnectionString, options.GrainStorageSerializer) =
            (Invariant, known, new JsonDocuments()));
        if (hasMembers)
            silo.UseAdoNetClustering(options => (options.Invariant, options.ConnectionString) = (Invariant, known));
        silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(services =>
            ActivatorUtilities.CreateInstance<ClusterTables>(services, catalog));
    }

    public void Participate(ISiloLifecycle observer) =>
        observer.Subscribe(nameof(ClusterTables), ServiceLifecycleStage.RuntimeStorageServices, async cancellationToken =>
    {
        // The providers keep these objects, and first read them at a later stage.
        reminders.Value.ConnectionString = members.Value.ConnectionString = documents.Get(Documents).ConnectionString =
            ConnectionString(await catalog.WaitAsync(cancellationToken));
    });

    /// <summary>Closes the connections that the providers left open, as a database that is about to stop would wait for them.</summary>
    public static void Disconnect(string catalog)
    {
        using var any = new NpgsqlConnection(ConnectionString(catalog));
        NpgsqlConnection.ClearPool(any);
    }

    /// <summary>
    /// The catalog's connection string with a small pool of its own, so that a heartbeat never waits behind pushes. It needs no session, so
    /// a transaction-pooling proxy may stand in between.
    /// </summary>
    private static string ConnectionString(string catalog) => new NpgsqlConnectionStringBuilder(catalog)
    {
        ApplicationName = "orleans-cache-silo",
        NoResetOnClose = true,
        Enlist = false,
        MaxAutoPrepare = 0,
        MaxPoolSize = 8,
        Timeout = 5,
        CommandTimeout = 10,
    }.ConnectionString;
}
