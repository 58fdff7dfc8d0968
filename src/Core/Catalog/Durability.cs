using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>Checks whether an acknowledged commit survives a crash of the database and the loss of its primary.</summary>
internal static class Durability
{
    /// <summary>One sentence for each doubt; empty when there is none. An ordinary role's rights suffice.</summary>
    /// <exception cref="CacheProblemException">The database does not answer.</exception>
    public static Task<IReadOnlyList<string>> FindDoubtsAsync(CatalogDatabase database, CancellationToken cancellationToken) =>
        database.SingleAsync<IReadOnlyList<string>>(
        """
        select current_setting('fsync') = 'off', current_setting('synchronous_commit'), current_setting('synchronous_standby_names') = '', (select count(*) from pg_stat_replication)
        """,
        static _ => { },
        static r => Weigh(r.GetBoolean(0), r.GetString(1), r.GetBoolean(2), r.GetInt64(3)),
        cancellationToken);

    // An ordinary role sees the number of standbys, not which of them are synchronous; the settings tell whether commits wait for one.
    private static List<string> Weigh(bool neverSyncs, string commit, bool waitsForNone, long standbys)
    {
        var doubts = new List<string>();
        if (neverSyncs)
            doubts.Add("PostgreSQL runs with fsync = off: a crash of its machine can destroy the catalog. Set it to on.");
        if (commit == "off")
            doubts.Add(
                "PostgreSQL acknowledges commits before they are on its disk (synchronous_commit = off): a crash takes back pushes that " +
                "were acknowledged. Set it to on.");
        else if (standbys > 0 && (waitsForNone || commit == "local"))
            doubts.Add(
                $"PostgreSQL has {(standbys == 1 ? "a standby" : $"{standbys} standbys")}, and commits wait for none: a failover takes " +
                "back pushes that were acknowledged. Make one synchronous (synchronous_standby_names, and synchronous_commit = on).");
        return doubts;
    }
}
