using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// Finds closures in the tables of Nix's database, which have been the same since schema 10 (Nix 2.0): a path's row and its references,
/// breadth first. What is not in the form that Nix writes is refused, as only Nix knows what it makes of it.
/// </summary>
internal sealed class ClosureRows : IDisposable
{
    private const string Schema = "10";

    private readonly SqliteStatement _id, _row, _references;
    private readonly Dictionary<long, int> _indexes = [];
    private readonly List<long> _ids = [];

    /// <exception cref="SqliteException">The tables are not those that this version knows.</exception>
    public ClosureRows(Sqlite sqlite)
    {
        _id = Prepare(sqlite, "select id from ValidPaths where path = ?");
        _row = Prepare(sqlite, "select path, hash, narSize, deriver, ca, sigs from ValidPaths where id = ?");
        _references = Prepare(sqlite, "select reference from Refs where referrer = ?");
    }

    /// <exception cref="SqliteException">The file beside the database names another version of the tables, or none.</exception>
    public static void RequireSchema(string database)
    {
        var file = Path.Combine(Path.GetDirectoryName(database)!, "schema");
        string schema;
        try
        {
            schema = File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SqliteException($"its schema is not known: {e.Message}");
        }

        if (schema != Schema)
            throw new SqliteException($"it has the schema {schema}; this version knows {Schema}");
    }

    /// <summary>All paths reachable from the roots, each once; the roots come first.</summary>
    /// <exception cref="SqliteException">A root is not in the store, or a row is not what Nix writes.</exception>
    public Dictionary<StorePathHash, PathInfo> Find(IEnumerable<StorePath> roots, CancellationToken cancellationToken)
    {
        foreach (var root in roots)
        {
            _id.Bind(1, root.ToString());
            if (!_id.Step())
                throw new SqliteException($"it does not have {root}");
            IndexOf(_id.Int64(0));
            _id.Reset();
        }

        var found = new List<(PathInfo Info, int[] References)>();
        while (found.Count < _ids.Count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var id = _ids[found.Count];
            found.Add((Row(id), References(id)));
        }

        var closure = new Dictionary<StorePathHash, PathInfo>(found.Count);
        foreach (var (info, indexes) in found)
        {
            var references = new StorePathHash[indexes.Length];
            for (var i = 0; i < indexes.Length; i++)
                references[i] = found[indexes[i]].Info.Path.Hash;
            Array.Sort(references); // as Nix tells them
            if (!closure.TryAdd(info.Path.Hash, info with { References = references }))
                throw new SqliteException($"it has two paths of the hash {info.Path.Hash}");
        }

        return closure;
    }

    public void Dispose()
    {
        _id.Dispose();
        _row.Dispose();
        _references.Dispose();
    }

    private static SqliteStatement Prepare(Sqlite sqlite, string sql) =>
        sqlite.Prepare(sql) ?? throw new SqliteException($"it has no tables that this version knows ({sqlite.Message()})");

    private int IndexOf(long id)
    {
        if (_indexes.TryGetValue(id, out var index))
            return index;
        _indexes.Add(id, _ids.Count);
        _ids.Add(id);
        return _ids.Count - 1;
    }

    private int[] References(long id)
    {
        _references.Bind(1, id);
        var indexes = new List<int>();
        while (_references.Step())
            indexes.Add(IndexOf(_references.Int64(0)));
        _references.Reset();
        return [.. indexes];
    }

    private PathInfo Row(long id)
    {
        _row.Bind(1, id);
        if (!_row.Step())
            throw new SqliteException($"it has no row {id}, to which another refers");
        var path = Text(0)!;
        var info = new PathInfo
        {
            Path = Parse(path),
            NarHash = Sha256Hash.TryParse(Text(1), out var hash) ? hash : throw Odd("hash", path),
            NarSize = _row.Int64(2) is >= 0 and var size ? size : throw Odd("size", path),
            References = [],
            Deriver = Text(3) is { } deriver ? Parse(deriver) : null,
            Ca = Text(4) is { } ca ? ContentAddress.TryParse(ca, out _) ? ca : throw Odd("content address", path) : null,
            Signatures = Text(5) is { Length: > 0 } signatures ? Signatures(signatures, path) : [],
        };
        _row.Reset();
        return info;
    }

    private string? Text(int column) => _row.IsNull(column) ? null : Encoding.UTF8.GetString(_row.Utf8(column));

    private static StorePath Parse(string text) => text.StartsWith(StorePath.StoreDir, StringComparison.Ordinal)
        && StorePath.TryParse(text, out var path) ? path : throw new SqliteException($"it has the path '{text}'");

    // As Nix tells them: each once, in the order of PathInfoJson.
    private static string[] Signatures(string text, string path)
    {
        var signatures = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct().Order(StringComparer.Ordinal).ToArray();
        return Array.TrueForAll(signatures, signature => signature.Contains(':', StringComparison.Ordinal)) ? signatures
            : throw Odd("signature", path);
    }

    private static SqliteException Odd(string what, string path) => new($"it has a {what} of {path} that this version does not know");
}
