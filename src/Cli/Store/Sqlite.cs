using System.Runtime.InteropServices;

namespace OrleansCache.Cli.Store;

/// <summary>Just enough of SQLite to read a few columns of Nix's database. The library comes with Nix on most systems; where it cannot be loaded, <see cref="TryOpen"/> says so.</summary>
internal sealed unsafe partial class Sqlite : IDisposable
{
    private const string Library = "libsqlite3.so.0";
    private const int OkCode = 0, RowCode = 100, DoneCode = 101, OpenReadOnly = 1, OpenReadWriteCreate = 6;

    private nint _database;

    private Sqlite(nint database) => _database = database;

    /// <summary>Null when the library or the database is not there or cannot be read.</summary>
    public static Sqlite? TryOpen(string path, bool create = false)
    {
        try
        {
            if (OpenV2(path, out var database, create ? OpenReadWriteCreate : OpenReadOnly, 0) == OkCode)
            {
                _ = BusyTimeout(database, 5000);
                return new Sqlite(database);
            }

            _ = CloseV2(database);
            return null;
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Every row's columns as text, or null when the statement cannot be prepared or run (there is no such table).</summary>
    public List<string?[]>? Query(string sql, params ReadOnlySpan<string> parameters)
    {
        if (PrepareV2(_database, sql, -1, out var statement, 0) != OkCode)
            return null;
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

            return code == DoneCode ? rows : null;
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

    [LibraryImport(Library, EntryPoint = "sqlite3_open_v2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenV2(string path, out nint database, int flags, nint vfs);

    [LibraryImport(Library, EntryPoint = "sqlite3_close_v2")]
    private static partial int CloseV2(nint database);

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
