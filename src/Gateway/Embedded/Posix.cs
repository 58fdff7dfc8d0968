using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OrleansCache.Gateway.Embedded;

/// <summary>The few system calls that .NET has no name for.</summary>
internal static partial class Posix
{
    public const int SigInt = 2;
    public const int SigQuit = 3;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    private const int SetDescriptorFlags = 2;
    private const int CloseOnExec = 1;
    // O_DIRECTORY | O_CLOEXEC. x86-64 and the generic ABI share both values; arm64 has another O_DIRECTORY.
    private const int OpenDirectoryFlags = 0x10000 | 0x80000;
    private const int OpenDirectoryFlagsArm = 0x4000 | 0x80000;

    /// <summary>Keeps the programs that we start from inheriting a descriptor that was passed to us.</summary>
    public static void CloseOnExecution(int descriptor)
    {
        if (fcntl(descriptor, SetDescriptorFlags, CloseOnExec) != 0)
            throw new IOException($"descriptor {descriptor}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    public static bool Signal(int pid, int signal) => kill(pid, signal) == 0;

    public static void ChangeOwner(string path, uint user, uint group)
    {
        if (chown(path, user, group) != 0)
            throw new IOException($"chown {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>A handle on a folder; <c>/proc/self/fd/N</c> is then a short name for it.</summary>
    public static SafeFileHandle OpenDirectory(string path)
    {
        var flags = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? OpenDirectoryFlagsArm
            : OpenDirectoryFlags;
        var descriptor = open(path, flags);
        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException($"open {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, int value);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint user, uint group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);
}
