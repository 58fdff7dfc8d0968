using System.Runtime.InteropServices;

namespace OrleansCache.Cli.Store;

/// <summary>
/// A statement that runs any number of times: bind, step through its rows, reset. Columns count from 0, parameters from 1.
/// </summary>
internal sealed unsafe partial class SqliteStatement(Sqlite sqlite, nint statement) : IDisposable
{
    private const string Library = "libsqlite3.so.0";
    private const int RowCode = 100, DoneCode = 101, NullType = 5;
    private const nint Transient = -1; // SQLite makes a copy

    private nint _statement = statement;

    public int Columns => ColumnCount(_statement);

    public void Bind(int parameter, string value) => _ = BindText(_statement, parameter, value, -1, Transient);

    public void Bind(int parameter, long value) => _ = BindInt64(_statement, parameter, value);

    /// <returns>False: there is no further row.</returns>
    /// <exception cref="SqliteException">The database cannot be read.</exception>
    public bool Step() => StepOne(_statement) switch
    {
        RowCode => true,
        DoneCode => false,
        _ => throw new SqliteException(sqlite.Message()),
    };

    public bool IsNull(int column) => ColumnType(_statement, column) == NullType;

    public long Int64(int column) => ColumnInt64(_statement, column);

    /// <summary>Until the next step. Empty for null.</summary>
    public ReadOnlySpan<byte> Utf8(int column)
    {
        var text = ColumnText(_statement, column); // before the length, which is that of the form asked for last
        return new ReadOnlySpan<byte>(text, ColumnBytes(_statement, column));
    }

    public void Reset() => _ = ResetRows(_statement);

    public void Dispose()
    {
        if (_statement != 0)
            _ = Finalize(_statement);
        _statement = 0;
    }

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_text", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int BindText(nint statement, int index, string value, int length, nint destructor);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_int64")]
    private static partial int BindInt64(nint statement, int index, long value);

    [LibraryImport(Library, EntryPoint = "sqlite3_step")]
    private static partial int StepOne(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_reset")]
    private static partial int ResetRows(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_count")]
    private static partial int ColumnCount(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_type")]
    private static partial int ColumnType(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_int64")]
    private static partial long ColumnInt64(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_text")]
    private static partial byte* ColumnText(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_bytes")]
    private static partial int ColumnBytes(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_finalize")]
    private static partial int Finalize(nint statement);
}
