using System.Collections.Concurrent;

namespace OrleansCache.Nix;

/// <summary>
/// A rented decompression context at the start of a frame. Dispose gives it back. Frames may follow each other.
/// It uses at most the window that it was rented with, and about 200 kB beside it; what a frame says of its content takes no memory.
/// </summary>
public sealed class ZstdDecompressor : IDisposable
{
    // A window of level 3 is 2 MiB. A context that grew beyond is freed: pooled, it would keep that.
    private const int PooledBytes = 4 << 20;

    private static readonly int PoolLimit = Math.Max(4, Environment.ProcessorCount * 2);
    private static readonly ConcurrentBag<ZstdDecompressor> Pool = [];
    private static int _pooled;

    private readonly nint _context;
    private bool _rented = true;

    private ZstdDecompressor()
    {
        _context = ZstdNative.CreateDecompressor();
        if (_context == 0)
            throw new InvalidOperationException("libzstd could not make a decompression context: out of memory.");
    }

    ~ZstdDecompressor() => _ = ZstdNative.FreeDecompressor(_context);

    /// <summary>True before the first frame and after each: here the data may end.</summary>
    public bool IsAtFrameEnd { get; private set; } = true;

    /// <summary>Its memory was given back, not pooled: for tests.</summary>
    internal bool WasFreed { get; private set; }

    /// <param name="maxWindowLog">A frame whose window is larger than <c>1 &lt;&lt; maxWindowLog</c> bytes is refused: see <see cref="Zstd"/>.</param>
    public static ZstdDecompressor Rent(int maxWindowLog = Zstd.NarWindowLog)
    {
        if (Pool.TryTake(out var decompressor))
            Interlocked.Decrement(ref _pooled);
        else
            decompressor = new ZstdDecompressor();
        decompressor._rented = true;
        ZstdNative.Check(ZstdNative.SetDecompressorParameter(decompressor._context, ZstdNative.WindowLogMax, maxWindowLog));
        return decompressor;
    }

    /// <summary>One step. Call again with more input, or with more room when <paramref name="output"/> was filled.</summary>
    /// <exception cref="InvalidDataException">Not zstd, or damaged.</exception>
    public unsafe void Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        ObjectDisposedException.ThrowIf(!_rented, this);
        if (input.IsEmpty && IsAtFrameEnd)
        {
            // libzstd would say that it wants the next frame's header, and the end would look like a middle.
            (consumed, written) = (0, 0);
            return;
        }

        fixed (byte* source = input, target = output)
        {
            var from = new ZstdNative.Buffer { Data = source, Size = (nuint)input.Length };
            var to = new ZstdNative.Buffer { Data = target, Size = (nuint)output.Length };
            IsAtFrameEnd = ZstdNative.Check(ZstdNative.DecompressStream(_context, &to, &from)) == 0;
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
        var isPooled = ZstdNative.SizeOfDecompressor(_context) <= PooledBytes;
        _ = ZstdNative.ResetDecompressor(_context, ZstdNative.ResetSessionAndParameters);
        IsAtFrameEnd = true;
        if (isPooled && Interlocked.Increment(ref _pooled) <= PoolLimit)
        {
            Pool.Add(this);
            return;
        }

        if (isPooled)
            Interlocked.Decrement(ref _pooled);
        WasFreed = true;
        _ = ZstdNative.FreeDecompressor(_context);
        GC.SuppressFinalize(this);
    }
}
