using System.Collections.Concurrent;

namespace OrleansCache.Nix;

/// <summary>
/// A rented decompression context at the start of a frame. Dispose gives it back. Frames may follow each other.
/// It uses at most the 128 MiB window that libzstd allows by default, and about 100 kB beside it.
/// </summary>
public sealed class ZstdDecompressor : IDisposable
{
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

    public static ZstdDecompressor Rent()
    {
        if (!Pool.TryTake(out var decompressor))
            return new ZstdDecompressor();
        Interlocked.Decrement(ref _pooled);
        decompressor._rented = true;
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
        // All parameters too, so that a large window of a former frame is not kept beyond it.
        _ = ZstdNative.ResetDecompressor(_context, ZstdNative.ResetSessionAndParameters);
        IsAtFrameEnd = true;
        if (Interlocked.Increment(ref _pooled) <= PoolLimit)
        {
            Pool.Add(this);
            return;
        }

        Interlocked.Decrement(ref _pooled);
        _ = ZstdNative.FreeDecompressor(_context);
        GC.SuppressFinalize(this);
    }
}
