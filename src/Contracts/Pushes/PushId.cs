using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace OrleansCache.Contracts;

/// <summary>
/// Identifies a push within its cache: 128 random bits as 32 hexadecimal digits. A push from before such ids has its number, in decimal.
/// </summary>
public readonly record struct PushId(Guid Value)
{
    private const int Digits = 32;
    private const int NumberDigits = 19;

    /// <summary>The id for a push that is being opened.</summary>
    public static PushId New() => new(new Guid(RandomNumberGenerator.GetBytes(Digits / 2)));

    public static bool TryParse(string? text, out PushId id)
    {
        id = default;
        if (text is { Length: Digits })
        {
            if (!Guid.TryParseExact(text, "N", out var value) || Number(value) is not null)
                return false;
            id = new PushId(value);
            return true;
        }

        if (text is not { Length: > 0 and <= NumberDigits } || !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture,
            out var number) || number <= 0)
            return false;
        Span<byte> bytes = stackalloc byte[Digits / 2];
        bytes.Clear();
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], number);
        id = new PushId(new Guid(bytes, bigEndian: true));
        return true;
    }

    public override string ToString() => Number(Value) is { } number ? number.ToString(CultureInfo.InvariantCulture) : Value.ToString("N");

    private static long? Number(Guid value)
    {
        Span<byte> bytes = stackalloc byte[Digits / 2];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        return BinaryPrimitives.ReadInt64BigEndian(bytes) == 0 ? BinaryPrimitives.ReadInt64BigEndian(bytes[8..]) : null;
    }
}
