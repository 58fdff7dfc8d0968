using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>A file in memory, from which a library can be loaded. Linux alone has them.</summary>
internal static partial class MemoryFile
{
    private const uint CloseOnExec = 0x1, Executable = 0x10;

    /// <returns>A file descriptor; null where there is none to be had.</returns>
    public static int? TryCreate(string name)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        // Linux before 6.3 does not know the second flag, and allows execution without it.
        var file = Create(name, CloseOnExec | Executable);
        if (file < 0)
            file = Create(name, CloseOnExec);
        return file < 0 ? null : file;
    }

    /// <summary>A path for the loader, valid while the file is open.</summary>
    public static string PathOf(int file) => $"/proc/self/fd/{file}";

    [LibraryImport(Platform.LinuxOnly, EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Create(string name, uint flags);
}
