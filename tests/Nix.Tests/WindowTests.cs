using System.Text;
using OrleansCache.Testing;

namespace OrleansCache.Nix.Tests;

/// <summary>What decompressing takes is bounded by who decompresses, not by who compressed.</summary>
public sealed class WindowTests
{
    public static TheoryData<int> Windows => [10, 20, 23, 24, 27];

    [Theory]
    [MemberData(nameof(Windows))]
    public async Task A_window_larger_than_allowed_is_refused_and_others_are_not(int windowLog)
    {
        // Longer than a window of 10 allows of one block.
        var frame = ZstdBomb.Make("before", windowLog == 10 ? 0 : 300_000, 'x', "after", windowLog);
        var isAllowed = windowLog <= Zstd.BodyWindowLog;

        Assert.Equal(isAllowed, ZstdFrames.FindFault(frame, Zstd.BodyWindowLog) is null);
        Assert.Equal(1ul << windowLog, ZstdFrames.WindowOf(frame));
        Assert.NotEmpty(Zstd.Decompress(frame, 1 << 20));
        Assert.Equal(isAllowed, await DecodesAsync(() => Task.FromResult(Zstd.Decompress(frame, 1 << 20, Zstd.BodyWindowLog))));
        Assert.Equal(isAllowed, await DecodesAsync(async () =>
        {
            await using var stream = new ZstdDecompressStream(new MemoryStream(frame), maxWindowLog: Zstd.BodyWindowLog);
            using var all = new MemoryStream();
            await stream.CopyToAsync(all);
            return all.ToArray();
        }));
    }

    [Fact]
    public void A_frame_that_needs_a_dictionary_is_refused()
    {
        var frame = ZstdBomb.Make("before", 1000, 'x', "after", dictionary: 7);
        Assert.Contains("dictionary", ZstdFrames.FindFault(frame, Zstd.BodyWindowLog), StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => Zstd.Decompress(frame, 1 << 20));
    }

    [Fact]
    public void A_context_that_grew_is_freed_and_not_kept()
    {
        var large = ZstdBomb.Make("", 40 << 20, 'x', "", 24);
        var decompressor = ZstdDecompressor.Rent();
        decompressor.Decompress(large, new byte[1 << 20], out _, out _);
        decompressor.Dispose();
        Assert.True(decompressor.WasFreed);
    }

    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 3)]
    [InlineData(100, 1)]
    [InlineData(70_000, 3)]
    [InlineData(70_000, 19)]
    [InlineData(3_000_000, 19)]
    public void What_zstd_writes_has_no_fault_and_every_cut_of_it_has(int size, int level)
    {
        var data = new byte[size];
        new Random(size).NextBytes(data.AsSpan(size / 2));
        byte[] frames = [.. Zstd.Compress(data, level), .. Skippable, .. Streamed(data)];

        Assert.Null(ZstdFrames.FindFault(frames, Zstd.BodyWindowLog));
        Assert.InRange(ZstdFrames.WindowOf(frames)!.Value, (ulong)0, 1ul << Zstd.BodyWindowLog);
        var first = Zstd.Compress(data, level);
        for (var length = 0; length < first.Length; length += Math.Max(1, first.Length / 100))
            Assert.NotNull(ZstdFrames.FindFault(first.AsSpan(0, length), Zstd.BodyWindowLog));
        Assert.NotNull(ZstdFrames.FindFault([.. first, 1], Zstd.BodyWindowLog));
        Assert.NotNull(ZstdFrames.FindFault(Encoding.UTF8.GetBytes("{\"version\":1}"), Zstd.BodyWindowLog));
    }

    [Fact]
    public void Any_damage_of_a_header_is_a_fault_or_harmless_and_never_an_exception()
    {
        var frame = Zstd.Compress(new byte[100_000]);
        for (var at = 0; at < Math.Min(frame.Length, 40); at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var damaged = (byte[])frame.Clone();
                damaged[at] ^= (byte)(1 << bit);
                if (ZstdFrames.FindFault(damaged, Zstd.BodyWindowLog) is not null)
                    continue;
                Assert.InRange(ZstdFrames.WindowOf(damaged) ?? 0, 0ul, 1ul << Zstd.BodyWindowLog);
            }
        }
    }

    private static byte[] Skippable => [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];

    private static byte[] Streamed(byte[] data)
    {
        using var file = new MemoryStream();
        using (var zstd = new ZstdCompressStream(file, leaveOpen: true))
            zstd.Write(data);
        return file.ToArray();
    }

    private static async Task<bool> DecodesAsync(Func<Task<byte[]>> decode)
    {
        try
        {
            return (await decode()).Length > 0;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }
}
