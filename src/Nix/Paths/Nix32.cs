namespace OrleansCache.Nix;

/// <summary>
/// Nix's base 32: the alphabet without <c>e o u t</c>; the bytes are a number from last to first, with its most significant digit first. So
/// two encodings sort as their byte strings do when read backwards.
/// </summary>
public static class Nix32
{
    private const string Alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
    private const int GroupBytes = 5;
    private const int GroupCharacters = 8;
    private const byte No = 0x80;

    /// <summary>How many characters encode <paramref name="byteCount"/> bytes: 32 for 20 bytes, 52 for 32.</summary>
    public static int EncodedLength(int byteCount) => (byteCount * 8 + 4) / 5;

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        var length = EncodedLength(bytes.Length);
        var text = length <= 128 ? stackalloc char[length] : new char[length];
        Encode(bytes, text);
        return new string(text);
    }

    /// <summary>Writes exactly <see cref="EncodedLength"/> characters to <paramref name="text"/>.</summary>
    public static void Encode(ReadOnlySpan<byte> bytes, Span<char> text)
    {
        var end = EncodedLength(bytes.Length);
        while (end > 0)
        {
            // Each group of five bytes, or the rest, becomes the eight characters before those already written.
            var count = Math.Min(bytes.Length, GroupBytes);
            var group = 0ul;
            for (var i = 0; i < count; i++)
                group |= (ulong)bytes[i] << (8 * i);
            bytes = bytes[count..];
            for (var written = 0; written < GroupCharacters && end > 0; written++, group >>= 5)
                text[--end] = Alphabet[(int)group & 31];
        }
    }

    /// <summary>
    /// Decodes exactly <c>bytes.Length</c> bytes. False when the length does not fit, a character is not of the alphabet,
    /// or the bits beyond the last byte are not zero; <paramref name="bytes"/> is then undefined.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        if (text.Length != EncodedLength(bytes.Length))
            return false;
        // A closure has tens of thousands of hashes, and branches on their digits cannot be predicted. So this uses a table, and one check
        // at the end.
        int seen = 0, end = text.Length;
        while (end > 0)
        {
            var group = 0ul;
            for (var bit = 0; bit < GroupBytes * 8 && end > 0; bit += 5)
            {
                var c = text[--end];
                var digit = c < Digits.Length ? Digits[c] : No;
                seen |= digit;
                group |= (ulong)digit << bit;
            }

            var count = Math.Min(bytes.Length, GroupBytes);
            for (var i = 0; i < count; i++, group >>= 8)
                bytes[i] = (byte)group;
            bytes = bytes[count..];
            if (count < GroupBytes && group != 0)
                return false;
        }

        return seen < No;
    }

    /// <summary>The digit of each character from 0 to 127.</summary>
    private static ReadOnlySpan<byte> Digits =>
    [
        No, No, No, No, No, No, No, No, No, No, No, No, No, No, No, No,
        No, No, No, No, No, No, No, No, No, No, No, No, No, No, No, No,
        No, No, No, No, No, No, No, No, No, No, No, No, No, No, No, No,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, No, No, No, No, No, No,
        No, No, No, No, No, No, No, No, No, No, No, No, No, No, No, No,
        No, No, No, No, No, No, No, No, No, No, No, No, No, No, No, No,
        No, 10, 11, 12, 13, No, 14, 15, 16, 17, 18, 19, 20, 21, 22, No,
        23, 24, 25, 26, No, No, 27, 28, 29, 30, 31, No, No, No, No, No,
    ];
}
