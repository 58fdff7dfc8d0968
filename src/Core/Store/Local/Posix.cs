using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// The few Linux calls that .NET lacks: files without its implicit locks, byte-range locks that belong to an open file (so they hold
/// between threads and processes alike, and end with kill -9), a rename that replaces nothing, and fsync of directories.
/// </summary>
internal static class Posix
{
    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;

    /// <summary>ext2, ext3 and ext4.</summary>
    public const long Ext = 0xEF53;
    public const long Xfs = 0x58465342;
    public const long Btrfs = 0x9123683E;

    private const int KeepSize = 1;
    private const int PunchesHole = 2;
    private const int CloseOnExec = 0x80000;
    private const int OfdSetLock = 37;
    private const short WriteLock = 1;
    private const int RenameNoReplace = 1;
    private const int AtCurrentDirectory = -100;
    private const int NotPermitted = 1;
    private const int Interrupted = 4;
    private const int NoEntry = 2;
    private const int TryAgain = 11;
    private const int NoMemory = 12;
    private const int AccessDenied = 13;
    private const int Exists = 17;
    private const int OtherFileSystem = 18;
    private const int NotDirectory = 20;
    private const int IsDirectory = 21;
    private const int InvalidArgument = 22;
    private const int TooManyFilesInSystem = 23;
    private const int TooManyFiles = 24;
    private const int TooManyLinks = 31;
    private const int NotImplemented = 38;
    private const int NotSupported = 95;

    /// <summary>Opens a file; null when it, or a directory above it, does not exist.</summary>
    public static SafeFileHandle? TryOpen(string path, int flags)
    {
        int fd;
        while ((fd = OpenFile(Text(path), flags | CloseOnExec, 0x1A4 /* 0644 */)) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error is NoEntry or NotDirectory)
                return null;
            if (error != Interrupted)
                throw Failure("open", path, error);
        }

