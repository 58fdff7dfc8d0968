using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Core.Pushes;

/// <summary>What is declared of a path, in 16 bytes: name, NAR hash and size, references and content address. Equal digests are equal declarations.</summary>
internal static class PathDigest
{
    private const int Length = 16;

    public static byte[] Of(PathDeclaration path)
    {
        var references = path.References.Distinct().Order().ToList();
        var (name, ca) = (path.Path.Name, path.Ca?.ToString() ?? "");
        var bytes = new byte[
            Sha256Hash.ByteLength + sizeof(long) + (3 * sizeof(int)) + (references.Count * StorePathHash.ByteLength) + Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(ca)];
        var rest = bytes.AsSpan();
        path.NarHash.CopyTo(rest);
        rest = rest[Sha256Hash.ByteLength..];
        BinaryPrimitives.WriteInt64LittleEndian(rest, path.NarSize);
        rest = Counted(rest[sizeof(long)..], references.Count);
        foreach (var reference in references)
        {
            reference.CopyTo(rest);
            rest = rest[StorePathHash.ByteLength..];
        }

        rest = Text(Text(rest, name), ca);
        return SHA256.HashData(bytes)[..Length];
    }

    private static Span<byte> Counted(Span<byte> into, int count)
    {
        BinaryPrimitives.WriteInt32LittleEndian(into, count);
        return into[sizeof(int)..];
    }

    private static Span<byte> Text(Span<byte> into, string text)
    {
        var length = Encoding.UTF8.GetBytes(text, into[sizeof(int)..]);
        return Counted(into, length)[length..];
    }
}
