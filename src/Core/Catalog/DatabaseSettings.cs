using Npgsql;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Catalog;

/// <summary>
/// Settings of PostgreSQL that slow requests or make them fail: time-outs that an admin has set for this role, its database or the server.
/// </summary>
internal static class DatabaseSettings
{
    /// <summary>The oldest version that supports the syntax of the catalog's functions.</summary>
    public const int OldestVersion = 15;

    // Longer time-outs never end the work of a server: a command of Npgsql has 30 s, and a pooled connection is idle for 5 minutes at most.
    private static readonly (string Name, TimeSpan Enough, string Hurt)[] TimeOuts =
    [
        ("statement_timeout", TimeSpan.FromMinutes(1), "breaks statements off after"),
        ("transaction_timeout", TimeSpan.FromMinutes(1), "breaks transactions off after"),
        ("lock_timeout", TimeSpan.FromMinutes(1), "lets statements fail that wait for others for"),
        ("idle_session_timeout", TimeSpan.FromMinutes(5), "ends connections that were idle for"),
        ("idle_in_transaction_session_timeout", TimeSpan.FromMinutes(1), "ends what reads a lot, as 'fsck' does, after a pause of"),
    ];

    /// <summary>One sentence for each harmful setting; empty when there is none. An ordinary role's rights suffice.</summary>
    /// <exception cref="CacheProblemException">The database does not answer.</exception>
    public static async Task<IReadOnlyList<string>> FindDoubtsAsync(CatalogDatabase database, CancellationToken cancellationToken)
    {
        // PostgreSQL reports all of them in milliseconds, however they were written.
        var set = await database.ListAsync(
            "select name, setting::bigint from pg_settings where name = any($1) and setting::bigint > 0",
            p => p.Add(new NpgsqlParameter<string[]> { TypedValue = [.. TimeOuts.Select(t => t.Name)] }),
            static r => (Name: r.GetString(0), Time: TimeSpan.FromMilliseconds(r.GetInt64(1))),
            cancellationToken);
        return [.. from timeOut in TimeOuts from found in set where found.Name == timeOut.Name
            && found.Time < timeOut.Enough select Tell(timeOut.Name, timeOut.Hurt, found.Time)];
    }

    private static string Tell(string name, string hurt, TimeSpan time) =>
        FormattableString.Invariant($"PostgreSQL {hurt} {time.TotalSeconds:0.###} s ({name})") +
        ": the server then has to do again what is broken off, or has to give up. Set it to 0 for this server's role.";
}