        return new SafeFileHandle(fd, ownsHandle: true);
    }

    public static SafeFileHandle Open(string path, int flags) => TryOpen(path, flags) ?? throw Failure("open", path, NoEntry);

    /// <summary>
    /// Locks bytes of an open file for writing, unless another open file (of this process or another) has a lock on one of them. Closing
    /// the handle unlocks.
    /// </summary>
    /// <param name="length">0: all bytes from <paramref name="start"/> on.</param>
    public static bool TryLock(SafeFileHandle file, long start, long length)
    {
        var range = new FileLock { Type = WriteLock, Whence = 0, Start = start, Length = length };
        while (Fcntl(file, OfdSetLock, ref range) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error is TryAgain or AccessDenied)
                return false;
            if (error != Interrupted)
                throw Failure("lock", "a file of the store", error);
        }

        return true;
    }

    public static void Unlock(SafeFileHandle file, long start, long length)
    {
        var range = new FileLock { Type = 2, Whence = 0, Start = start, Length = length };
        if (Fcntl(file, OfdSetLock, ref range) < 0)
            throw Failure("unlock", "a file of the store", Marshal.GetLastPInvokeError());
    }

    /// <summary>Renames, replacing what is there. False when <paramref name="from"/> or the target's directory does not exist.</summary>
    public static bool TryReplace(string from, string to)
    {
        if (Rename(Text(from), Text(to)) == 0)
            return true;
        var error = Marshal.GetLastPInvokeError();
        return error == NoEntry ? false : throw Failure("rename to", to, error);
    }

    /// <summary>
    /// Renames unless the target exists: atomically, one of several that race wins. Null when the source or the target's directory does not
    /// exist.
    /// </summary>
    public static bool? TryRenameToNew(string from, string to)
    {
        if (Rename2(AtCurrentDirectory, Text(from), AtCurrentDirectory, Text(to), RenameNoReplace) == 0)
            return true;
        var error = Marshal.GetLastPInvokeError();
        if (error is InvalidArgument or NotImplemented)
        {
            // A file system without RENAME_NOREPLACE: a hard link refuses an existing target just as atomically.
            if (Link(Text(from), Text(to)) == 0)
            {
                TryDelete(from);
                return true;
            }

            error = Marshal.GetLastPInvokeError();
        }

        return error switch { Exists => false, NoEntry => null, _ => throw Failure("rename to", to, error) };
    }

    /// <summary>
    /// Gives a file a second name, unless that is taken: atomically. Null: the file system does not do it, so that it takes a copy.
    /// </summary>
    public static LinkOutcome? TryLink(string from, string to) => Link(Text(from), Text(to)) == 0 ? LinkOutcome.Done
        : Marshal.GetLastPInvokeError() switch
        {
            Exists => LinkOutcome.Exists,
            NoEntry => LinkOutcome.Missing,
            OtherFileSystem or NotPermitted or TooManyLinks or NotImplemented or NotSupported => null,
            var error => throw Failure("link to", to, error),
        };

    /// <summary>Deletes a file; nothing when there is no such file.</summary>
    public static void TryDelete(string path)
    {
        if (Unlink(Text(path)) < 0 && Marshal.GetLastPInvokeError() is var error and not (NoEntry or NotDirectory or IsDirectory))
            throw Failure("delete", path, error);
    }

    public static bool FileExists(string path) => Access(Text(path), 0) == 0;

    public static void Flush(SafeFileHandle file, string path)
    {
        while (Fsync(file) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error != Interrupted)
                throw Failure("fsync", path, error);
        }
    }

    /// <summary>
    /// Writes all dirty data on the file system of an open file, and waits for it. Fails when a write has failed since the file was opened.
    /// </summary>
    public static void SyncFileSystem(SafeFileHandle file, string path)
    {
        while (Syncfs(file) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error != Interrupted)
                throw Failure("sync the file system of", path, error);
        }
    }

    /// <summary>
    /// The kernel's number for the kind of file system that holds a path, such as <see cref="Ext"/>; 0 when it does not tell.
    /// </summary>
    public static long FileSystemOf(string path)
    {
        // The kind is the first field, as wide as a pointer; the structure is smaller than this everywhere.
        Span<byte> answer = stackalloc byte[256];
        return Statfs(Text(path), ref MemoryMarshal.GetReference(answer)) == 0 ? (long)MemoryMarshal.Read<nint>(answer) : 0;
    }

    public static void Truncate(SafeFileHandle file, long length, string path)
    {
        while (Ftruncate(file, length) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error != Interrupted)
                throw Failure("truncate", path, error);
        }
    }

    /// <summary>
    /// Frees the space of a file's bytes; they then read as zero. Does nothing where the file system does not support it.
    /// </summary>
    public static void PunchHole(SafeFileHandle file, long offset, long length) =>
        _ = Fallocate(file, KeepSize | PunchesHole, offset, length);

    public static void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset, string path)
    {
        try
        {
            RandomAccess.Write(file, bytes, offset);
        }
        catch (IOException e)
        {
            throw new ObjectStoreException($"cannot write {path}: {e.Message}", isTransient: false, e);
        }
    }

    public static void MakeDirectory(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ObjectStoreException($"cannot create the directory {path}: {e.Message}", isTransient: false, e);
        }
    }

    private static ObjectStoreException Failure(string what, string path, int error)
    {
        var cause = new Win32Exception(error);
        return new($"cannot {what} {path}: {cause.Message}", isTransient: error is TooManyFiles or TooManyFilesInSystem or NoMemory, cause);
    }

    private static byte[] Text(string path)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(path) + 1];
        Encoding.UTF8.GetBytes(path, bytes);
        return bytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int ProcessId;
    }

#pragma warning disable SYSLIB1054, CA5392 // LibraryImport would make the whole assembly unsafe; libc is always the system's.
    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    private static extern int OpenFile(byte[] path, int flags, int mode);

    [DllImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static extern int Fcntl(SafeFileHandle file, int command, ref FileLock range);

    [DllImport("libc", EntryPoint = "rename", SetLastError = true)]
    private static extern int Rename(byte[] from, byte[] to);

    [DllImport("libc", EntryPoint = "renameat2", SetLastError = true)]
    private static extern int Rename2(int fromDirectory, byte[] from, int toDirectory, byte[] to, uint flags);

    [DllImport("libc", EntryPoint = "link", SetLastError = true)]
    private static extern int Link(byte[] from, byte[] to);

    [DllImport("libc", EntryPoint = "unlink", SetLastError = true)]
    private static extern int Unlink(byte[] path);

    [DllImport("libc", EntryPoint = "access", SetLastError = true)]
    private static extern int Access(byte[] path, int mode);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static extern int Fsync(SafeFileHandle file);

    [DllImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static extern int Syncfs(SafeFileHandle file);

    [DllImport("libc", EntryPoint = "statfs", SetLastError = true)]
    private static extern int Statfs(byte[] path, ref byte answer);

    [DllImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static extern int Fallocate(SafeFileHandle file, int mode, long offset, long length);

    [DllImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static extern int Ftruncate(SafeFileHandle file, long length);
#pragma warning restore SYSLIB1054, CA5392
}

/// <summary>The end of a link.</summary>
internal enum LinkOutcome
{
    Done,

    /// <summary>The name is taken.</summary>
    Exists,

    /// <summary>The file, or the directory of its second name, does not exist.</summary>
    Missing,
}
