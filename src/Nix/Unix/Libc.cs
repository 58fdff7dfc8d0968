using System.Runtime.InteropServices;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// The file system by bytes. A file name of Linux is any bytes but NUL and '/'; .NET's own API replaces what is not UTF-8 and cannot
/// open such a file. Names passed in must end with NUL. Errors are <see cref="IOException"/> made by <see cref="Error"/>.
/// </summary>
internal static partial class Libc
{
    public const int MaxSymlinkTarget = 4096; // PATH_MAX of Linux, with its NUL; macOS has less

    public const int ReadOnly = 0;

    public static readonly int AtCurrentDirectory = Platform.IsMac ? -2 : -100;

    /// <summary>O_WRONLY | O_CREAT | O_EXCL.</summary>
    public static readonly int CreateNew = Platform.IsMac ? 1 | 0x200 | 0x800 : 1 | 0x40 | 0x80;

    public static readonly int CloseOnExec = Platform.IsMac ? 0x1000000 : 0x80000;

    /// <summary>O_DIRECTORY and O_NOFOLLOW have other values on Linux for Arm than on Linux for x86.</summary>
    public static readonly int Directory = Platform.IsMac ? 0x100000 : Platform.IsArm ? 0x4000 : 0x10000;

    /// <inheritdoc cref="Directory"/>
    public static readonly int NoFollow = Platform.IsMac ? 0x100 : Platform.IsArm ? 0x8000 : 0x20000;

    private const int Exists = 17;

    private static readonly int TooManyLinks = Platform.IsMac ? 62 : 40;

    /// <summary>As a directory and, shifted, a file's mode say it, on both systems.</summary>
    public enum FileType
    {
        Unknown = 0,
        Directory = 4,
        Regular = 8,
        Symlink = 10,
    }

    /// <returns>A file descriptor.</returns>
    public static int Open(int directory, ReadOnlySpan<byte> name, int flags, int mode = 0)
    {
        int descriptor;
        do
        {
            descriptor = Platform.IsMac && Platform.IsArm ? OpenAtOnAppleArm(directory, name, flags | CloseOnExec, 0, 0, 0, 0, 0, mode)
                : OpenAt(directory, name, flags | CloseOnExec, mode);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Platform.Interrupted);
        return descriptor >= 0 ? descriptor : throw Error("open", name);
    }

    /// <summary>Of a name, whose last part is not followed.</summary>
    public static FileStatus StatusOf(int directory, ReadOnlySpan<byte> name) =>
        FileStatus.TryGet(directory, name, follow: false, out var status) ? status : throw Error("stat", name);

    /// <summary>Of an open file.</summary>
    public static FileStatus StatusOf(int descriptor, ReadOnlySpan<byte> nameForErrors, bool open) =>
        FileStatus.TryGet(descriptor, out var status) ? status : throw Error("stat", nameForErrors);

    /// <returns>The bytes read; 0 at the end.</returns>
    public static int Read(int descriptor, Span<byte> buffer, ReadOnlySpan<byte> nameForErrors)
    {
        nint count;
        do
        {
            count = ReadFile(descriptor, buffer, buffer.Length);
        }
        while (count < 0 && Marshal.GetLastPInvokeError() == Platform.Interrupted);
        return count >= 0 ? (int)count : throw Error("read", nameForErrors);
    }

    public static void Write(int descriptor, ReadOnlySpan<byte> data, ReadOnlySpan<byte> nameForErrors)
    {
        while (!data.IsEmpty)
        {
            var count = WriteFile(descriptor, data, data.Length);
            if (count >= 0)
                data = data[(int)count..];
            else if (Marshal.GetLastPInvokeError() != Platform.Interrupted)
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

    [LibraryImport(Platform.Libc, EntryPoint = "close")]
    public static partial int Close(int descriptor);

    public static byte[] ToPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return path.Contains('\0') ? throw new ArgumentException("A path has no NUL.", nameof(path)) : Encoding.UTF8.GetBytes(path + '\0');
    }

    /// <summary>A name for people: without its NUL, what is not UTF-8 replaced.</summary>
    public static string Text(ReadOnlySpan<byte> name) => Encoding.UTF8.GetString(name.TrimEnd((byte)0));

    internal static IOException Error(string action, ReadOnlySpan<byte> name)
    {
        var code = Marshal.GetLastPInvokeError();
        var reason = code switch
        {
            Exists => "it exists already",
            _ when code == TooManyLinks => "it became a symbolic link meanwhile",
            _ => Marshal.GetPInvokeErrorMessage(code),
        };
        return new IOException($"Cannot {action} '{Text(name)}': {reason}.", code);
    }

    [LibraryImport(Platform.Libc, EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(int directory, ReadOnlySpan<byte> name, int flags, int mode);

    // openat takes any number of arguments, and Apple passes those that have no name on the stack, which begins after eight.
    [LibraryImport(Platform.MacOnly, EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAtOnAppleArm(
        int directory, ReadOnlySpan<byte> name, nint flags, nint _3, nint _4, nint _5, nint _6, nint _7, nint mode);

    [LibraryImport(Platform.Libc, EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadFile(int descriptor, Span<byte> buffer, nint size);

    [LibraryImport(Platform.Libc, EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteFile(int descriptor, ReadOnlySpan<byte> buffer, nint size);

    [LibraryImport(Platform.Libc, EntryPoint = "readlinkat", SetLastError = true)]
    private static partial nint ReadLinkAt(int directory, ReadOnlySpan<byte> name, Span<byte> buffer, nint size);

    [LibraryImport(Platform.Libc, EntryPoint = "mkdirat", SetLastError = true)]
    private static partial int MakeDirectoryAt(int directory, ReadOnlySpan<byte> name, int mode);

    [LibraryImport(Platform.Libc, EntryPoint = "symlinkat", SetLastError = true)]
    private static partial int SymlinkAt(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name);
}
