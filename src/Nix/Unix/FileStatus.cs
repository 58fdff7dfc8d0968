using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>What the system knows of a file.</summary>
/// <param name="Size">In bytes.</param>
internal readonly partial record struct FileStatus(ushort Mode, long Size, uint User, uint Group)
{
    private const uint TypeModeSizeAndOwner = 0x1 | 0x2 | 0x200 | 0x8 | 0x10;
    private const int LinuxNoFollow = 0x100, LinuxEmptyPath = 0x1000, MacNoFollow = 0x20;

    public Libc.FileType Type => (Libc.FileType)(Mode >> 12);

    public bool IsExecutable => (Mode & 0x40) != 0; // by the owner, as Nix asks

    /// <param name="name">Ends with NUL.</param>
    /// <returns>False: <see cref="Platform.LastError"/> says why.</returns>
    public static bool TryGet(int directory, ReadOnlySpan<byte> name, bool follow, out FileStatus status)
    {
        if (Platform.IsMac)
        {
            var code = Platform.IsArm ? MacAt(directory, name, out var found, follow ? 0 : MacNoFollow)
                : IntelMacAt(directory, name, out found, follow ? 0 : MacNoFollow);
            status = Of(found);
            return code == 0;
        }

        var done = StatX(directory, name, follow ? 0 : LinuxNoFollow, TypeModeSizeAndOwner, out var linux) == 0;
        status = Of(linux);
        return done;
    }

    /// <summary>Of an open file.</summary>
    /// <inheritdoc cref="TryGet(int, ReadOnlySpan{byte}, bool, out FileStatus)"/>
    public static bool TryGet(int descriptor, out FileStatus status)
    {
        if (Platform.IsMac)
        {
            var code = Platform.IsArm ? MacOf(descriptor, out var found) : IntelMacOf(descriptor, out found);
            status = Of(found);
            return code == 0;
        }

        var done = StatX(descriptor, "\0"u8, LinuxEmptyPath, TypeModeSizeAndOwner, out var linux) == 0;
        status = Of(linux);
        return done;
    }

    private static FileStatus Of(in LinuxStatus status) => new(status.Mode, status.Size, status.User, status.Group);

    private static FileStatus Of(in MacStatus status) => new(status.Mode, status.Size, status.User, status.Group);

    [LibraryImport(Platform.LinuxOnly, EntryPoint = "statx", SetLastError = true)]
    private static partial int StatX(int directory, ReadOnlySpan<byte> name, int flags, uint mask, out LinuxStatus status);

    [LibraryImport(Platform.MacOnly, EntryPoint = "fstatat", SetLastError = true)]
    private static partial int MacAt(int directory, ReadOnlySpan<byte> name, out MacStatus status, int flags);

    [LibraryImport(Platform.MacOnly, EntryPoint = "fstat", SetLastError = true)]
    private static partial int MacOf(int descriptor, out MacStatus status);

    // On x86-64 the plain names are those of a structure with short inode numbers.
    [LibraryImport(Platform.MacOnly, EntryPoint = "fstatat$INODE64", SetLastError = true)]
    private static partial int IntelMacAt(int directory, ReadOnlySpan<byte> name, out MacStatus status, int flags);

    [LibraryImport(Platform.MacOnly, EntryPoint = "fstat$INODE64", SetLastError = true)]
    private static partial int IntelMacOf(int descriptor, out MacStatus status);

    /// <summary>The kernel's <c>struct statx</c>, the same on every architecture; only what is used has a name.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct LinuxStatus
    {
        [FieldOffset(0x14)]
        public uint User;

        [FieldOffset(0x18)]
        public uint Group;

        [FieldOffset(0x1c)]
        public ushort Mode;

        [FieldOffset(0x28)]
        public long Size;
    }

    /// <summary><c>struct stat</c> of macOS, with 64 bits for an inode's number.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 144)]
    private struct MacStatus
    {
        [FieldOffset(4)]
        public ushort Mode;

        [FieldOffset(16)]
        public uint User;

        [FieldOffset(20)]
        public uint Group;

        [FieldOffset(96)]
        public long Size;
    }
}
