using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Model.Tests;

/// <summary>
/// What clients upload: NARs as they are or as zstd. Each upload's file begins with a frame of its own that zstd skips, so that no two are
/// the same and a bucket can be checked.
/// </summary>
internal static class Bodies
{
    /// <summary>A NAR that is larger goes up in parts.</summary>
    public const int Large = 1024;

    private const int SkippedHeader = 8;
    private const string InParts = "parts ";
    private const int MaxNar = 2 * Large;
    private static readonly byte[] Noise = Nar("noise", []);
    // What each file holds. A file is never changed.
    private static readonly ConditionalWeakTable<byte[], byte[]> Nars = [];
    private static readonly ConditionalWeakTable<byte[], StrongBox<Sha256Hash>> Hashes = [];

    /// <param name="content">A large one begins with this word.</param>
    /// <param name="mentioned">Paths whose names and hashes occur in it.</param>
    public static byte[] Nar(string content, IEnumerable<string> mentioned)
    {
        var text = string.Join(' ', [content, .. mentioned.Select(m => $"/nix/store/{Universe.Path(m)}")]);
        return new TextNar("", content.StartsWith("large", StringComparison.Ordinal) ? text.PadRight(Large + Large / 2, '.') : text).Nar;
    }

    /// <param name="noise">Not the NAR at all.</param>
    public static byte[] Of(byte[] nar, string grant, bool inParts, bool noise = false)
    {
        var mark = Encoding.UTF8.GetBytes($"{(inParts ? InParts : "")}{grant}");
        var header = new byte[SkippedHeader];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x184D2A50);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), mark.Length);
        return [.. header, .. mark, .. Zstd.Compress(noise ? Noise : nar)];
    }

    public static bool IsInParts(byte[] file) => file.AsSpan().Slice(Math.Min(SkippedHeader, file.Length)).StartsWith("parts "u8);

    /// <summary>Is it this NAR, compressed as its key says?</summary>
    public static bool Is(byte[] file, string key, Sha256Hash narHash) =>
        Hashes.GetValue(file, f => new StrongBox<Sha256Hash>(Sha256Hash.FromBytes(SHA256.HashData(NarOf(f, key))))).Value == narHash;

    /// <summary>What a file holds; nothing when it is not compressed as its key says.</summary>
    public static byte[] NarOf(byte[] file, string key) => Nars.GetValue(file, f =>
    {
        if (!key.EndsWith(".zst", StringComparison.Ordinal))
            return f;
        try
        {
            return Zstd.Decompress(f, MaxNar);
        }
        catch (InvalidDataException)
        {
            return [];
        }
    });

    /// <summary>Does the hash of this path occur in the NAR?</summary>
    public static bool Mentions(byte[] nar, StorePathHash path) => nar.AsSpan().IndexOf(Encoding.UTF8.GetBytes($"{path}")) >= 0;
}
