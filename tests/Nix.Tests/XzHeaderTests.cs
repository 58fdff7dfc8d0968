using OrleansCache.Testing;

namespace OrleansCache.Nix.Tests;

public sealed class XzHeaderTests
{
    [Theory]
    [InlineData("-0", 256 << 10)]
    [InlineData("-6", 8 << 20)]
    [InlineData("-9", 64 << 20)]
    [InlineData("--block-size=100000", 8 << 20)]
    [InlineData("--x86 --lzma2=dict=3MiB", 3 << 20)]
    public async Task The_dictionary_of_what_xz_writes_is_told_by_its_start(string options, int dictionary)
    {
        using var folder = new Testing.TempFolder();
        await File.WriteAllBytesAsync(folder["file"], new byte[300_000]);
        (await ProcessRunner.RunAsync("sh", ["-c", $"exec xz {options} -T2 -c <{folder["file"]} >{folder["xz"]}"])).OrThrow();
        var start = (await File.ReadAllBytesAsync(folder["xz"]))[..XzHeader.MaxLength];

        Assert.Equal((ulong)dictionary, XzHeader.DictionaryOf(start));
        for (var length = 0; length < 14; length++)
            Assert.Null(XzHeader.DictionaryOf(start.AsSpan(0, length)));
    }

    [Fact]
    public async Task More_memory_than_allowed_is_refused()
    {
        using var folder = new Testing.TempFolder();
        await File.WriteAllBytesAsync(folder["file"], new byte[300_000]);
        (await ProcessRunner.RunAsync("sh", ["-c", $"exec xz -9 -c <{folder["file"]} >{folder["xz"]}"])).OrThrow();
        var file = await File.ReadAllBytesAsync(folder["xz"]);

        await using var small = new XzDecompressStream(new MemoryStream(file), 16 << 20);
        await using var usual = new XzDecompressStream(new MemoryStream(file));

        Assert.Contains("16 MiB", Assert.Throws<InvalidDataException>(() => small.ReadByte()).Message, StringComparison.Ordinal);
        Assert.Equal(0, usual.ReadByte());
    }
}
