namespace OrleansCache.Nix.Tests;

/// <summary>Damaged NARs: whatever is accepted must be exactly what a writer would have written.</summary>
public sealed class NarFuzzTests
{
    [Fact]
    public void A_damaged_nar_is_refused_or_is_the_nar_of_another_tree()
    {
        var random = new Random(20);
        int refused = 0, accepted = 0;
        for (var round = 0; round < 400; round++)
        {
            var nar = Tree.RandomFolder(random, 2).ToNar();
            for (var n = 0; n < 25; n++)
            {
                var damaged = Damage(nar, random);
                using var rebuilt = new Rebuilder();
                try
                {
                    var reader = new NarReader(rebuilt);
                    reader.Feed(damaged);
                    Assert.Equal(damaged.Length, reader.Complete().NarSize);
                }
                catch (InvalidDataException)
                {
                    refused++;
                    continue;
                }

                accepted++;
                Assert.Equal(damaged, rebuilt.Nar);
            }
        }

        Assert.True(refused > 1000 && accepted > 1000, $"{refused} refused, {accepted} accepted: one side is hardly tried");
    }

    private static byte[] Damage(byte[] nar, Random random)
    {
        var at = random.Next(nar.Length);
        switch (random.Next(4))
        {
            case 0:
                return [.. nar[..at], .. nar[Math.Min(nar.Length, at + 8)..]];
            case 1:
                return [.. nar[..at], .. new byte[8], .. nar[at..]];
            default:
                var changed = (byte[])nar.Clone();
                changed[at] ^= (byte)(1 << random.Next(8));
                return changed;
        }
    }

    /// <summary>Writes again what it is told of.</summary>
    private sealed class Rebuilder : INarHandler, IDisposable
    {
        private readonly MemoryStream _nar = new();
        private readonly List<byte> _contents = [];

        public Rebuilder() => NarText.Put(_nar, "nix-archive-1");

        public void Dispose() => _nar.Dispose();

        public byte[] Nar => _nar.ToArray();

        public void BeginDirectory() => NarText.Put(_nar, "(", "type", "directory");

        public void EndDirectory() => NarText.Put(_nar, ")");

        public void BeginEntry(ReadOnlySpan<byte> name)
        {
            NarText.Put(_nar, "entry", "(", "name");
            NarText.Put(_nar, name.ToArray());
            NarText.Put(_nar, "node");
        }

        public void EndEntry() => NarText.Put(_nar, ")");

        public void BeginFile(bool executable, long size, long narOffset)
        {
            NarText.Put(_nar, "(", "type", "regular");
            if (executable)
                NarText.Put(_nar, "executable", "");
            NarText.Put(_nar, "contents");
            Assert.Equal(_nar.Length + 8, narOffset);
            _contents.Clear();
        }

        public void FileData(ReadOnlySpan<byte> data) => _contents.AddRange(data);

        public void EndFile()
        {
            NarText.Put(_nar, [.. _contents]);
            NarText.Put(_nar, ")");
        }

        public void Symlink(ReadOnlySpan<byte> target)
        {
            NarText.Put(_nar, "(", "type", "symlink", "target");
            NarText.Put(_nar, target.ToArray());
            NarText.Put(_nar, ")");
        }
    }
}
