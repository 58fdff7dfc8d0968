using System.Runtime.InteropServices;

namespace OrleansCache.Cli.Store;

/// <summary>SQLite or the database cannot be used; the message is the cause.</summary>
internal sealed class SqliteException(string message) : Exception(message);

/// <summary>Just enough of SQLite to read a few columns of Nix's database. The library comes with Nix on most systems.</summary>
internal sealed unsafe partial class Sqlite : IDisposable
{
    private const string Library = "libsqlite3.so.0";
    private const int OkCode = 0, ErrorCode = 1, RowCode = 100, DoneCode = 101, OpenReadOnly = 1, OpenReadWriteCreate = 6, OpenUri = 0x40;

    private nint _database;

    private Sqlite(nint database) => _database = database;

    /// <exception cref="SqliteException">The library or the database is absent, or cannot be read.</exception>
    public static Sqlite Open(string path, bool create = false)
    {
        try
        {
            if (create)
                return Open(path, OpenReadWriteCreate);
            if (!File.Exists(path))
                throw new SqliteException("it does not exist, or may not be looked at");
            // In WAL mode SQLite makes files beside a database that nobody has open, which few users may do there. Without a log the file
            // is complete and nobody changes it.
            return File.Exists(path + "-wal") || File.Exists(path + "-journal") ? Open(path, OpenReadOnly)
                : Open($"file:{Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal)}?immutable=1",
                OpenReadOnly | OpenUri);
        }
        catch (DllNotFoundException)
        {
            throw new SqliteException($"{Library} is not on this machine");
        }
    }

    /// <summary>The columns of each row as text; null when there is no such table or column.</summary>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public List<string?[]>? Query(string sql, params ReadOnlySpan<string> parameters)
    {
        if (PrepareV2(_database, sql, -1, out var statement, 0) is var prepared && prepared != OkCode)
            return prepared == ErrorCode && Message().StartsWith("no such ", StringComparison.Ordinal) ? null
                : throw new SqliteException(Message());
        try
        {
            for (var i = 0; i < parameters.Length; i++)
                _ = BindText(statement, i + 1, parameters[i], -1, -1); // SQLite makes a copy
            var rows = new List<string?[]>();
            int code;
            while ((code = Step(statement)) == RowCode)
            {
                var row = new string?[ColumnCount(statement)];
                for (var i = 0; i < row.Length; i++)
                    row[i] = Marshal.PtrToStringUTF8(ColumnText(statement, i));
                rows.Add(row);
            }

            return code == DoneCode ? rows : throw new SqliteException(Message());
        }
        finally
        {
            _ = Finalize(statement);
        }
    }

    public void Dispose()
    {
        if (_database != 0)
            _ = CloseV2(_database);
        _database = 0;
    }

    private static Sqlite Open(string path, int flags)
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

    private string Message() => Marshal.PtrToStringUTF8(ErrorMessage(_database)) ?? "unknown error";

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

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_text", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int BindText(nint statement, int index, string value, int length, nint destructor);

    [LibraryImport(Library, EntryPoint = "sqlite3_step")]
    private static partial int Step(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_count")]
    private static partial int ColumnCount(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_text")]
    private static partial nint ColumnText(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_finalize")]
    private static partial int Finalize(nint statement);
}
