using System.Globalization;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// What Nix's database says was built on this machine, in the order in which it was registered. Ids only grow: Nix's table never gives one
/// again.
/// </summary>
internal sealed class BuiltPaths(string database)
{
    /// <summary>So many rows are read at one time.</summary>
    private const int MaxRows = 5000;

    private readonly NixDatabase _database = new(database);

    /// <summary>The newest id that was ever given; 0 when there was none.</summary>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public long Newest() => _database.Read(sqlite =>
        sqlite.Query("select max(seq) from sqlite_sequence where name = 'ValidPaths'") is [[{ } id]]
            ? long.Parse(id, CultureInfo.InvariantCulture) : 0);

    /// <summary>The next paths after an id: those that were built here, or all that were registered.</summary>
    /// <returns>With the id of the last row; null when there is no further one.</returns>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public (IReadOnlyList<(long Id, StorePath Path)> Rows, long? More) After(long id, bool all) => _database.Read(sqlite =>
    {
        var built = all ? "" : "and ultimate = 1 ";
        var rows = sqlite.Query($"select id, path from ValidPaths where id > ? {built}order by id limit {MaxRows}",
            id.ToString(CultureInfo.InvariantCulture)) ?? throw new SqliteException("it has no table of paths that this version knows");
        var found = new List<(long, StorePath)>();
        foreach (var row in rows)
        {
            if (StorePath.TryParse(row[1], out var path))
                found.Add((long.Parse(row[0]!, CultureInfo.InvariantCulture), path));
        }

        long? last = rows.Count == MaxRows ? long.Parse(rows[^1][0]!, CultureInfo.InvariantCulture) : null;
        return ((IReadOnlyList<(long, StorePath)>)found, last);
    });

    /// <summary>Those of the paths that are in the store.</summary>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public HashSet<StorePath> Valid(IReadOnlyCollection<StorePath> paths) => _database.Read(sqlite =>
        paths.Where(path => sqlite.Query("select 1 from ValidPaths where path = ?", path.ToString())
            is not { } rows || rows.Count > 0).ToHashSet());
}
