using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OrleansCache.Nix;

/// <summary>
/// A lock of a part of a file against who would write there. It belongs to the open file, so that it lasts until that is closed: a lock
/// of the process would end when anything in it closes the same file.
/// </summary>
internal static partial class ReadLock
{
    private const int SetOpenFileLock = 37; // F_OFD_SETLK
    private const short Read = 0, FromBeginning = 0; // F_RDLCK, SEEK_SET

    /// <summary>Does not wait.</summary>
    /// <returns>False: somebody writes there, or the file system has no locks. Always so on macOS.</returns>
    public static bool TryTake(SafeFileHandle file, long start, long length)
    {
        if (Platform.IsMac)
            return false;
        var range = new FileRange { Type = Read, Whence = FromBeginning, Start = start, Length = length };
        return Control(file, SetOpenFileLock, ref range) == 0;
    }

    // Only macOS passes an argument without a name otherwise than one with a name.
    [LibraryImport(Platform.LinuxOnly, EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, ref FileRange range);

    /// <summary><c>struct flock</c> of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FileRange
    {
        public short Type, Whence;
        public long Start, Length;
        public int Process; // zero, or the call is refused
    }
}
