using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// Stock Nix's name of a NAR: the SHA-256 of the file as 52 nix32 characters, and <c>.nar</c> with the ending of its compression.
/// </summary>
public readonly record struct NarFileName
{
    private const int HashLength = 52;

    private NarFileName(string text, Sha256Hash fileHash, string compression) =>
        (Text, FileHash, Compression) = (text, fileHash, compression);

    public string Text { get; }

    /// <summary>The hash of the compressed file.</summary>
    public Sha256Hash FileHash { get; }

    /// <summary>In the form of a narinfo: <c>xz</c> for <c>.nar.xz</c>.</summary>
    public string Compression { get; }

    /// <summary>What comes after the hash: <c>.nar.xz</c>.</summary>
    public string Ending => Text[HashLength..];

    public static bool TryParse(string? text, out NarFileName name)
    {
        name = default;
        if (text is null || text.Length <= HashLength || !Sha256Hash.TryParse($"sha256:{text.AsSpan(0, HashLength)}", out var hash)
            || text[HashLength] != '.' || NarCompression.OfFile(text) is not { } compression
                || text != $"{hash.ToNix32()}{text[HashLength..]}" || text.LastIndexOf(".nar", StringComparison.Ordinal) != HashLength)
            return false;
        name = new NarFileName(text, hash, compression);
        return true;
    }

    public override string ToString() => Text;
}
