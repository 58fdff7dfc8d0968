namespace OrleansCache.Nix.Tests;

/// <summary>libzstd, which the machine has.</summary>
[Collection(nameof(ZstdLibraries))]
public sealed class NativeZstdTests() : ZstdTests(new NativeZstd());

/// <summary>The same on what stands in where libzstd is missing.</summary>
[Collection(nameof(ZstdLibraries))]
public sealed class PortedZstdTests() : ZstdTests(new PortedZstd());

/// <summary>Which library makes contexts is set for the process, so nothing else runs meanwhile.</summary>
[CollectionDefinition(nameof(ZstdLibraries), DisableParallelization = true)]
public sealed class ZstdLibraries;

public abstract class ZstdTests : IDisposable
{
    private readonly ZstdLibrary _before = ZstdLibrary.Current;

    private protected ZstdTests(ZstdLibrary library) => ZstdLibrary.Current = library;

    public void Dispose()
    {
        ZstdLibrary.Current = _before;
        GC.SuppressFinalize(this);
    }

    public static TheoryData<int> Sizes => [0, 1, 100, 4096, 131071, 131072, 131073, 262144, 1_000_000, 9_000_000];

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task What_was_compressed_comes_back(int size)
    {
        var random = new Random(size);
        var data = Data(random, size);
        foreach (var workers in new[] { 0, 2 })
        {
            using var compressed = new MemoryStream();
            await using (var stream = new ZstdCompressStream(compressed, level: 3, workers, leaveOpen: true, pledgedSize: size))
            {
                for (var rest = data.AsMemory(); !rest.IsEmpty;)
                {
                    var count = Math.Min(rest.Length, random.Next(1, 400_000));
                    if (random.Next(2) == 0)
                        stream.Write(rest.Span[..count]);
                    else
                        await stream.WriteAsync(rest[..count]);
                    rest = rest[count..];
                }

                await stream.CompleteAsync();
                Assert.Equal(compressed.Length, stream.BytesOut);
            }

            Assert.Equal(data, Zstd.Decompress(compressed.ToArray(), size));
            Assert.Equal(data, await ReadAll(new ZstdDecompressStream(new SlowStream(compressed.ToArray(), random, 100_000))));
        }

        Assert.Equal(data, Zstd.Decompress(Zstd.Compress(data), size));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void What_one_library_compresses_the_other_reads(int size)
    {
        var data = Data(new Random(size), size);
        var frames = new[] { 1, 3, 19 }.Select(level => Zstd.Compress(data, level)).ToArray();
        ZstdLibrary.Current = ZstdLibrary.Current is NativeZstd ? new PortedZstd() : new NativeZstd();
        Assert.All(frames, frame => Assert.Equal(data, Zstd.Decompress(frame, size)));
    }

    [Fact]
    public async Task Frames_that_follow_each_other_are_one_stream()
    {
        var random = new Random(5);
        var parts = Enumerable.Range(0, 20).Select(n => Data(random, n * 20_011 % 131_072)).ToArray();
        var frames = parts.SelectMany(part => Zstd.Compress(part, level: random.Next(1, 6))).ToArray();

        Assert.Equal(parts.SelectMany(part => part), await ReadAll(new ZstdDecompressStream(new SlowStream(frames, random, 1000))));
        Assert.Equal(parts.SelectMany(part => part), Zstd.Decompress(frames, 20 * 131_072));
    }

    [Fact]
    public async Task A_cut_anywhere_in_a_frame_is_an_error_and_never_an_end()
    {
        var frame = Zstd.Compress(Data(new Random(1), 300_000));
        byte[] two = [.. frame, .. frame];
        foreach (var at in Enumerable.Range(1, 60).Concat(Enumerable.Range(1, 40).Select(n => frame.Length - n)))
        {
            await Assert.ThrowsAsync<InvalidDataException>(() => ReadAll(new ZstdDecompressStream(new MemoryStream(frame[..at]))));
            await Assert.ThrowsAsync<InvalidDataException>(() =>
                ReadAll(new ZstdDecompressStream(new MemoryStream(two[..(frame.Length + at)]))));
            Assert.Throws<InvalidDataException>(() => Zstd.Decompress(frame.AsSpan(0, at), 300_000));
        }

        await Assert.ThrowsAsync<InvalidDataException>(() => ReadAll(new ZstdDecompressStream(new MemoryStream())));
    }

    [Fact]
    public async Task Damage_is_noticed()
    {
        var frame = Zstd.Compress(Data(new Random(2), 50_000));
        foreach (var at in Enumerable.Range(0, 50).Select(n => frame.Length * n / 50))
        {
            var damaged = (byte[])frame.Clone();
            damaged[at] ^= 0x10;
            Assert.Throws<InvalidDataException>(() => Zstd.Decompress(damaged, 50_000));
            await Assert.ThrowsAsync<InvalidDataException>(() => ReadAll(new ZstdDecompressStream(new MemoryStream(damaged))));
        }

        // A context that met damage works again.
        Assert.Equal(50_000, Zstd.Decompress(frame, 50_000).Length);
    }

    [Fact]
    public void A_bomb_is_refused_and_exactly_the_limit_is_not()
    {
        var bomb = Zstd.Compress(new byte[50_000_000]);
        Assert.True(bomb.Length < 10_000);
        Assert.Contains("1000000", Assert.Throws<InvalidDataException>(() => Zstd.Decompress(bomb, 1_000_000)).Message,
            StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => Zstd.Decompress(bomb, 49_999_999));
        Assert.Equal(50_000_000, Zstd.Decompress(bomb, 50_000_000).Length);
    }

    [Fact]
    public void A_frame_says_how_long_it_will_be_and_must_keep_to_it()
    {
        using var compressed = new MemoryStream();
        using var stream = new ZstdCompressStream(compressed, pledgedSize: 10, leaveOpen: true);
        stream.Write(new byte[9]);
        Assert.Throws<InvalidDataException>(stream.Complete);
    }

    [Fact]
    public void A_flush_lets_all_so_far_be_read()
    {
        var data = Data(new Random(4), 10_000);
        using var compressed = new MemoryStream();
        using var stream = new ZstdCompressStream(compressed, leaveOpen: true);
        stream.Write(data);
        stream.Flush();

        var read = new byte[data.Length];
        using var reader = new ZstdDecompressStream(new MemoryStream(compressed.ToArray()));
        reader.ReadExactly(read);
        Assert.Equal(data, read);
    }

    [Fact]
    public void Pooled_contexts_serve_many_threads_and_levels()
    {
        var data = Data(new Random(6), 20_000);
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, n =>
        {
            using var abandoned = ZstdCompressor.Rent(n % 5 + 1);
            abandoned.Compress(data, new byte[100], ZstdEnd.Continue, out _, out _);
            Assert.Equal(data, Zstd.Decompress(Zstd.Compress(data, n % 7 + 1), data.Length));
        });
    }

    [Fact]
    public void A_context_given_back_cannot_be_used()
    {
        var compressor = ZstdCompressor.Rent();
        compressor.Dispose();
        compressor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => compressor.CompressFrame([1], new byte[100]));
    }

    [Fact]
    public async Task A_hashing_stream_counts_and_hashes_what_it_passes_on()
    {
        using var inner = new MemoryStream();
        using var stream = new HashingStream(inner);
        stream.Write("ab"u8);
        await stream.WriteAsync("c"u8.ToArray());
        Assert.Equal(Sha256Hash.Compute("abc"u8), stream.CurrentHash());
        stream.Write("d"u8);
        Assert.Equal(Sha256Hash.Compute("abcd"u8), stream.CurrentHash());
        Assert.Equal(4, stream.Count);
        Assert.Equal("abcd"u8.ToArray(), inner.ToArray());
    }

    private static byte[] Data(Random random, int size)
    {
        var data = new byte[size];
        random.NextBytes(data);
        for (var n = 0; n < size; n += 3)
            data[n] = (byte)'a'; // compressible, but not to nothing
        return data;
    }

    private static async Task<byte[]> ReadAll(ZstdDecompressStream stream)
    {
        await using var _ = stream;
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }
}
