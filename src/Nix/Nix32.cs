namespace OrleansCache.Nix;

/// <summary>
/// Nix's base 32: the alphabet without <c>e o u t</c>, the number read from its last byte to its first, most significant digit first.
/// So the text order of two encodings is the order of the byte strings read backwards.
/// </summary>
public static class Nix32
{
    private const string Alphabet = "0123456789abcdfghijklmnpqrsvwxyz";

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
        for (var n = EncodedLength(bytes.Length) - 1; n >= 0; n--)
        {
            var bit = n * 5;
            var at = bit / 8;
            var digit = bytes[at] >> (bit % 8);
            if (at + 1 < bytes.Length)
                digit |= bytes[at + 1] << (8 - bit % 8);
            text[text.Length - 1 - n] = Alphabet[digit & 31];
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
        bytes.Clear();
        for (var n = 0; n < text.Length; n++)
        {
            var digit = Digit(text[text.Length - 1 - n]);
            if (digit < 0)
                return false;
            var bit = n * 5;
            var at = bit / 8;
            bytes[at] |= (byte)(digit << (bit % 8));
            var carry = digit >> (8 - bit % 8);
            if (at + 1 < bytes.Length)
                bytes[at + 1] |= (byte)carry;
            else if (carry != 0)
                return false;
        }

        return true;
    }

    private static int Digit(char c) => c switch
    {
        >= '0' and <= '9' => c - '0',
        >= 'a' and <= 'd' => c - 'a' + 10,
        >= 'f' and <= 'n' => c - 'f' + 14,
        >= 'p' and <= 's' => c - 'p' + 23,
        >= 'v' and <= 'z' => c - 'v' + 27,
        _ => -1,
    };
}
