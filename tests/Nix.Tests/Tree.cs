namespace OrleansCache.Nix.Tests;

/// <summary>
/// A tree made from a seed, in memory, and its NAR by the grammar's most literal reading: what the real code is compared with.
/// </summary>
internal abstract record Tree
{
    public sealed record Regular(byte[] Contents, bool Executable) : Tree;

    public sealed record Link(byte[] Target) : Tree;

    public sealed record Folder(List<(byte[] Name, Tree Node)> Entries) : Tree;

    public static Tree Random(Random random, int depth = 4) => random.Next(depth > 0 ? 6 : 3) switch
    {
        0 => new Link(Bytes(random, random.Next(1, 60))),
        1 or 2 => new Regular(RandomContents(random), random.Next(3) == 0),
        _ => RandomFolder(random, depth),
    };

    public static Folder RandomFolder(Random random, int depth)
    {
        var names = new SortedDictionary<string, Tree>(StringComparer.Ordinal); // of Latin-1 text: ordinal is the order of bytes
        for (var n = random.Next(8); n > 0; n--)
        {
            var name = Bytes(random, random.Next(4) == 0 ? random.Next(1, 256) : random.Next(1, 4));
            if (name is not ([(byte)'.'] or [(byte)'.', (byte)'.']))
                names[System.Text.Encoding.Latin1.GetString(name)] = Random(random, depth - 1);
        }

        return new Folder([.. names.Select(pair => (System.Text.Encoding.Latin1.GetBytes(pair.Key), pair.Value))]);
    }

    public byte[] ToNar()
    {
        using var nar = new MemoryStream();
        NarText.Put(nar, "nix-archive-1");
        Write(nar);
        return nar.ToArray();
    }

    private void Write(Stream nar)
    {
        NarText.Put(nar, "(", "type");
        switch (this)
        {
            case Regular file:
                NarText.Put(nar, "regular");
                if (file.Executable)
                    NarText.Put(nar, "executable", "");
                NarText.Put(nar, "contents");
                NarText.Put(nar, file.Contents);
                break;
            case Link link:
                NarText.Put(nar, "symlink", "target");
                NarText.Put(nar, link.Target);
                break;
            case Folder folder:
                NarText.Put(nar, "directory");
                foreach (var (name, node) in folder.Entries)
                {
                    NarText.Put(nar, "entry", "(", "name");
                    NarText.Put(nar, name);
                    NarText.Put(nar, "node");
                    node.Write(nar);
                    NarText.Put(nar, ")");
                }

                break;
        }

        NarText.Put(nar, ")");
    }

    private static byte[] RandomContents(Random random)
    {
        var sizes = new[] { random.Next(20), random.Next(5000), random.Next(20) == 0 ? 262144 + random.Next(-40, 40) : 8 };
        var contents = new byte[sizes[random.Next(sizes.Length)]];
        random.NextBytes(contents);
        return contents;
    }

    /// <summary>Bytes that a name may have: any but NUL and '/'.</summary>
    private static byte[] Bytes(Random random, int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            do
            {
                bytes[i] = (byte)(random.Next(3) == 0 ? random.Next(1, 256) : "abAB.-_ ~"[random.Next(9)]);
            }
            while (bytes[i] == '/');
        }

        return bytes;
    }
}

/// <summary>Strings as a NAR has them, for tests that build one by hand.</summary>
internal static class NarText
{
    public static void Put(Stream nar, params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
            Put(nar, System.Text.Encoding.Latin1.GetBytes(word));
    }

    public static void Put(Stream nar, byte[] bytes)
    {
        nar.Write(BitConverter.GetBytes((long)bytes.Length));
        nar.Write(bytes);
        nar.Write(new byte[-bytes.Length & 7]);
    }

    public static byte[] Of(params ReadOnlySpan<string> words)
    {
        using var nar = new MemoryStream();
        Put(nar, "nix-archive-1");
        Put(nar, words);
        return nar.ToArray();
    }
}

/// <summary>Answers at most a few bytes per read, so that every boundary falls everywhere.</summary>
internal sealed class SlowStream(byte[] data, Random random, int most = 9) : MemoryStream(data)
{
    public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, random.Next(1, most)));

    public override int Read(Span<byte> buffer) => base.Read(buffer); // ends in the overload above

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));
}
