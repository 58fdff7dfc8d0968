using System.Buffers.Binary;

namespace OrleansCache.Nix;

/// <summary>
/// The NAR grammar's fixed pieces, and limits. Every string is a little-endian 64-bit length, the bytes, and zeros up to a multiple of 8
/// (E. Dolstra, The Purely Functional Software Deployment Model, 2006, figure 5.2).
/// </summary>
public static class NarFormat
{
    /// <summary>
    /// The levels that today's stock Nix accepts (<c>narMaxDepth</c>): the root is level one, and an entry is one level below its
    /// directory.
    /// </summary>
    public const int NixMaxDepth = 64;

    /// <summary>On macOS, names that differ only in case get this suffix and a number on disk. NARs never have it.</summary>
    internal static ReadOnlySpan<byte> CaseHackSuffix => "~nix~case~hack~"u8;

    internal static readonly byte[] FileHead = Pieces("(", "type", "regular", "contents");
    internal static readonly byte[] ExecutableHead = Pieces("(", "type", "regular", "executable", "", "contents");
    internal static readonly byte[] SymlinkHead = Pieces("(", "type", "symlink", "target");
    internal static readonly byte[] DirectoryHead = Pieces("(", "type", "directory");
    internal static readonly byte[] EntryHead = Pieces("entry", "(", "name");
    internal static readonly byte[] EntryNode = Pieces("node");
    internal static readonly byte[] Close = Pieces(")");
    internal static readonly byte[] Magic = Pieces("nix-archive-1");

    internal static int Padding(long length) => (int)(-length & 7);

    /// <summary>The bytes of a string of that length in a NAR.</summary>
    internal static long StringSize(long length) => 8 + length + Padding(length);

    private static byte[] Pieces(params ReadOnlySpan<string> words)
    {
        var bytes = new List<byte>();
        Span<byte> length = stackalloc byte[8];
        foreach (var word in words)
        {
            BinaryPrimitives.WriteInt64LittleEndian(length, word.Length);
            bytes.AddRange(length);
            bytes.AddRange(System.Text.Encoding.ASCII.GetBytes(word));
            bytes.AddRange(new byte[Padding(word.Length)]);
        }

        return [.. bytes];
    }
}
