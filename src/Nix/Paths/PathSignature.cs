using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Nix;

/// <summary>
/// A signature in its one form, <c>keyname:base64</c>: a name of at most 255 characters without colon, white space or control character,
/// and the canonical base64 of 64 bytes. A narinfo may pass on no other: a reader refuses a whole narinfo for one <c>Sig</c> that it cannot
/// read.
/// </summary>
public readonly record struct PathSignature
{
    private const int MaxNameLength = 255;

    private readonly string? _value;
    private readonly int _nameLength;

    private PathSignature(string value, int nameLength) => (_value, _nameLength) = (value, nameLength);

    public string KeyName => _value?[.._nameLength] ?? "";

    public static bool TryParse([NotNullWhen(true)] string? text, out PathSignature signature)
    {
        signature = default;
        var colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        if (colon is <= 0 or > MaxNameLength || !KeyText.IsValidName(text![..colon]))
            return false;
        Span<byte> bytes = stackalloc byte[BundledSodium.SignatureBytes];
        Span<char> canonical = stackalloc char[(BundledSodium.SignatureBytes + 2) / 3 * 4];
        var sent = text.AsSpan(colon + 1);
        if (sent.Length != canonical.Length || !Convert.TryFromBase64Chars(sent, bytes, out var length) || length != bytes.Length)
            return false;
        // Decoders ignore the bits beyond the last byte, so one signature would have many texts.
        Convert.TryToBase64Chars(bytes, canonical, out _);
        if (!sent.SequenceEqual(canonical))
            return false;
        signature = new PathSignature(text, colon);
        return true;
    }

    public override string ToString() => _value ?? "";
}
