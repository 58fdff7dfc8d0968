using System.Buffers;

namespace OrleansCache.Nix;

/// <summary>zstd of whole buffers. Contexts come from a pool: making one costs more than compressing a small NAR.</summary>
public static class Zstd
{
    /// <summary>This product's level unless another is given: zstd's own default.</summary>
    public const int DefaultLevel = 3;

    /// <summary>NARs have windows of at most <c>1 &lt;&lt; NarWindowLog</c> bytes, 128 MiB, as level 22 uses.</summary>
    public const int NarWindowLog = 27;

    /// <summary>All else that a client sends (bodies, listings, logs) has windows of at most 8 MiB, as level 19 uses.</summary>
    public const int BodyWindowLog = 23;

    /// <summary>Name and version of the library in use; when it is not libzstd, also what to do about that.</summary>
    public static string Library => IsNative
        ? ZstdLibrary.Current.Name
        : $"{ZstdLibrary.Current.Name}, as libzstd.so.1 cannot be loaded: compressing takes 1.65 times its processor time, decompressing " +
            "2.5 times. Install it (Debian: libzstd1)";

    /// <summary>True when it is libzstd.</summary>
    public static bool IsNative => ZstdLibrary.Current is NativeZstd;

    /// <summary>The largest size that <paramref name="byteCount"/> bytes can compress to.</summary>
    public static int CompressBound(int byteCount) => checked((int)ZstdLibrary.Current.CompressBound((nuint)byteCount));

    /// <summary>One frame, with its content size in the header.</summary>
    public static byte[] Compress(ReadOnlySpan<byte> data, int level = DefaultLevel)
    {
        using var compressor = ZstdCompressor.Rent(level);
        var frame = ArrayPool<byte>.Shared.Rent(CompressBound(data.Length));
        try
        {
            return frame.AsSpan(0, compressor.CompressFrame(data, frame)).ToArray();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    /// <summary>Decompresses all frames. Memory grows with the real output: the size that a frame claims is ignored.</summary>
    /// <param name="data">One or more whole frames.</param>
    /// <param name="maxSize">The most bytes; more is refused before it is produced.</param>
    /// <param name="maxWindowLog">See <see cref="BodyWindowLog"/>.</param>
    /// <exception cref="InvalidDataException">The data is not zstd, damaged, cut short, larger than <paramref name="maxSize"/>, or has a
    /// larger window.</exception>
    public static byte[] Decompress(ReadOnlySpan<byte> data, int maxSize, int maxWindowLog = NarWindowLog)
    {
        using var decompressor = ZstdDecompressor.Rent(maxWindowLog);
        var limit = Math.Min(maxSize + 1L, Array.MaxLength); // one more than allowed tells a full buffer from a bomb
        var buffer = new byte[Math.Min(limit, Math.Max(4096, 4L * data.Length))];
        var filled = 0;
        while (true)
        {
            decompressor.Decompress(data, buffer.AsSpan(filled), out var consumed, out var written);
            data = data[consumed..];
            filled += written;
            if (filled > maxSize)
                throw new InvalidDataException($"The zstd data holds more than the {maxSize} bytes allowed here.");
            if (filled == buffer.Length)
                Array.Resize(ref buffer, (int)Math.Min(limit, 2L * buffer.Length));
            else if (data.IsEmpty)
                break; // with room left, nothing more can come out of what was taken
        }

        decompressor.RequireFrameEnd();
        return filled == buffer.Length ? buffer : buffer[..filled];
    }
}
