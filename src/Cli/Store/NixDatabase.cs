using Microsoft.Win32.SafeHandles;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// Reads Nix's database as one commit left it, while others may write. An ordinary user may neither make the files that SQLite's log needs
/// nor, in most cases, write to them.
/// </summary>
/// <remarks>
/// With a log SQLite's own locks do. Without one nobody has the database open, and the file alone is read. Who opens it meanwhile first
/// makes a log, and may then write pages under our eyes. SQLite's shared lock on the file, which we hold, keeps that log from being
/// deleted: if there is none in the end, no page has changed.
/// </remarks>
internal sealed class NixDatabase(string path)
{
    // SQLite's places in a database: SHARED_FIRST and SHARED_SIZE of its locks; read and write version of the header, 2 with a log.
    private const long SharedFirst = 0x40000002, SharedLength = 510;
    private const int VersionsAt = 18, LogVersion = 2;

    private const int MaxReads = 3;
    private const int MaxLockTries = 100;
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(10);

    /// <summary>For tests: runs before the look that decides whether a read without a log counts.</summary>
    internal Action BeforeLook { get; init; } = () => { };

    /// <param name="read">May run several times; what it returns or throws counts for the last.</param>
    /// <param name="onlyWithLog">Refuses a database without write-ahead log: its writers may lock in a way that keeps nobody out, as Nix
    /// does with <c>use-sqlite-wal = false</c>.</param>
    /// <exception cref="SqliteException">The database cannot be read, or not safely.</exception>
    public T Read<T>(Func<Sqlite, T> read, bool onlyWithLog = false)
    {
        for (var reads = 1; ; reads++)
        {
            using var file = OpenFile();
            Lock(file);
            if (onlyWithLog)
                RequireLog(file);
            if (HasLog)
                return ReadWithLog(read);
            var before = Look(file);
            T found;
            try
            {
                using var sqlite = Sqlite.OpenImmutable(path);
                found = read(sqlite);
                BeforeLook();
            }
            catch (SqliteException) when (reads < MaxReads && HasLog)
            {
                continue; // it may have been the half of a change
            }

            // A file that has taken its place in the meantime has no lock of ours.
            if (!HasLog && Look(file) == before && Look(new FileInfo(path)) == before)
                return found;
            if (reads == MaxReads)
                throw new SqliteException("it changes while it is read");
        }
    }

    private bool HasLog => File.Exists($"{path}-wal") || File.Exists($"{path}-journal");

    private T ReadWithLog<T>(Func<Sqlite, T> read)
    {
        using var sqlite = Sqlite.Open(path);
        _ = sqlite.Query("begin"); // all of it sees one state
        return read(sqlite);
    }

    private SafeFileHandle OpenFile()
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SqliteException("it does not exist, or may not be looked at");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SqliteException(e.Message);
        }
    }

    // Whoever writes in the file itself does so for milliseconds.
    private static void Lock(SafeFileHandle file)
    {
        for (var tries = 1; !ReadLock.TryTake(file, SharedFirst, SharedLength, out var isBusy); tries++)
        {
            if (!isBusy || tries == MaxLockTries)
                throw new SqliteException("it cannot be locked");
            Thread.Sleep(LockPause);
        }
    }

    private void RequireLog(SafeFileHandle file)
    {
        Span<byte> versions = stackalloc byte[2];
        if (RandomAccess.Read(file, versions, VersionsAt) < versions.Length || versions is not [LogVersion, LogVersion]
            || Path.Exists($"{path}.lock"))
            throw new SqliteException("it has no write-ahead log, so that its writers may not heed our lock");
    }

    private static (DateTime Written, long Length) Look(SafeFileHandle file) =>
        (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));

    private static (DateTime Written, long Length) Look(FileInfo file) => file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
}
