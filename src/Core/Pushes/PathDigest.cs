using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The declaration of a path, in 16 bytes: name, NAR hash and size, references and content address. Equal digests are equal declarations.
/// </summary>
internal static class PathDigest
{
    public const int Length = 16;
    private const int OnStack = 1024;

    public static byte[] Of(PathDeclaration path)
    {
        var (name, ca, most) = (path.Path.Name, path.Ca?.ToString() ?? "", path.References.Count);
        var length = Sha256Hash.ByteLength + sizeof(long) + (3 * sizeof(int)) + (most * StorePathHash.ByteLength)
            + Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(ca);
        var bytes = length <= OnStack ? stackalloc byte[OnStack] : new byte[length];
        path.NarHash.CopyTo(bytes);
        var rest = bytes[Sha256Hash.ByteLength..];
        BinaryPrimitives.WriteInt64LittleEndian(rest, path.NarSize);

        // Sorted, each once.
        var references = most <= OnStack / StorePathHash.ByteLength ? stackalloc StorePathHash[most] : new StorePathHash[most];
        for (var i = 0; i < most; i++)
            references[i] = path.References[i];
        references.Sort();
        var room = rest[(sizeof(long) + sizeof(int))..];
        var count = 0;
        for (var i = 0; i < most; i++)
        {
            if (i > 0 && references[i] == references[i - 1])
                continue;
            references[i].CopyTo(room[(count++ * StorePathHash.ByteLength)..]);
        }

        Counted(rest[sizeof(long)..], count);
        rest = Text(Text(room[(count * StorePathHash.ByteLength)..], name), ca);
        Span<byte> hash = stackalloc byte[Sha256Hash.ByteLength];
        SHA256.HashData(bytes[..^rest.Length], hash);
        return hash[..Length].ToArray();
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
