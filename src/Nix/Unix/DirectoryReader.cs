using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>The entries of an open directory, in the order that the system has them, with "." and "..".</summary>
internal ref partial struct DirectoryReader : IDisposable
{
    private const int LinuxHead = 19; // of linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1
    private const int MacLengthAt = 18, MacTypeAt = 20, MacHead = 21; // of dirent: d_ino 8, d_seekoff 8, d_reclen 2, d_namlen 2, d_type 1

    private readonly int _descriptor;
    private readonly ReadOnlySpan<byte> _nameForErrors;
    private readonly Span<byte> _buffer;
    private readonly nint _stream; // macOS
    private Span<byte> _records; // Linux: what is left of the buffer

    /// <param name="descriptor">Stays open.</param>
    /// <param name="buffer">For a few records at least: 4 KiB do.</param>
    public DirectoryReader(int descriptor, ReadOnlySpan<byte> nameForErrors, Span<byte> buffer)
    {
        _descriptor = descriptor;
        _nameForErrors = nameForErrors;
        _buffer = buffer;
        if (!Platform.IsMac)
            return;
        // The stream closes its descriptor.
        var copy = Duplicate(descriptor);
        _stream = copy < 0 ? 0 : Platform.IsArm ? OpenStream(copy) : OpenIntelStream(copy);
        if (_stream != 0)
            return;
        var error = Libc.Error("list", nameForErrors);
        if (copy >= 0)
            _ = Libc.Close(copy);
        throw error;
    }

    /// <param name="name">Without NUL, valid until the next call.</param>
    /// <returns>False at the end.</returns>
    public bool Next(out ReadOnlySpan<byte> name, out Libc.FileType type) =>
        Platform.IsMac ? NextOnMac(out name, out type) : NextOnLinux(out name, out type);

    public readonly void Dispose()
    {
        if (_stream != 0)
            _ = CloseStream(_stream);
    }

    private bool NextOnLinux(out ReadOnlySpan<byte> name, out Libc.FileType type)
    {
        name = default;
        type = Libc.FileType.Unknown;
        if (_records.IsEmpty)
        {
            var count = GetDirectoryEntries(_descriptor, _buffer, _buffer.Length);
            if (count < 0)
                throw Libc.Error("list", _nameForErrors);
            if (count == 0)
                return false;
            _records = _buffer[..(int)count];
        }

        var length = BinaryPrimitives.ReadUInt16LittleEndian(_records[16..]);
        type = (Libc.FileType)_records[LinuxHead - 1];
        name = _records[LinuxHead..length];
        name = name[..name.IndexOf((byte)0)];
        _records = _records[length..];
        return true;
    }

    private readonly unsafe bool NextOnMac(out ReadOnlySpan<byte> name, out Libc.FileType type)
    {
        name = default;
        type = Libc.FileType.Unknown;
        // The end and an error look alike, but for the number of the error.
        var record = (byte*)(Platform.IsArm ? ReadStream(_stream) : ReadIntelStream(_stream));
        if (record == null)
            return Marshal.GetLastPInvokeError() == 0 ? false : throw Libc.Error("list", _nameForErrors);
        type = (Libc.FileType)record[MacTypeAt];
        name = new ReadOnlySpan<byte>(record + MacHead, *(ushort*)(record + MacLengthAt));
        return true;
    }

    [LibraryImport(Platform.LinuxOnly, EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint GetDirectoryEntries(int descriptor, Span<byte> buffer, nint size);

    [LibraryImport(Platform.Libc, EntryPoint = "dup", SetLastError = true)]
    private static partial int Duplicate(int descriptor);

    [LibraryImport(Platform.MacOnly, EntryPoint = "fdopendir", SetLastError = true)]
    private static partial nint OpenStream(int descriptor);

    [LibraryImport(Platform.MacOnly, EntryPoint = "fdopendir$INODE64", SetLastError = true)]
    private static partial nint OpenIntelStream(int descriptor);

    // SetLastError sets the number to 0 before the call.
    [LibraryImport(Platform.MacOnly, EntryPoint = "readdir", SetLastError = true)]
    private static partial nint ReadStream(nint stream);

    [LibraryImport(Platform.MacOnly, EntryPoint = "readdir$INODE64", SetLastError = true)]
    private static partial nint ReadIntelStream(nint stream);

    [LibraryImport(Platform.MacOnly, EntryPoint = "closedir")]
    private static partial int CloseStream(nint stream);
}
