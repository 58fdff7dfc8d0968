namespace OrleansCache.Nix;

/// <summary>What a call of <see cref="ZstdCompressor.Compress"/> asks for beyond taking input.</summary>
public enum ZstdEnd
{
    /// <summary>More input follows.</summary>
    Continue = 0,

    /// <summary>Output all input so far.</summary>
    Flush = 1,

    /// <summary>The frame ends after this input.</summary>
    Frame = 2,
}

/// <summary>
/// A rented compression context at the start of a frame, set to one level and worker count. Disposing gives it back. Not for two threads at
/// once.
/// </summary>
public sealed class ZstdCompressor : IDisposable
{
    private readonly ZstdLibrary _zstd;
    private readonly nint _context;
    private (int Level, int Workers, int JobSize, bool Checksum)? _settings;
    private bool _rented = true;

    private ZstdCompressor(ZstdLibrary zstd)
    {
        _zstd = zstd;
        _context = _zstd.CreateCompressor();
        if (_context == 0)
            throw new InvalidOperationException("zstd could not make a compression context: out of memory.");
    }

    ~ZstdCompressor() => _ = _zstd.FreeCompressor(_context);

    /// <param name="level">1 to 19 (22 with much memory); negative ones are faster still.</param>
    /// <param name="workers">
    /// 0: compress on the calling thread. Else that many threads of libzstd's own compress while the caller goes on; worth it from some MB
    /// on, already with one, which spares zstd what makes small steps slow. Such contexts are freed rather than pooled.
    /// </param>
    /// <param name="jobSize">Bytes that a worker takes at once; it holds some six times as many. 0: four windows, which is 8 MiB at level
    /// 3.</param>
    /// <param name="checksum">Adds a few bytes to the frame that show damage to its reader; of no use where a better hash is compared
    /// anyway.</param>
    public static ZstdCompressor Rent(int level = Zstd.DefaultLevel, int workers = 0, int jobSize = 0, bool checksum = true)
    {
        var zstd = ZstdLibrary.Current;
        if (workers != 0 || !zstd.Compressors.TryTake(out var compressor))
            compressor = new ZstdCompressor(zstd);
        compressor._rented = true;
        compressor.Configure(level, workers, jobSize, checksum);
        return compressor;
    }

    /// <summary>Sets the length of the frame's content, which its header then tells readers. Before the first input only.</summary>
    public void SetPledgedSize(long size) => _zstd.Check(_zstd.SetPledgedSize(Context, (ulong)size));

    /// <summary>Compresses <paramref name="data"/> into one frame.</summary>
    /// <returns>The bytes written.</returns>
    /// <exception cref="InvalidDataException"><paramref name="frame"/> is too small; <see cref="Zstd.CompressBound"/> bytes always
    /// suffice.</exception>
    public unsafe int CompressFrame(ReadOnlySpan<byte> data, Span<byte> frame)
    {
        fixed (byte* source = data, target = frame)
            return (int)_zstd.Check(_zstd.Compress(Context, target, (nuint)frame.Length, source, (nuint)data.Length));
    }

    /// <summary>One step of a stream.</summary>
    /// <returns>
    /// For <see cref="ZstdEnd.Flush"/> and <see cref="ZstdEnd.Frame"/>: true when it is done, false when it must be called again with room
    /// in
    /// <paramref name="output"/>. For <see cref="ZstdEnd.Continue"/>: true when all input was taken.
    /// </returns>
    public unsafe bool Compress(ReadOnlySpan<byte> input, Span<byte> output, ZstdEnd end, out int consumed, out int written)
    {
        fixed (byte* source = input, target = output)
        {
            var from = new ZstdLibrary.Buffer { Data = source, Size = (nuint)input.Length };
            var to = new ZstdLibrary.Buffer { Data = target, Size = (nuint)output.Length };
            var left = _zstd.Check(_zstd.CompressStream(Context, &to, &from, (int)end));
            (consumed, written) = ((int)from.Position, (int)to.Position);
            return end == ZstdEnd.Continue ? consumed == input.Length : left == 0;
        }
    }

    /// <summary>Drops an unfinished frame; the next input begins a new one.</summary>
    public void Reset() => _zstd.Check(_zstd.ResetCompressor(Context, ZstdLibrary.ResetSession));

    public void Dispose()
    {
        if (!_rented)
            return;
        _rented = false;
        if (_settings is { Workers: 0 })
        {
            // About 1.3 MB at level 3.
            _ = _zstd.ResetCompressor(_context, ZstdLibrary.ResetSession);
            if (_zstd.Compressors.TryAdd(this))
                return;
        }

        _ = _zstd.FreeCompressor(_context);
        GC.SuppressFinalize(this);
    }

    private nint Context => _rented ? _context : throw new ObjectDisposedException(nameof(ZstdCompressor));

    private void Configure(int level, int workers, int jobSize, bool checksum)
    {
        if (_settings == (level, workers, jobSize, checksum))
            return;
        _zstd.Check(_zstd.SetParameter(_context, ZstdLibrary.CompressionLevel, level));
        _zstd.Check(_zstd.SetParameter(_context, ZstdLibrary.Workers, workers));
        if (workers > 0)
            _zstd.Check(_zstd.SetParameter(_context, ZstdLibrary.JobSize, jobSize));
        _zstd.Check(_zstd.SetParameter(_context, ZstdLibrary.ChecksumFlag, checksum ? 1 : 0));
        _settings = (level, workers, jobSize, checksum);
    }
}
