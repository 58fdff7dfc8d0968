using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Testing;

/// <summary>The NAR of one file with a text, and a path that has it.</summary>
internal sealed record TextNar(string Name, string Text)
{
    public byte[] Nar { get; } = Write(Text);

    /// <summary>The content address that is declared of it; its store path follows from it.</summary>
    public ContentAddress? Address { get; init; }

    public StorePathHash Hash => Address is { } address ? AddressedPath.Of(Name, address).Hash : World.Hash(Name);

    /// <summary>As a client uploads it.</summary>
    public byte[] File => Zstd.Compress(Nar);

    /// <summary>A text that mentions these paths.</summary>
    public static TextNar Mentioning(string name, params string[] paths) =>
        new(name, $"{name} needs {string.Join(' ', paths.Select(p => $"/nix/store/{World.Hash(p)}-{p}"))}\n");

    /// <summary>As it is declared, with these references.</summary>
    public PathDeclaration Path(params string[] references) => new()
    {
        Path = new StorePath(Hash, Name),
        NarHash = Sha256Hash.FromBytes(SHA256.HashData(Nar)),
        NarSize = Nar.Length,
        References = [.. references.Select(World.Hash)],
        Ca = Address,
    };

    private static byte[] Write(string text)
    {
        var nar = new MemoryStream();
        Span<byte> length = stackalloc byte[8];
        foreach (var word in (string[])["nix-archive-1", "(", "type", "regular", "contents", text, ")"])
        {
            var bytes = Encoding.UTF8.GetBytes(word);
            BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
            nar.Write(length);
            nar.Write(bytes);
            nar.Write(new byte[(8 - (bytes.Length % 8)) % 8]);
        }

        return nar.ToArray();
    }
}
