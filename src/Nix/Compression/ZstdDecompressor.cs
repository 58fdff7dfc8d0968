namespace OrleansCache.Nix;

/// <summary>
/// A rented decompression context at the start of a frame. Disposing gives it back. Frames may follow each other. It takes at most the
/// window that it was rented with and about 200 kB; the size that a frame claims takes no memory.
/// </summary>
public sealed class ZstdDecompressor : IDisposable
{
    // A window of level 3 has 2 MiB. A context that grew beyond this is freed, as the pool would keep its memory.
    private const int PooledBytes = 4 << 20;

    private readonly ZstdLibrary _zstd;
    private readonly nint _context;
    private bool _rented = true;

    private ZstdDecompressor(ZstdLibrary zstd)
    {
        _zstd = zstd;
        _context = _zstd.CreateDecompressor();
        if (_context == 0)
            throw new InvalidOperationException("zstd could not make a decompression context: out of memory.");
    }

    ~ZstdDecompressor() => _ = _zstd.FreeDecompressor(_context);

    /// <summary>True before the first frame and after each: the data may end here.</summary>
    public bool IsAtFrameEnd { get; private set; } = true;

    /// <summary>For tests: its memory was freed, not pooled.</summary>
    internal bool WasFreed { get; private set; }

    /// <param name="maxWindowLog">A frame whose window is larger than <c>1 &lt;&lt; maxWindowLog</c> bytes is refused: see
    /// <see cref="Zstd"/>.</param>
    public static ZstdDecompressor Rent(int maxWindowLog = Zstd.NarWindowLog)
    {
        var zstd = ZstdLibrary.Current;
        if (!zstd.Decompressors.TryTake(out var decompressor))
            decompressor = new ZstdDecompressor(zstd);
        decompressor._rented = true;
        zstd.Check(zstd.SetDecompressorParameter(decompressor._context, ZstdLibrary.WindowLogMax, maxWindowLog));
        return decompressor;
    }

    /// <summary>One step. Call again with more input, or with more room when <paramref name="output"/> was filled.</summary>
    /// <exception cref="InvalidDataException">Not zstd, or damaged.</exception>
    public unsafe void Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        ObjectDisposedException.ThrowIf(!_rented, this);
        if (input.IsEmpty && IsAtFrameEnd)
        {
            // libzstd would ask for the next frame's header, and the end would look like the middle of a frame.
            (consumed, written) = (0, 0);
            return;
        }

        fixed (byte* source = input, target = output)
        {
            var from = new ZstdLibrary.Buffer { Data = source, Size = (nuint)input.Length };
            var to = new ZstdLibrary.Buffer { Data = target, Size = (nuint)output.Length };
            IsAtFrameEnd = _zstd.Check(_zstd.DecompressStream(_context, &to, &from)) == 0;
            (consumed, written) = ((int)from.Position, (int)to.Position);
        }
    }

    /// <exception cref="InvalidDataException">The data ended in the middle of a frame.</exception>
    public void RequireFrameEnd()
    {
        if (!IsAtFrameEnd)
            throw new InvalidDataException("The zstd data is cut short: it ends in the middle of a frame.");
    }

    public void Dispose()
    {
        if (!_rented)
            return;
        _rented = false;
        var isPooled = _zstd.SizeOfDecompressor(_context) <= PooledBytes;
        _ = _zstd.ResetDecompressor(_context, ZstdLibrary.ResetSessionAndParameters);
        IsAtFrameEnd = true;
        if (isPooled && _zstd.Decompressors.TryAdd(this))
            return;
        WasFreed = true;
        _ = _zstd.FreeDecompressor(_context);
        GC.SuppressFinalize(this);
    }
}
