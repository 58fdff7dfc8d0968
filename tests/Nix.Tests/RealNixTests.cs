using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Testing;

namespace OrleansCache.Nix.Tests;

/// <summary>What we write, read and sign beside what Nix does.</summary>
public sealed class RealNixTests(EdgeClosure edge) : IClassFixture<EdgeClosure>, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [NixFact]
    public async Task Every_nar_of_the_edge_set_is_byte_for_byte_that_of_nix_store_dump()
    {
        Assert.True(edge.Paths.Count > 25, $"only {edge.Paths.Count} paths in the edge set");
        foreach (var path in edge.Paths)
        {
            using var dump = RealNix.Start("nix-store", "--dump", path);
            using var comparer = new ComparingStream(dump.StandardOutput.BaseStream);
            var summary = await NarWriter.WriteAsync(path, comparer);

            Assert.True(comparer.FirstDifference < 0, $"{path} differs at byte {comparer.FirstDifference}");
            Assert.Equal(-1, dump.StandardOutput.BaseStream.ReadByte());
            Assert.Equal(summary.NarSize, NarWriter.Measure(path));
            await dump.WaitForExitAsync();
        }
    }

    [NixFact]
    public async Task Every_nar_of_the_edge_set_is_read_and_extracts_to_the_same_nar()
    {
        foreach (var path in edge.Paths)
        {
            using var dump = RealNix.Start("nix-store", "--dump", path);
            var target = _folder.Child("x");
            await NarExtractor.ExtractAsync(dump.StandardOutput.BaseStream, target);

            Assert.Equal(HashOf(path), HashOf(target));
            using var remove = Process.Start("rm", ["-rf", target]);
            await remove.WaitForExitAsync();
        }
    }

    [NixFact]
    public void Listings_of_the_edge_set_say_what_those_of_nix_say()
    {
        var cache = Copy("write-nar-listing=true");
        foreach (var path in edge.Paths)
        {
            var ours = NarListing.FromFileSystem(path);
            var theirs = File.ReadAllBytes(Path.Combine(cache, $"{StorePath.Parse(path).Hash}.ls"));
            Assert.Equal(ours.IsExact, System.Text.Unicode.Utf8.IsValid(theirs)); // Nix 2.8 writes such names as they are, which is no JSON
            if (ours.IsExact)
                Assert.True(JsonNode.DeepEquals(Parse(theirs), Parse(ours.Json)),
                    $"{path}: {Encoding.UTF8.GetString(theirs)} is not {ours}");
        }

        static JsonNode? Parse(byte[] json) => JsonNode.Parse(json, documentOptions: new() { MaxDepth = 1000 });
    }

    [NixFact]
    public void Narinfos_of_the_edge_set_are_read_printed_and_signed_as_nix_does()
    {
        var keyFile = _folder.Child("key");
        File.WriteAllBytes(keyFile, RealNix.Run("nix", "key", "generate-secret", "--key-name", "test-1"));
        var key = SecretKey.Parse(File.ReadAllText(keyFile));
        var cache = Copy($"secret-key={keyFile}");

        foreach (var path in edge.Paths)
        {
            var text = File.ReadAllText(Path.Combine(cache, $"{StorePath.Parse(path).Hash}.narinfo"));
            var info = NarInfo.Parse(text);
            Assert.Equal(text, info.Print());
            Assert.True(info.Verify(key.PublicKey));
            Assert.Contains(key.Sign(info.Fingerprint()), info.Signatures);
            Assert.Equal(HashOf(path), info.NarHash);
        }
    }

    [NixFact]
    public void Nix_reads_our_keys()
    {
        var key = SecretKey.Generate("ours-1");
        var file = _folder.Child("key");
        File.WriteAllText(file, key.Export());
        using var nix = Process.Start(new ProcessStartInfo("sh", ["-c", "nix key convert-secret-to-public < \"$0\"", file])
        {
            RedirectStandardOutput = true,
            Environment = { ["NIX_CONFIG"] = "experimental-features = nix-command" },
        })!;
        Assert.Equal(key.PublicKey.ToString(), nix.StandardOutput.ReadToEnd().Trim());
        nix.WaitForExit();
    }

    /// <summary>All of the set in a cache that Nix writes.</summary>
    private string Copy(string settings)
    {
        var cache = _folder.Child("cache");
        RealNix.Run("nix", ["copy", "--to", $"file://{cache}?compression=none&{settings}", .. edge.Paths]);
        return cache;
    }

    private static Sha256Hash HashOf(string path)
    {
        using var hash = new HashingStream();
        NarWriter.Write(path, hash);
        return hash.CurrentHash();
    }

    /// <summary>Compares what is written with what another stream holds.</summary>
    private sealed class ComparingStream(Stream other) : WriteOnlyStream
    {
        private readonly byte[] _buffer = new byte[256 * 1024];
        private long _position;

        public long FirstDifference { get; private set; } = -1;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            var count = other.ReadAtLeast(_buffer.AsSpan(0, buffer.Length), buffer.Length, throwOnEndOfStream: false);
            var same = buffer.CommonPrefixLength(_buffer.AsSpan(0, count));
            if (same < buffer.Length && FirstDifference < 0)
                FirstDifference = _position + same;
            _position += buffer.Length;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public override void Flush()
        {
        }
    }
}
