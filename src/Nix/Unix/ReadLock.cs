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
    private const int TryAgain = 11, Denied = 13; // EAGAIN, EACCES

    /// <summary>Does not wait.</summary>
    /// <param name="isBusy">Somebody has a lock to write there. Else the file system has no locks, or this is macOS.</param>
    public static bool TryTake(SafeFileHandle file, long start, long length, out bool isBusy)
    {
        isBusy = false;
        if (Platform.IsMac)
            return false;
        var range = new FileRange { Type = Read, Whence = FromBeginning, Start = start, Length = length };
        if (Control(file, SetOpenFileLock, ref range) == 0)
            return true;
        isBusy = Marshal.GetLastPInvokeError() is TryAgain or Denied;
        return false;
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
