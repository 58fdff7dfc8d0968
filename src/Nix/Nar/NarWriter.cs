using System.Buffers;
using System.Buffers.Binary;

namespace OrleansCache.Nix;

/// <summary>
/// Writes the NAR of a file-system path, byte for byte as <c>nix-store --dump</c> does.
/// <para>
/// The core is synchronous: reading files is, and a NAR of ten thousand tiny files is ten thousand short system calls that no task should
/// sit between. Give it a thread (<see cref="WriteAsync"/> takes one of the pool) and a chain of streams that each take spans:
/// <c>NarWriter → HashingStream (NAR hash) → ZstdCompressStream → HashingStream (file hash) → what keeps or sends the bytes</c>.
/// Then a NAR passes once, in pieces of 256 KiB that stay in the processor's cache, with memory that does not depend on its size.
/// A slow reader at the end is felt as a Write that blocks.
/// </para>
/// </summary>
public static class NarWriter
{
    /// <summary>With fewer free bytes than this, the buffer is passed on, instead of being filled by small reads of a large file.</summary>
    public const int BufferReserve = 64 << 10;

    /// <param name="path">A file, a directory or a symbolic link, which is not followed.</param>
    /// <param name="sink">Gets the NAR by synchronous writes of up to the buffer's size. Not closed.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <param name="handler">Receives all but the contents.</param>
    /// <param name="cancellationToken">Checked between files and between pieces of them.</param>
    /// <exception cref="IOException">A file could not be read, changed its size meanwhile, or is of a kind that NARs do not
    /// have.</exception>
    public static NarSummary Write(
        string path, Stream sink, NarWriteOptions? options = null, INarHandler? handler = null,
        CancellationToken cancellationToken = default)
    {
        using var walk = new WriteWalk(sink, handler, options ?? NarWriteOptions.Default, cancellationToken);
        walk.Run(path);
        return new NarSummary(walk.Finish(), walk.MaxDepth);
    }

    /// <inheritdoc cref="Write"/>
    public static Task<NarSummary> WriteAsync(
        string path, Stream sink, NarWriteOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Write(path, sink, options, null, cancellationToken), cancellationToken);

    /// <summary>The exact size of the NAR in bytes, from the files' sizes alone.</summary>
    /// <exception cref="IOException">As for <see cref="Write"/>.</exception>
    public static long Measure(string path, NarWriteOptions? options = null, CancellationToken cancellationToken = default) =>
        Inspect(path, null, options, cancellationToken).NarSize;

    /// <summary>Size and depth of the NAR without reading a file; the handler, if any, receives all but the contents.</summary>
    /// <exception cref="IOException">As for <see cref="Write"/>.</exception>
    public static NarSummary Inspect(
        string path, INarHandler? handler = null, NarWriteOptions? options = null, CancellationToken cancellationToken = default)
    {
        var walk = new MeasureWalk(handler, options ?? NarWriteOptions.Default, cancellationToken);
        walk.Run(path);
        return new NarSummary(walk.Position, walk.MaxDepth);
    }

