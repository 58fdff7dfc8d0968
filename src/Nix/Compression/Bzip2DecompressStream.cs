using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>Decompresses bzip2 with libbz2; several streams one after the other are one file.</summary>
public sealed unsafe partial class Bzip2DecompressStream : NativeDecompressStream
{
    private const string Library = "libbz2.so.1";
    private const int Ok = 0, StreamEnd = 4, MemoryError = -3;

    private BzStream* _bz;
    private bool _isOpen;
    private bool _any;

    public Bzip2DecompressStream(Stream inner) : base(inner) => _bz = (BzStream*)NativeMemory.AllocZeroed((nuint)sizeof(BzStream));

    protected override (int Taken, int Given, bool Ended) Decode(ReadOnlySpan<byte> input, Span<byte> output, bool isLast)
    {
        if (!_isOpen)
        {
            // Between two streams, or before the first.
            if (input.IsEmpty)
                return _any && isLast ? (0, 0, true) : throw new InvalidDataException("the bzip2 data is empty");
            *_bz = default;
            if (Init(_bz, 0, 0) != Ok)
                throw new InsufficientMemoryException("libbz2 got no memory");
            (_isOpen, _any) = (true, true);
        }

        fixed (byte* from = input, to = output)
        {
            _bz->NextIn = from;
            _bz->AvailableIn = (uint)input.Length;
            _bz->NextOut = to;
            _bz->AvailableOut = (uint)output.Length;
            var result = Decompress(_bz);
            var (taken, given) = (input.Length - (int)_bz->AvailableIn, output.Length - (int)_bz->AvailableOut);
            switch (result)
            {
                case Ok when isLast && taken == 0 && given == 0:
                    throw new InvalidDataException("the bzip2 data ends too early");
                case Ok:
                    return (taken, given, false);
                case StreamEnd:
                    CloseStream();
                    return (taken, given, isLast && taken == input.Length);
                case MemoryError:
                    throw new InsufficientMemoryException("libbz2 got no memory");
                default:
                    throw new InvalidDataException("the data is not bzip2, or it is damaged");
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (_bz != null)
        {
            CloseStream();
            NativeMemory.Free(_bz);
            _bz = null;
        }

        base.Dispose(disposing);
    }

    private void CloseStream()
    {
        if (_isOpen)
            _ = End(_bz);
        _isOpen = false;
    }

    // bz_stream of bzlib.h.
    [StructLayout(LayoutKind.Sequential)]
    private struct BzStream
    {
        public byte* NextIn;
        public uint AvailableIn;
        public uint TotalInLow;
        public uint TotalInHigh;
        public byte* NextOut;
        public uint AvailableOut;
        public uint TotalOutLow;
        public uint TotalOutHigh;
        public void* State;
        public void* Allocate;
        public void* Free;
        public void* Opaque;
    }

    [LibraryImport(Library, EntryPoint = "BZ2_bzDecompressInit")]
    private static partial int Init(BzStream* stream, int verbosity, int small);

    [LibraryImport(Library, EntryPoint = "BZ2_bzDecompress")]
    private static partial int Decompress(BzStream* stream);

    [LibraryImport(Library, EntryPoint = "BZ2_bzDecompressEnd")]
    private static partial int End(BzStream* stream);
}
