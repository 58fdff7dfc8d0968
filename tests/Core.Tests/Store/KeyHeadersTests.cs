using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

public sealed class KeyHeadersTests
{
    [Theory]
    [InlineData("nix-cache-info", "text/x-nix-cache-info", "public, max-age=3600", null)]
    [InlineData("0123456789abcdfghijklmnpqrsvwxyz.narinfo", "text/x-nix-narinfo", "public, max-age=300", null)]
    [InlineData("0123456789abcdfghijklmnpqrsvwxyz.ls", "application/json", "public, max-age=300", "zstd")]
    [InlineData("nar/0.nar.zst", "application/x-nix-nar", "public, max-age=31536000, immutable", null)]
    [InlineData("log/x.drv", "text/plain; charset=utf-8", "public, max-age=300", "zstd")]
    [InlineData("log/x.ls", "text/plain; charset=utf-8", "public, max-age=300", "zstd")]
    [InlineData("realisations/sha256:0!out.doi", "application/json", "public, max-age=300", null)]
    [InlineData("pins/main", "text/plain; charset=utf-8", "no-cache", null)]
    [InlineData("pins/x.narinfo", "text/plain; charset=utf-8", "no-cache", null)]
    [InlineData("index.html", "text/html; charset=utf-8", "no-cache", null)]
    public void Every_kind_of_key_has_its_headers(string key, string type, string cacheControl, string? encoding) =>
        Assert.Equal(new ObjectHeaders(type, cacheControl, encoding), KeyHeaders.For(ObjectKey.Parse(key)));

    [Fact]
    public void Stored_bytes_tell_whether_they_are_zstd()
    {
        var log = ObjectKey.Parse("log/x.drv");

        Assert.Equal("zstd", KeyHeaders.For(log, [0x28, 0xB5, 0x2F, 0xFD, 0]).ContentEncoding);
        Assert.Null(KeyHeaders.For(log, "building"u8).ContentEncoding);
        Assert.Null(KeyHeaders.For(log, []).ContentEncoding);
    }
}