    private sealed class WriteWalk(Stream sink, INarHandler? handler, NarWriteOptions options, CancellationToken cancellationToken)
        : TreeWalk(options.CaseHack, cancellationToken), IDisposable
    {
        private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(options.BufferSize);
        private int _used;
        private long _passedOn;
        private bool _begun;

        public long Finish()
        {
            PassOn();
            return _passedOn;
        }

        public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

        protected override void BeginDirectory()
        {
            Put(NarFormat.DirectoryHead);
            handler?.BeginDirectory();
        }

        protected override void EndDirectory()
        {
            Put(NarFormat.Close);
            handler?.EndDirectory();
        }

        protected override void BeginEntry(ReadOnlySpan<byte> name)
        {
            Put(NarFormat.EntryHead);
            PutString(name);
            Put(NarFormat.EntryNode);
            handler?.BeginEntry(name);
        }

        protected override void EndEntry()
        {
            Put(NarFormat.Close);
            handler?.EndEntry();
        }

        protected override void Symlink(ReadOnlySpan<byte> target)
        {
            Put(NarFormat.SymlinkHead);
            PutString(target);
            Put(NarFormat.Close);
            handler?.Symlink(target);
        }

        protected override void File(int directory, ReadOnlySpan<byte> name)
        {
            var descriptor = Libc.Open(directory, name, Libc.ReadOnly | Libc.NoFollow);
            try
            {
                var status = Libc.StatusOf(descriptor, name, open: true);
                if (status.Type != Libc.FileType.Regular)
                    throw new IOException($"'{Libc.Text(name)}' is no longer a file: it was replaced while its directory was read.");
                Put(status.IsExecutable ? NarFormat.ExecutableHead : NarFormat.FileHead);
                PutLength(status.Size);
                handler?.BeginFile(status.IsExecutable, status.Size, _passedOn + _used);
                Contents(descriptor, status.Size, name);
                PutZeros(NarFormat.Padding(status.Size));
                Put(NarFormat.Close);
                handler?.EndFile();
            }
            finally
            {
                _ = Libc.Close(descriptor);
            }
        }

        /// <summary>Asks for one byte more than the size, so that the same call shows whether the file has grown.</summary>
        private void Contents(int descriptor, long size, ReadOnlySpan<byte> name)
        {
            var left = size;
            while (true)
            {
                if (_buffer.Length - _used < Math.Min(left + 1, BufferReserve))
                {
                    PassOn();
                    ThrowIfCancelled();
                }

                var wanted = (int)Math.Min(left + 1, _buffer.Length - _used);
                var count = Libc.Read(descriptor, _buffer.AsSpan(_used, wanted), name);
                if (count > left || (count == 0 && left > 0))
                {
                    throw new IOException(
                        $"'{Libc.Text(name)}' changed while it was read: it had {size} bytes and now has " +
                            $"{(count > left ? "more" : "fewer")}. A store path must not change; check who writes there.");
                }

                _used += count;
                left -= count;
                if (left == 0 && count < wanted)
                    return;
            }
        }

        private void PutString(ReadOnlySpan<byte> text)
        {
            PutLength(text.Length);
            Put(text);
            PutZeros(NarFormat.Padding(text.Length));
        }

        private void PutLength(long length) => BinaryPrimitives.WriteInt64LittleEndian(Room(8), length);

        private void PutZeros(int count) => Room(count).Clear();

        private void Put(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Room(bytes.Length));

        private Span<byte> Room(int count)
        {
            if (!_begun)
            {
                _begun = true;
                Put(NarFormat.Magic);
            }

            if (_buffer.Length - _used < count)
                PassOn();
            _used += count;
            return _buffer.AsSpan(_used - count, count);
        }

        private void PassOn()
        {
            if (_used > 0)
                sink.Write(_buffer.AsSpan(0, _used));
            _passedOn += _used;
            _used = 0;
        }
    }

    private sealed class MeasureWalk(INarHandler? handler, NarWriteOptions options, CancellationToken cancellationToken)
        : TreeWalk(options.CaseHack, cancellationToken)
    {
        public long Position { get; private set; } = NarFormat.Magic.Length;

        protected override void BeginDirectory()
        {
            Position += NarFormat.DirectoryHead.Length;
            handler?.BeginDirectory();
        }

        protected override void EndDirectory()
        {
            Position += NarFormat.Close.Length;
            handler?.EndDirectory();
        }

        protected override void BeginEntry(ReadOnlySpan<byte> name)
        {
            Position += NarFormat.EntryHead.Length + NarFormat.StringSize(name.Length) + NarFormat.EntryNode.Length;
            handler?.BeginEntry(name);
        }

        protected override void EndEntry()
        {
            Position += NarFormat.Close.Length;
            handler?.EndEntry();
        }

        protected override void Symlink(ReadOnlySpan<byte> target)
        {
            Position += NarFormat.SymlinkHead.Length + NarFormat.StringSize(target.Length) + NarFormat.Close.Length;
            handler?.Symlink(target);
        }

        protected override void File(int directory, ReadOnlySpan<byte> name)
        {
            var status = Libc.StatusOf(directory, name);
            if (status.Type != Libc.FileType.Regular)
                throw new IOException($"'{Libc.Text(name)}' is no longer a file: it was replaced while its directory was read.");
            var head = status.IsExecutable ? NarFormat.ExecutableHead : NarFormat.FileHead;
            handler?.BeginFile(status.IsExecutable, status.Size, Position + head.Length + 8);
            Position += head.Length + NarFormat.StringSize(status.Size) + NarFormat.Close.Length;
            handler?.EndFile();
        }
    }
}
