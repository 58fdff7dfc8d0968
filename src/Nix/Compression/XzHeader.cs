namespace OrleansCache.Nix;

/// <summary>What the first block of an xz file says (the .xz file format, 2.1.1 and 3.1).</summary>
public static class XzHeader
{
    /// <summary>Longer than any header that liblzma writes.</summary>
    public const int MaxLength = 64;

    private const int StreamHeaderLength = 12;
    private const ulong Lzma2 = 0x21;

    /// <summary>
    /// The dictionary of the first block, in bytes, which is most of the memory for decompressing. Null when it cannot be determined.
    /// </summary>
    /// <param name="start"><see cref="MaxLength"/> bytes, or all bytes of a shorter file.</param>
    public static ulong? DictionaryOf(ReadOnlySpan<byte> start)
    {
        if (!start.StartsWith((ReadOnlySpan<byte>)[0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0])
            || start.Length < StreamHeaderLength + 2)
            return null;
        var flags = start[StreamHeaderLength + 1];
        var rest = start[(StreamHeaderLength + 2)..];
        // The compressed and uncompressed sizes of the block are optional.
        foreach (var bit in (ReadOnlySpan<int>)[0x40, 0x80])
        {
            if ((flags & bit) != 0 && ReadNumber(ref rest) is null)
                return null;
        }

        for (var filter = 0; filter <= (flags & 3); filter++)
        {
            if (ReadNumber(ref rest) is not { } id || ReadNumber(ref rest) is not { } length || length > (ulong)rest.Length)
                return null;
            if (id == Lzma2)
                return length == 1 && rest[0] < 40 ? (2ul | (rest[0] & 1u)) << ((rest[0] / 2) + 11) : null;
            rest = rest[(int)length..];
        }

        return null;
    }

    // Seven bits a byte, the lowest first.
    private static ulong? ReadNumber(ref ReadOnlySpan<byte> data)
    {
        var number = 0ul;
        for (var i = 0; i < 9 && i < data.Length; i++)
        {
            number |= (ulong)(data[i] & 0x7F) << (7 * i);
            if ((data[i] & 0x80) == 0)
            {
                data = data[(i + 1)..];
                return number;
            }
        }

        return null;
    }
}
