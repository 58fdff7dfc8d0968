using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>The numbers of open files.</summary>
internal static partial class Descriptors
{
    private const int GetDescriptorFlags = 1, CloseOnExec = 1, ReadWrite = 2;

    /// <summary>
    /// This program got it from the one that has started it: an inherited descriptor is never close-on-exec, and one that the runtime has
    /// opened since always is.
    /// </summary>
    public static bool IsInherited(int descriptor) => Control(descriptor, GetDescriptorFlags) is var flags
        && flags >= 0 && (flags & CloseOnExec) == 0;

    /// <summary>Opens /dev/null, which children inherit, under the lowest number that is free.</summary>
    /// <returns>A file descriptor; negative: none is to be had.</returns>
    public static int OpenNull() => Open("/dev/null", ReadWrite);

    [LibraryImport(Platform.Libc, EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);

    [LibraryImport(Platform.Libc, EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
