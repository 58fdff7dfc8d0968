using Npgsql;

namespace OrleansCache.Silo;

/// <summary>How Orleans' ADO.NET providers reach the tables that the catalog's migrations made for them.</summary>
internal static class ClusterTables
{
    private const string Invariant = "Npgsql";

    /// <param name="silo">Gets its clustering and its reminders.</param>
    /// <param name="catalog">The catalog's connection string.</param>
    public static void Use(ISiloBuilder silo, string catalog)
    {
        var tables = ConnectionString(catalog);
        silo.UseAdoNetClustering(options => (options.Invariant, options.ConnectionString) = (Invariant, tables));
        silo.UseAdoNetReminderService(options => (options.Invariant, options.ConnectionString) = (Invariant, tables));
    }

    /// <summary>
    /// The catalog's connection string with a small pool of its own, so that a heartbeat never waits behind pushes. Nothing in it needs a session:
    /// a transaction-pooling proxy may stand in between.
    /// </summary>
    private static string ConnectionString(string catalog) => new NpgsqlConnectionStringBuilder(catalog)
    {
        ApplicationName = SiloSettings.Program,
        NoResetOnClose = true,
        Enlist = false,
        MaxAutoPrepare = 0,
        MaxPoolSize = 8,
        Timeout = 5,
        CommandTimeout = 10,
    }.ConnectionString;
}
