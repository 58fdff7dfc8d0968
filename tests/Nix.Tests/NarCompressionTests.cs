using System.Diagnostics;

namespace OrleansCache.Nix.Tests;

public sealed class NarCompressionTests
{
    [Theory]
    [InlineData("xz", 0)]
    [InlineData("xz", 1)]
    [InlineData("xz", 3_000_001)]
    [InlineData("bzip2", 0)]
    [InlineData("bzip2", 1)]
    [InlineData("bzip2", 3_000_001)]
    public async Task What_the_program_compressed_comes_back_however_it_is_read(string compression, int size)
    {
        var data = Data(size);
        var file = await CompressAsync(compression, data);

        Assert.Equal(data, await ReadAsync(compression, file, piece: 1 << 16));
        Assert.Equal(data, await ReadAsync(compression, file, piece: 1009));
        // Two files one after the other are one.
        byte[] twice = [.. data, .. data];
        Assert.Equal(twice, await ReadAsync(compression, [.. file, .. file], piece: 1 << 16));
        await using var stream = NarCompression.Decompress(compression, new MemoryStream(file))!;
        using var read = new MemoryStream();
        stream.CopyTo(read);
        Assert.Equal(data, read.ToArray());
    }

    [Theory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    public async Task What_is_cut_short_damaged_or_something_else_is_an_error_and_never_an_end(string compression)
    {
        var file = await CompressAsync(compression, Data(200_000));
        var damaged = file.ToArray();
        damaged[file.Length / 2] ^= 0xff;

        foreach (var bad in (byte[][])[[], file[..^1], file[..(file.Length / 2)], file[..3], damaged, [.. file, 1, 2, 3],
            "neither of them"u8.ToArray()])
            await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(compression, bad, piece: 4096));
    }

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000.nar", "none")]
    [InlineData("x.nar.xz", "xz")]
    [InlineData("x.nar.zst", "zstd")]
    [InlineData("x.nar.bz2", "bzip2")]
    [InlineData("x.nar.lz4", "lz4")]
    [InlineData("x.tar.xz", null)]
    [InlineData("x.nar.gz", null)]
    [InlineData("", null)]
    public void The_ending_of_a_file_tells_its_compression(string file, string? compression) =>
        Assert.Equal(compression, NarCompression.OfFile(file));

    private static byte[] Data(int size)
    {
        var data = new byte[size];
        new Random(size).NextBytes(data.AsSpan(0, size / 2));
        return data;
    }

    private static async Task<byte[]> ReadAsync(string compression, byte[] file, int piece)
    {
        await using var stream = NarCompression.Decompress(compression, new MemoryStream(file))!;
        using var read = new MemoryStream();
        var buffer = new byte[piece];
        while (await stream.ReadAsync(buffer) is > 0 and var count)
            read.Write(buffer, 0, count);
        return read.ToArray();
    }

    private static async Task<byte[]> CompressAsync(string program, byte[] data)
    {
        using var process = Process.Start(new ProcessStartInfo(program, "-c")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        })!;
        using var output = new MemoryStream();
        var reading = process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.StandardInput.BaseStream.WriteAsync(data);
        process.StandardInput.Close();
        await reading;
        await process.WaitForExitAsync();
        return output.ToArray();
    }
}
