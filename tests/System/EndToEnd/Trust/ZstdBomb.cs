using System.Buffers.Binary;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// A frame of zstd, written by hand: blocks of one byte again and again, 128 KiB in four bytes each, and as large a window as one likes.
/// </summary>
internal static class ZstdBomb
{
    private const int BlockSize = 128 << 10;
    private const int SmallestWindowLog = 10;

    /// <param name="first">What it begins with, as it is.</param>
    /// <param name="filling">The byte that follows.</param>
    /// <param name="mebibytes">How much follows.</param>
    /// <param name="windowLog">What a decoder has to keep: 2 to this power, in bytes.</param>
    /// <param name="isWhole">Whether the frame ends.</param>
    public static byte[] Make(ReadOnlySpan<byte> first, byte filling, int mebibytes, int windowLog, bool isWhole = false)
    {
        using var frame = new MemoryStream();
        frame.Write([0x28, 0xB5, 0x2F, 0xFD, 0x00, (byte)((windowLog - SmallestWindowLog) << 3)]);
        Block(first.Length, type: 0, isLast: false);
        frame.Write(first);
        var blocks = mebibytes * ((1 << 20) / BlockSize);
        for (var i = 0; i < blocks; i++)
        {
            Block(BlockSize, type: 1, isWhole && i == blocks - 1);
            frame.WriteByte(filling);
        }

        return frame.ToArray();

        void Block(int size, int type, bool isLast)
        {
            Span<byte> header = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(header, (size << 3) | (type << 1) | (isLast ? 1 : 0));
            frame.Write(header[..3]);
        }
    }
}
