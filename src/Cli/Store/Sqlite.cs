using System.Runtime.InteropServices;

namespace OrleansCache.Cli.Store;

/// <summary>SQLite or the database cannot be used; the message is the cause.</summary>
internal sealed class SqliteException(string message) : Exception(message);

/// <summary>Just enough of SQLite to read Nix's database. The library comes with Nix on most systems.</summary>
internal sealed partial class Sqlite : IDisposable
{
    private const string Library = "libsqlite3.so.0";
    private const int OkCode = 0, ErrorCode = 1, OpenReadOnly = 1, OpenReadWriteCreate = 6, OpenUri = 0x40;

    private nint _database;

    private Sqlite(nint database) => _database = database;

    /// <summary>Reads under SQLite's own locks, where whoever writes keeps them too.</summary>
    /// <exception cref="SqliteException">The library or the database is absent, or cannot be read.</exception>
    public static Sqlite Open(string path) => Open(path, OpenReadOnly);

    /// <summary>Reads the file as it is, without a lock and without its log. Nobody may write it meanwhile.</summary>
    /// <inheritdoc cref="Open(string)"/>
    public static Sqlite OpenImmutable(string path) => Open(
        $"file:{Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal)}?immutable=1", OpenReadOnly | OpenUri);

    /// <inheritdoc cref="Open(string)"/>
    public static Sqlite Create(string path) => Open(path, OpenReadWriteCreate);

    /// <summary>Null when there is no such table or column.</summary>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public SqliteStatement? Prepare(string sql) => PrepareV2(_database, sql, -1, out var statement, 0) switch
    {
        OkCode => new SqliteStatement(this, statement),
        ErrorCode when Message().StartsWith("no such ", StringComparison.Ordinal) => null,
        _ => throw new SqliteException(Message()),
    };

    /// <summary>The columns of each row as text; null when there is no such table or column.</summary>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public List<string?[]>? Query(string sql, params ReadOnlySpan<string> parameters)
    {
        using var statement = Prepare(sql);
        if (statement is null)
            return null;
        for (var i = 0; i < parameters.Length; i++)
            statement.Bind(i + 1, parameters[i]);
        var rows = new List<string?[]>();
        while (statement.Step())
        {
            var row = new string?[statement.Columns];
            for (var i = 0; i < row.Length; i++)
                row[i] = statement.IsNull(i) ? null : System.Text.Encoding.UTF8.GetString(statement.Utf8(i));
            rows.Add(row);
        }

        return rows;
    }

    public void Dispose()
    {
        if (_database != 0)
            _ = CloseV2(_database);
        _database = 0;
    }

    /// <summary>Why the last call failed.</summary>
    internal string Message() => Marshal.PtrToStringUTF8(ErrorMessage(_database)) ?? "unknown error";

    private static Sqlite Open(string path, int flags)
    {
        try
        {
            var code = OpenV2(path, out var database, flags, 0);
            var sqlite = new Sqlite(database);
            if (code == OkCode)
            {
                _ = BusyTimeout(database, 5000);
                return sqlite;
            }

            var message = sqlite.Message();
            sqlite.Dispose();
            throw new SqliteException(message);
        }
        catch (DllNotFoundException)
        {
            throw new SqliteException($"{Library} is not on this machine");
        }
    }

    [LibraryImport(Library, EntryPoint = "sqlite3_open_v2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenV2(string path, out nint database, int flags, nint vfs);

    [LibraryImport(Library, EntryPoint = "sqlite3_close_v2")]
    private static partial int CloseV2(nint database);

    [LibraryImport(Library, EntryPoint = "sqlite3_errmsg")]
    private static partial nint ErrorMessage(nint database);

    [LibraryImport(Library, EntryPoint = "sqlite3_busy_timeout")]
    private static partial int BusyTimeout(nint database, int milliseconds);

    [LibraryImport(Library, EntryPoint = "sqlite3_prepare_v2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int PrepareV2(nint database, string sql, int length, out nint statement, nint tail);
}
