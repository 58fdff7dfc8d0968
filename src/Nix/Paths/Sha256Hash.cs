using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace OrleansCache.Nix;

/// <summary>
/// A SHA-256 value: a NAR hash or a file hash. Printed as Nix prints it in narinfos, <c>sha256:</c> and 52 nix32 characters.
/// </summary>
public readonly record struct Sha256Hash
{
    public const int ByteLength = 32;

    private const string Prefix = "sha256:";
    private const string SriPrefix = "sha256-";
    private readonly Words _words;

    [InlineArray(4)]
    private struct Words
    {
        private ulong _first;
    }

    private Sha256Hash(ReadOnlySpan<byte> bytes) => bytes.CopyTo(MemoryMarshal.AsBytes((Span<ulong>)_words));

    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public static Sha256Hash FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length == ByteLength
        ? new Sha256Hash(bytes)
        : throw new ArgumentException($"A SHA-256 has {ByteLength} bytes, not {bytes.Length}.", nameof(bytes));

    public static Sha256Hash Compute(ReadOnlySpan<byte> data)
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        SHA256.HashData(data, bytes);
        return new Sha256Hash(bytes);
    }

    /// <summary>Reads the stream to its end.</summary>
    public static async ValueTask<Sha256Hash> ComputeAsync(Stream stream, CancellationToken cancellationToken = default) =>
        FromBytes(await SHA256.HashDataAsync(stream, cancellationToken));

    public static bool TryParse([NotNullWhen(true)] string? text, out Sha256Hash hash) => TryParse(text.AsSpan(), out hash);

    /// <summary>Accepts <c>sha256:</c> with nix32, base 16 or base 64, and the SRI form <c>sha256-</c> with base 64.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Sha256Hash hash)
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        var sri = text.StartsWith(SriPrefix);
        var ok = (sri || text.StartsWith(Prefix)) && TryDecode(text[Prefix.Length..], sri, bytes);
        hash = ok ? new Sha256Hash(bytes) : default;
        return ok;
    }

    /// <exception cref="FormatException">None of the accepted forms.</exception>
    public static Sha256Hash Parse(ReadOnlySpan<char> text) => TryParse(text, out var hash)
        ? hash
        : throw new FormatException(
            $"'{text}' is not a SHA-256: expected sha256:<52 nix32 characters>, sha256:<64 hex digits> or sha256-<base 64>.");

    /// <summary><c>sha256:</c> and 52 nix32 characters.</summary>
    public string ToNix32String() => Prefix + ToNix32();

    /// <summary>The 52 nix32 characters alone, as they stand in file names.</summary>
    public string ToNix32()
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        CopyTo(bytes);
        return Nix32.Encode(bytes);
    }

    /// <summary><c>sha256-</c> and base 64, as newer Nix prints in JSON.</summary>
    public string ToSri() => SriPrefix + Convert.ToBase64String(ToArray());

    public string ToHex() => Convert.ToHexStringLower(ToArray());

    public void CopyTo(Span<byte> bytes)
    {
        var words = _words;
        MemoryMarshal.AsBytes((ReadOnlySpan<ulong>)words).CopyTo(bytes);
    }

    public byte[] ToArray()
    {
        var bytes = new byte[ByteLength];
        CopyTo(bytes);
        return bytes;
    }

    public override string ToString() => ToNix32String();

    public bool Equals(Sha256Hash other) => ((ReadOnlySpan<ulong>)_words).SequenceEqual(other._words);

    // Not simply a word of the bytes, as clients choose them. See StorePathHash.
    public override int GetHashCode()
    {
        var words = _words;
        return RandomisedHash.Of(MemoryMarshal.AsBytes((ReadOnlySpan<ulong>)words));
    }

    private static bool TryDecode(ReadOnlySpan<char> digits, bool sri, Span<byte> bytes)
    {
        if (!sri && digits.Length == ByteLength * 2)
            return Convert.FromHexString(digits, bytes, out _, out var hexBytes) == System.Buffers.OperationStatus.Done
                && hexBytes == ByteLength;
        if (!sri && digits.Length == Nix32.EncodedLength(ByteLength))
            return Nix32.TryDecode(digits, bytes);
        return digits.Length == 44 && Convert.TryFromBase64Chars(digits, bytes, out var written) && written == ByteLength;
    }
}
