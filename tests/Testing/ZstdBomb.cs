using System.Text;

namespace OrleansCache.Testing;

/// <summary>Frames of zstd as no compressor writes them: few bytes that hold many.</summary>
public static class ZstdBomb
{
    private const int BlockSize = 128 << 10;

    /// <summary>
    /// A frame that holds <paramref name="before"/>, then <paramref name="size"/> bytes of <paramref name="fill"/>, then
    /// <paramref name="after"/>; four bytes for each 128 KiB.
    /// </summary>
    /// <param name="windowLog">What it says of its window: <c>1 &lt;&lt; windowLog</c> bytes.</param>
    /// <param name="dictionary">The dictionary that it says it needs; 0: none.</param>
    public static byte[] Make(string before, long size, char fill, string after, int windowLog = 23, byte dictionary = 0)
    {
        using var frame = new MemoryStream();
        frame.Write([0x28, 0xB5, 0x2F, 0xFD, (byte)(dictionary == 0 ? 0 : 1), (byte)((windowLog - 10) << 3)]);
        if (dictionary != 0)
            frame.WriteByte(dictionary);
        Block(0, Encoding.UTF8.GetBytes(before), before.Length, isLast: false);
        for (var left = size; left > 0; left -= BlockSize)
            Block(1, [(byte)fill], (int)Math.Min(left, BlockSize), isLast: false);
        Block(0, Encoding.UTF8.GetBytes(after), after.Length, isLast: true);
        return frame.ToArray();

        void Block(int type, byte[] bytes, int length, bool isLast)
        {
            var header = (length << 3) | (type << 1) | (isLast ? 1 : 0);
            frame.Write([(byte)header, (byte)(header >> 8), (byte)(header >> 16)]);
            frame.Write(bytes);
        }
    }
}
