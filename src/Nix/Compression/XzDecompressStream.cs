using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>
/// Decompresses xz with liblzma; several streams one after the other are one file. Data that needs more memory than allowed is refused:
/// <c>xz -9</c> needs 65 MiB; the default, <c>xz -6</c>, needs 9.
/// </summary>
public sealed unsafe partial class XzDecompressStream : NativeDecompressStream
{
    private const string Library = "liblzma.so.5";
    private const int MaxMemory = 128 << 20;
    private const uint Concatenated = 0x08;
    private const int Run = 0, Finish = 3;
    private const int Ok = 0, StreamEnd = 1, MemoryError = 5, MemoryLimit = 6, BufferError = 10;

    private readonly int _maxMemory;
    private LzmaStream* _lzma;

    /// <param name="inner">Stays open.</param>
    /// <param name="maxMemory">The most bytes for decompressing.</param>
    public XzDecompressStream(Stream inner, int maxMemory = MaxMemory) : base(inner)
    {
        _maxMemory = maxMemory;
        _lzma = (LzmaStream*)NativeMemory.AllocZeroed((nuint)sizeof(LzmaStream));
        if (StreamDecoder(_lzma, (ulong)maxMemory, Concatenated) != Ok)
            throw new InvalidOperationException("liblzma could not be initialised.");
    }

    protected override (int Taken, int Given, bool Ended) Decode(ReadOnlySpan<byte> input, Span<byte> output, bool isLast)
    {
        fixed (byte* from = input, to = output)
        {
            _lzma->NextIn = from;
            _lzma->AvailableIn = (nuint)input.Length;
            _lzma->NextOut = to;
            _lzma->AvailableOut = (nuint)output.Length;
            var result = Code(_lzma, isLast ? Finish : Run);
            var (taken, given) = (input.Length - (int)_lzma->AvailableIn, output.Length - (int)_lzma->AvailableOut);
            return result switch
            {
                Ok => (taken, given, false),
                StreamEnd => (taken, given, true),
                // With room in the output and no more input, liblzma waits for bytes that do not come.
                BufferError when !isLast => (taken, given, false),
                BufferError => throw new InvalidDataException("the xz data ends too early"),
                MemoryLimit =>
                    throw new InvalidDataException(
                    $"the xz data needs more than {_maxMemory >> 20} MiB to be decompressed: compress it with a smaller dictionary, at a lower level"),
                MemoryError => throw new InsufficientMemoryException("liblzma got no memory"),
                _ => throw new InvalidDataException("the data is not xz, or it is damaged"),
            };
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (_lzma != null)
        {
            End(_lzma);
            NativeMemory.Free(_lzma);
            _lzma = null;
        }

        base.Dispose(disposing);
    }

    // lzma_stream of lzma/base.h; the fields after AvailableOut are the library's own.
    [StructLayout(LayoutKind.Sequential)]
    private struct LzmaStream
    {
        public byte* NextIn;
        public nuint AvailableIn;
        public ulong TotalIn;
        public byte* NextOut;
        public nuint AvailableOut;
        public ulong TotalOut;
        public fixed ulong Own[12];
    }

    [LibraryImport(Library, EntryPoint = "lzma_stream_decoder")]
    private static partial int StreamDecoder(LzmaStream* stream, ulong memoryLimit, uint flags);

    [LibraryImport(Library, EntryPoint = "lzma_code")]
    private static partial int Code(LzmaStream* stream, int action);

    [LibraryImport(Library, EntryPoint = "lzma_end")]
    private static partial void End(LzmaStream* stream);
}
