using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>Whether what a commit acknowledges outlives a crash of the database, and the loss of its primary.</summary>
internal static class Durability
{
    /// <summary>What speaks against it, a sentence each; empty when nothing does. Asks for no rights that an ordinary role lacks.</summary>
    /// <exception cref="CacheProblemException">The database does not answer.</exception>
    public static Task<IReadOnlyList<string>> FindDoubtsAsync(CatalogDatabase database, CancellationToken cancellationToken) =>
        database.SingleAsync<IReadOnlyList<string>>(
        """
        select current_setting('fsync') = 'off', current_setting('synchronous_commit'), current_setting('synchronous_standby_names') = '', (select count(*) from pg_stat_replication)
        """,
        static _ => { },
        static r => Weigh(r.GetBoolean(0), r.GetString(1), r.GetBoolean(2), r.GetInt64(3)),
        cancellationToken);

    // An ordinary role sees how many standbys there are, not which of them are synchronous: the settings say whether commits wait for one
    // at all.
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
