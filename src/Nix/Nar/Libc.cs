using System.Runtime.InteropServices;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// The file system by bytes. A Linux file name is any bytes but NUL and '/'; .NET's own API replaces what is not UTF-8 and cannot
/// open such a file. Names passed in must end with NUL. Errors are <see cref="IOException"/> made by <see cref="Error"/>.
/// </summary>
internal static partial class Libc
{
    public const int AtCurrentDirectory = -100;
    public const int MaxSymlinkTarget = 4096; // PATH_MAX, with its NUL

    public const int ReadOnly = 0;
    public const int CreateNew = 1 | 0x40 | 0x80; // O_WRONLY | O_CREAT | O_EXCL
    public const int CloseOnExec = 0x80000;

    /// <summary>O_DIRECTORY and O_NOFOLLOW have other values on Arm than on x86.</summary>
    public static readonly int Directory = IsArm ? 0x4000 : 0x10000;

    /// <inheritdoc cref="Directory"/>
    public static readonly int NoFollow = IsArm ? 0x8000 : 0x20000;

    private const string Library = "libc.so.6";
    private const int SymlinkNoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const uint TypeModeSize = 0x1 | 0x2 | 0x200;
    private const int Interrupted = 4;
    private const int Exists = 17;
    private const int TooManyLinks = 40;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public enum FileType
    {
        Unknown = 0,
        Directory = 4,
        Regular = 8,
        Symlink = 10,
    }

    /// <summary>The kernel's <c>struct statx</c>, the same on every architecture; only what is used has a name.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Status
    {
        [FieldOffset(0x1c)]
        public ushort Mode;

        [FieldOffset(0x28)]
        public long Size;

        public readonly FileType Type => (FileType)(Mode >> 12);

        public readonly bool IsExecutable => (Mode & 0x40) != 0; // by the owner, as Nix asks
    }

    /// <returns>A file descriptor.</returns>
    public static int Open(int directory, ReadOnlySpan<byte> name, int flags, int mode = 0)
    {
        int descriptor;
        do
        {
            descriptor = OpenAt(directory, name, flags | CloseOnExec, mode);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Interrupted);
        return descriptor >= 0 ? descriptor : throw Error("open", name);
    }

    public static Status StatusOf(int directory, ReadOnlySpan<byte> name) =>
        StatX(directory, name, SymlinkNoFollow, TypeModeSize, out var status) == 0 ? status : throw Error("stat", name);

    public static Status StatusOf(int descriptor, ReadOnlySpan<byte> nameForErrors, bool open) =>
        StatX(descriptor, "\0"u8, EmptyPath, TypeModeSize, out var status) == 0 ? status : throw Error("stat", nameForErrors);

    /// <returns>The bytes read; 0 at the end.</returns>
    public static int Read(int descriptor, Span<byte> buffer, ReadOnlySpan<byte> nameForErrors)
    {
        nint count;
        do
        {
            count = ReadFile(descriptor, buffer, buffer.Length);
        }
        while (count < 0 && Marshal.GetLastPInvokeError() == Interrupted);
        return count >= 0 ? (int)count : throw Error("read", nameForErrors);
    }

    public static void Write(int descriptor, ReadOnlySpan<byte> data, ReadOnlySpan<byte> nameForErrors)
    {
        while (!data.IsEmpty)
        {
            var count = WriteFile(descriptor, data, data.Length);
            if (count >= 0)
                data = data[(int)count..];
            else if (Marshal.GetLastPInvokeError() != Interrupted)
                throw Error("write", nameForErrors);
        }
    }

    /// <returns>The target's length in <paramref name="target"/>.</returns>
    public static int ReadLink(int directory, ReadOnlySpan<byte> name, Span<byte> target)
    {
        var count = ReadLinkAt(directory, name, target, target.Length);
        if (count < 0)
            throw Error("read the symbolic link", name);
        return count < target.Length ? (int)count
            : throw new IOException($"The target of '{Text(name)}' is longer than {target.Length - 1} bytes.");
    }

    /// <summary>Records of the kernel's <c>linux_dirent64</c>; 0 at the end.</summary>
    public static int ReadDirectory(int descriptor, Span<byte> buffer, ReadOnlySpan<byte> nameForErrors)
    {
        var count = GetDirectoryEntries(descriptor, buffer, buffer.Length);
        return count >= 0 ? (int)count : throw Error("list", nameForErrors);
    }

    public static void MakeDirectory(int parent, ReadOnlySpan<byte> name, int mode)
    {
        if (MakeDirectoryAt(parent, name, mode) < 0)
            throw Error("make the directory", name);
    }

    public static void MakeSymlink(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name)
    {
        if (SymlinkAt(target, directory, name) < 0)
            throw Error("make the symbolic link", name);
    }

    [LibraryImport(Library, EntryPoint = "close")]
    public static partial int Close(int descriptor);

    public static byte[] ToPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return path.Contains('\0') ? throw new ArgumentException("A path has no NUL.", nameof(path)) : Encoding.UTF8.GetBytes(path + '\0');
    }

    /// <summary>A name for people: without its NUL, what is not UTF-8 replaced.</summary>
    public static string Text(ReadOnlySpan<byte> name) => Encoding.UTF8.GetString(name.TrimEnd((byte)0));

    private static IOException Error(string action, ReadOnlySpan<byte> name)
    {
        var code = Marshal.GetLastPInvokeError();
        var reason = code switch
        {
            Exists => "it exists already",
            TooManyLinks => "it became a symbolic link meanwhile",
            _ => Marshal.GetPInvokeErrorMessage(code),
        };
        return new IOException($"Cannot {action} '{Text(name)}': {reason}.", code);
    }

    [LibraryImport(Library, EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(int directory, ReadOnlySpan<byte> name, int flags, int mode);

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true)]
    private static partial int StatX(int directory, ReadOnlySpan<byte> name, int flags, uint mask, out Status status);

    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadFile(int descriptor, Span<byte> buffer, nint size);

    [LibraryImport(Library, EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteFile(int descriptor, ReadOnlySpan<byte> buffer, nint size);

    [LibraryImport(Library, EntryPoint = "readlinkat", SetLastError = true)]
    private static partial nint ReadLinkAt(int directory, ReadOnlySpan<byte> name, Span<byte> buffer, nint size);

    [LibraryImport(Library, EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint GetDirectoryEntries(int descriptor, Span<byte> buffer, nint size);

    [LibraryImport(Library, EntryPoint = "mkdirat", SetLastError = true)]
    private static partial int MakeDirectoryAt(int directory, ReadOnlySpan<byte> name, int mode);

    [LibraryImport(Library, EntryPoint = "symlinkat", SetLastError = true)]
    private static partial int SymlinkAt(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name);
}
