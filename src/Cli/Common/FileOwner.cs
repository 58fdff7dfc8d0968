using System.Runtime.InteropServices;

namespace OrleansCache.Cli.Common;

/// <summary>The user and the group that a file belongs to, which .NET has no name for.</summary>
internal static partial class FileOwner
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint UserAndGroup = 0x8 | 0x10; // STATX_UID | STATX_GID

    // struct statx is the same on all architectures.
    private const int Size = 256, UserAt = 20, GroupAt = 24;

    /// <summary>Makes a file belong to whom another one belongs to.</summary>
    /// <exception cref="IOException">This user may not do that.</exception>
    public static void Copy(string from, string to)
    {
        if (!OperatingSystem.IsLinux())
            return;
        var owner = Of(from);
        if (owner != Of(to) && ChangeOwner(to, owner.User, owner.Group) != 0)
            throw new IOException($"{from} belongs to another user or group, and would no longer if this user replaced it: run the " +
                $"command as the user that it belongs to, or as root ({Reason()})");
    }

    internal static (uint User, uint Group) Of(string path)
    {
        Span<byte> buffer = stackalloc byte[Size];
        return Statx(CurrentFolder, path, 0, UserAndGroup, buffer) == 0
            ? (MemoryMarshal.Read<uint>(buffer[UserAt..]), MemoryMarshal.Read<uint>(buffer[GroupAt..]))
            : throw new IOException($"whom {path} belongs to cannot be found out ({Reason()})");
    }

    private static string Reason() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> buffer);

    [LibraryImport("libc", EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);
}
