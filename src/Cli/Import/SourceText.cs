using System.IO.Compression;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>
/// The text of a narinfo, log, pin or realisation. Caches keep some of them compressed, and not every store tells that: so the first bytes
/// decide.
/// </summary>
internal static class SourceText
{
    /// <summary>More is no text that a push may send.</summary>
    public const int MaxBytes = 256 << 20;

    /// <exception cref="InvalidDataException">It is damaged, or larger than <see cref="MaxBytes"/>.</exception>
    public static byte[] Decode(SourceObject stored)
    {
        using var packed = new MemoryStream(stored.Bytes);
        using var text = Unpack(stored, packed);
        if (text is null)
            return stored.Bytes;
        using var all = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (text.Read(buffer) is > 0 and var count)
        {
            if (all.Length + count > MaxBytes)
                throw new InvalidDataException($"it has more than {MaxBytes >> 20} MiB");
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    public static string ToText(SourceObject stored) => System.Text.Encoding.UTF8.GetString(Decode(stored));

    // No text begins like these.
    private static Stream? Unpack(SourceObject stored, Stream packed) => stored switch
    {
        { Bytes: [0x28, 0xB5, 0x2F, 0xFD, ..] } => new ZstdDecompressStream(packed, leaveOpen: true, Zstd.BodyWindowLog),
        { Bytes: [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] } => new XzDecompressStream(packed),
        { Bytes: [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', 0x31, 0x41, ..] } => new Bzip2DecompressStream(packed),
        { Bytes: [0x1F, 0x8B, ..] } => new GZipStream(packed, CompressionMode.Decompress, leaveOpen: true),
        { Encoding: "br" } => new BrotliStream(packed, CompressionMode.Decompress, leaveOpen: true),
        _ => null,
    };
}
