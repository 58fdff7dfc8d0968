using System.Buffers.Binary;

namespace OrleansCache.Nix;

/// <summary>What the headers of zstd data say (RFC 8878, 3.1), read without decompressing anything.</summary>
public static class ZstdFrames
{
    /// <summary>A frame's magic number and its longest header.</summary>
    public const int MaxHeaderLength = 18;

    private const uint Magic = 0xFD2FB528;
    private const uint SkippableMagic = 0x184D2A50;
    private const uint SkippableMask = 0xFFFFFFF0;
    private const int MagicLength = 4;
    private const int RawBlock = 0, RleBlock = 1, CompressedBlock = 2;

    private const string Cut = "it is cut short";

    /// <summary>
    /// The window of the first frame in bytes, which is the memory for decompressing it. Null when <paramref name="start"/> does not start
    /// a frame.
    /// </summary>
    /// <param name="start"><see cref="MaxHeaderLength"/> bytes, or all bytes of shorter data.</param>
    public static ulong? WindowOf(ReadOnlySpan<byte> start) =>
        start.Length >= MagicLength && BinaryPrimitives.ReadUInt32LittleEndian(start) == Magic
            && TryReadHeader(start[MagicLength..], out var header) ? header.Window : null;

    /// <summary>
    /// What keeps a reader without a dictionary from decompressing the data as whole frames in a window of at most <c>1 &lt;&lt;
    /// maxWindowLog</c> bytes; null when nothing does.
    /// </summary>
    public static string? FindFault(ReadOnlySpan<byte> data, int maxWindowLog)
    {
        if (data.IsEmpty)
            return "it is empty";
        while (!data.IsEmpty)
        {
            if (data.Length < MagicLength + 4)
                return Cut;
            var magic = BinaryPrimitives.ReadUInt32LittleEndian(data);
            data = data[MagicLength..];
            if ((magic & SkippableMask) == SkippableMagic)
            {
                var size = BinaryPrimitives.ReadUInt32LittleEndian(data);
                if (size > data.Length - 4)
                    return Cut;
                data = data[(4 + (int)size)..];
                continue;
            }

            if (magic != Magic)
                return "it is not zstd";
            if (!TryReadHeader(data, out var header))
                return Cut;
            if (header.HasDictionary)
                return "it needs a dictionary";
            if (header.Window > 1ul << maxWindowLog)
                return $"its window has {header.Window} bytes, more than {1 << (maxWindowLog - 20)} MiB: compress it at level 19 or " +
                    "below, without a long window";
            if (SkipBlocks(ref data, header) is { } fault)
                return fault;
        }

        return null;
    }

    private static string? SkipBlocks(ref ReadOnlySpan<byte> data, Header header)
    {
        data = data[header.Length..];
        for (var isLast = false; !isLast;)
        {
            if (data.Length < 3)
                return Cut;
            var block = data[0] | (data[1] << 8) | (data[2] << 16);
            isLast = (block & 1) != 0;
            var length = ((block >> 1) & 3) switch
            {
                RawBlock or CompressedBlock => block >> 3,
                RleBlock => 1,
                _ => -1,
            };
            if (length < 0)
                return "it is damaged";
            if (length > data.Length - 3)
                return Cut;
            data = data[(3 + length)..];
        }

        if (data.Length < header.ChecksumLength)
            return Cut;
        data = data[header.ChecksumLength..];
        return null;
    }

    private static bool TryReadHeader(ReadOnlySpan<byte> data, out Header header)
    {
        header = default;
        if (data.IsEmpty)
            return false;
        var descriptor = data[0];
        var isSingle = (descriptor & 0x20) != 0;
        var windowLength = isSingle ? 0 : 1;
        var dictionaryLength = (descriptor & 3) is 3 ? 4 : descriptor & 3;
        var sizeLength = (descriptor >> 6) switch { 0 => isSingle ? 1 : 0, 1 => 2, 2 => 4, _ => 8 };
        var length = 1 + windowLength + dictionaryLength + sizeLength;
        if (data.Length < length)
            return false;

        ulong window;
        if (isSingle)
        {
            Span<byte> size = stackalloc byte[8];
            size.Clear();
            data[(length - sizeLength)..length].CopyTo(size);
            // The two-byte size starts where the one-byte size ends.
            window = BinaryPrimitives.ReadUInt64LittleEndian(size) + (sizeLength == 2 ? 256u : 0);
        }
        else
        {
            var smallest = 1ul << (10 + (data[1] >> 3));
            window = smallest + (smallest / 8 * (data[1] & 7u));
        }

        header = new Header(length, window, dictionaryLength > 0, (descriptor & 4) != 0 ? 4 : 0);
        return true;
    }

    private readonly record struct Header(int Length, ulong Window, bool HasDictionary, int ChecksumLength);
}
