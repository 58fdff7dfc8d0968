using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Nix;

/// <summary>
/// The 20 bytes that name a store path, written as 32 nix32 characters. Held as three integers, so that comparing
/// costs a few instructions. The order is that of the text (Nix's order of references), not of the bytes.
/// </summary>
public readonly record struct StorePathHash : IComparable<StorePathHash>
{
    public const int ByteLength = 20;
    public const int TextLength = 32;

    private readonly ulong _high; // bytes 12..19, little endian: the first characters of the text
    private readonly ulong _middle; // bytes 4..11
    private readonly uint _low; // bytes 0..3

    private StorePathHash(ReadOnlySpan<byte> bytes)
    {
        _low = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        _middle = BinaryPrimitives.ReadUInt64LittleEndian(bytes[4..]);
        _high = BinaryPrimitives.ReadUInt64LittleEndian(bytes[12..]);
    }

    /// <exception cref="ArgumentException">Not 20 bytes.</exception>
    public static StorePathHash FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length == ByteLength
        ? new StorePathHash(bytes)
        : throw new ArgumentException($"A store path hash has {ByteLength} bytes, not {bytes.Length}.", nameof(bytes));

    public static bool TryParse([NotNullWhen(true)] string? text, out StorePathHash hash) => TryParse(text.AsSpan(), out hash);

    public static bool TryParse(ReadOnlySpan<char> text, out StorePathHash hash)
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        var ok = Nix32.TryDecode(text, bytes);
        hash = ok ? new StorePathHash(bytes) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not 32 nix32 characters.</exception>
    public static StorePathHash Parse(ReadOnlySpan<char> text) => TryParse(text, out var hash)
        ? hash
        : throw new FormatException($"'{text}' is not a store path hash: 32 characters of 0-9 a-z without e, o, t, u.");

    public void CopyTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, _low);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[4..], _middle);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[12..], _high);
    }

    public byte[] ToArray()
    {
        var bytes = new byte[ByteLength];
        CopyTo(bytes);
        return bytes;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        CopyTo(bytes);
        return Nix32.Encode(bytes);
    }

    public int CompareTo(StorePathHash other)
    {
        var order = _high.CompareTo(other._high);
        if (order == 0)
            order = _middle.CompareTo(other._middle);
        return order != 0 ? order : _low.CompareTo(other._low);
    }

    // Not simply a word of the bytes: they look random, but clients choose them, and could fill one bucket of a hash table.
    public override int GetHashCode()
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        CopyTo(bytes);
        return RandomisedHash.Of(bytes);
    }

    public static bool operator <(StorePathHash a, StorePathHash b) => a.CompareTo(b) < 0;

    public static bool operator >(StorePathHash a, StorePathHash b) => a.CompareTo(b) > 0;

    public static bool operator <=(StorePathHash a, StorePathHash b) => a.CompareTo(b) <= 0;

    public static bool operator >=(StorePathHash a, StorePathHash b) => a.CompareTo(b) >= 0;
}
