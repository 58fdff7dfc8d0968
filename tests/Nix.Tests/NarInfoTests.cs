using System.Globalization;

namespace OrleansCache.Nix.Tests;

public sealed class NarInfoTests
{
    /// <summary>Written and signed by Nix 2.8.</summary>
    private const string ByNix = """
        StorePath: /nix/store/8k7q7a5j64rwpwn8xavsr5z5x8f90npq-edge-ref-in-symlink
        URL: nar/0qcyg5wqwg1n7w0z7pkfk8q1xzfgk2d1yr3fcwqs5p4rr9080yqk.nar
        Compression: none
        FileHash: sha256:0qcyg5wqwg1n7w0z7pkfk8q1xzfgk2d1yr3fcwqs5p4rr9080yqk
        FileSize: 344
        NarHash: sha256:0qcyg5wqwg1n7w0z7pkfk8q1xzfgk2d1yr3fcwqs5p4rr9080yqk
        NarSize: 344
        References: pcb9sncifi6a0l51k7zx7q87mgrvvgkh-edge-exec-file
        Deriver: nkv9xc4g4hvqrykmclj4fj0wavl1ipxj-edge-ref-in-symlink.drv
        Sig: test-1:f0hDgcq1Yg/8IxUCkuN3w+APA+0Xh+GX1d+ng19G38a4EjZh9Mq8wfrVYOOBUt0+kM+ACMrNwiYUH2hD9qzCAg==

        """;

    /// <summary>Made by <c>nix key generate-secret</c> for these tests; it signs nothing else.</summary>
    private const string Secret = "test-1:dKh7EHc4lgGieF4nOR1LuiGL19TZw6IRB4/tVqNz4e/6P0b9NLHJH2pfvXW1Pv5fTKUgs8S7WGk1RFQYEFyWPg==";

    private static readonly NarInfo Sample = NarInfo.Parse(ByNix);

    [Fact]
    public void What_nix_printed_is_printed_the_same() => Assert.Equal(ByNix, Sample.Print());

    [Fact]
    public void A_signature_of_nix_is_valid_and_ours_is_the_same()
    {
        var secret = SecretKey.Parse(Secret + "\n");
        Assert.True(Sample.Verify(PublicKey.Parse("test-1:+j9G/TSxyR9qX711tT7+X0ylILPEu1hpNURUGBBclj4=")));
        Assert.True(Sample.Verify(secret.PublicKey));
        Assert.Equal(Sample.Signatures.Single(), secret.Sign(Sample.Fingerprint()));
    }

    [Fact]
    public void A_signature_holds_for_nothing_but_what_was_signed()
    {
        var key = SecretKey.Parse(Secret).PublicKey;
        Assert.False((Sample with { NarSize = 345 }).Verify(key));
        Assert.False((Sample with { NarHash = Sha256Hash.Compute([]) }).Verify(key));
        Assert.False((Sample with { References = [] }).Verify(key));
        Assert.False((Sample with { StorePath = new StorePath(Sample.StorePath.Hash, "other") }).Verify(key));
        Assert.False((Sample with { Signatures = [] }).Verify(key));
        Assert.False((Sample with { Signatures = [Sample.Signatures[0].Replace("test-1", "test-2", StringComparison.Ordinal)] })
            .Verify(key));
        Assert.False(Sample.Verify(SecretKey.Generate("test-1").PublicKey));
        Assert.True((Sample with { Url = "nar/elsewhere.nar", Deriver = null }).Verify(key));
    }

    [Fact]
    public void References_are_sorted_and_stand_once_however_they_come()
    {
        var hashes = new[] { "zz", "0a", "a0", "00" }.Select(start => StorePath.Parse(start + new string('1', 30) + "-n")).ToArray();
        var info = Sample with { References = [.. hashes, .. hashes] };
        Assert.Equal(info.References.Select(path => path.ToString()).Order(StringComparer.Ordinal).Distinct(),
            info.References.Select(path => path.ToString()));
        Assert.Equal(4, info.References.Count);
        Assert.EndsWith($";344;{string.Join(',', info.References)}", info.Fingerprint(), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_narinfo_is_read_back_as_it_was_printed()
    {
        var random = new Random(11);
        for (var n = 0; n < 500; n++)
        {
            var info = Any(random);
            Assert.Equal(info, NarInfo.Parse(info.Print()));
            Assert.Equal(info.Print(), NarInfo.Parse(info.Print().Replace("\n", "\r\n", StringComparison.Ordinal)).Print());
        }
    }

    [Fact]
    public void Fields_of_a_later_nix_are_skipped_and_an_unknown_deriver_is_none()
    {
        var info = NarInfo.Parse(ByNix.Replace("Deriver: nkv9xc4g4hvqrykmclj4fj0wavl1ipxj-edge-ref-in-symlink.drv",
            "Deriver: unknown-deriver\nNew: field", StringComparison.Ordinal));
        Assert.Null(info.Deriver);
        Assert.Equal(Sample with { Deriver = null }, info);
    }

    [Theory]
    [InlineData("StorePath: /nix/store/8k7q7a5j64rwpwn8xavsr5z5x8f90npq-edge-ref-in-symlink\n", "", "there is no StorePath")]
    [InlineData("URL: nar/0qcyg5wqwg1n7w0z7pkfk8q1xzfgk2d1yr3fcwqs5p4rr9080yqk.nar\n", "", "there is no URL")]
    [InlineData("URL: nar/0qcyg5wqwg1n7w0z7pkfk8q1xzfgk2d1yr3fcwqs5p4rr9080yqk.nar\n", "URL: \n", "line 2: URL is empty")]
    [InlineData("NarSize: 344\n", "", "there is no NarSize")]
    [InlineData("NarSize: 344", "NarSize: 0", "line 7: NarSize is zero")]
    [InlineData("NarSize: 344", "NarSize: -1", "not a number of bytes")]
    [InlineData("NarSize: 344", "NarSize: 344x", "not a number of bytes")]
    [InlineData("NarSize: 344", "NarSize: 17592186044417", "not a number of bytes up to 17592186044416")]
    [InlineData("FileSize: 344", "FileSize: 9223372036854775807", "not a number of bytes")]
    [InlineData("Compression: none", "Compression: none\u000bCA: x", "line 3: it has a control character")]
    [InlineData("Compression: none", "Compression: none\0", "line 3: it has a control character")]
    [InlineData("Compression: none", "CA: text:x", "line 3: CA: 'text:x' is not a content address")]
    [InlineData("NarHash: sha256:0", "NarHash: sha1:0", "line 6: NarHash")]
    [InlineData("References: pcb9", "References: pcb9/", "line 8: References")]
    [InlineData("FileSize: 344", "NarSize: 344", "line 7: NarSize stands twice")]
    [InlineData("FileSize: 344", "FileSize 344", "line 5: 'FileSize 344' is not 'Name: value'")]
    public void A_damaged_narinfo_is_refused_with_the_line_and_the_reason(string whole, string damaged, string said)
    {
        Assert.False(NarInfo.TryParse(ByNix.Replace(whole, damaged, StringComparison.Ordinal), out var info, out var error));
        Assert.Null(info);
        Assert.Contains(said, error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_field_with_a_line_break_is_never_printed()
    {
        foreach (var wrong in (NarInfo[])[Sample with { Url = "nar/x\nSig: a:b" }, Sample with { Compression = "none\r" },
            Sample with { System = "x\0" }, Sample with { Signatures = ["a:b", "c\nURL: x:d"] }])
            Assert.Contains("control character", Assert.Throws<InvalidOperationException>(wrong.Print).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_survives_its_text_and_never_prints_its_secret()
    {
        var key = SecretKey.Generate("cache.example.org-1");
        var again = SecretKey.Parse(key.Export());
        Assert.Equal(key.PublicKey, again.PublicKey);
        Assert.Equal(key.PublicKey, PublicKey.Parse(key.PublicKey.ToString()));
        Assert.True(key.PublicKey.Verify("message", again.Sign("message")));
        Assert.False(key.PublicKey.Verify("massage", again.Sign("message")));
        Assert.DoesNotContain(key.Export()[20..60], key.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_whose_halves_disagree_is_refused()
    {
        var (name, bytes) = (Secret[..Secret.IndexOf(':', StringComparison.Ordinal)],
            Convert.FromBase64String(Secret[(Secret.IndexOf(':', StringComparison.Ordinal) + 1)..]));
        bytes[^1] ^= 1;
        var error = Assert.Throws<FormatException>(() => SecretKey.Parse($"{name}:{Convert.ToBase64String(bytes)}"));
        Assert.Contains("second half", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("name")]
    [InlineData("name:")]
    [InlineData(":dKh7EHc4lgGieF4nOR1LuiGL19TZw6IRB4/tVqNz4e/6P0b9NLHJH2pfvXW1Pv5fTKUgs8S7WGk1RFQYEFyWPg==")]
    [InlineData("name:dKh7EHc4lgGieF4nOR1LuiGL19TZw6IRB4/tVqNz4e/6P0b9NLHJH2pfvXW1Pv5fTKUgs8S7WGk1RFQYEFyW")]
    [InlineData("name:dKh7EHc4lgGieF4nOR1LuiGL19TZw6IRB4/tVqNz4e/6P0b9NLHJH2pfvXW1Pv5fTKUgs8S7WGk1RFQYEFyWPg==AAAA")]
    [InlineData("name:dKh7EHc4lgGieF4nOR1LuiGL19TZw6IRB4/tVqNz4e/6P0b9NLHJH2pfvXW1Pv5fTKUgs8S7WGk1RFQYEFyWPgAA")]
    [InlineData("na me:dKh7EHc4lgGieF4nOR1LuiGL19TZw6IRB4/tVqNz4e/6P0b9NLHJH2pfvXW1Pv5fTKUgs8S7WGk1RFQYEFyWPg==")]
    [InlineData("name:not base 64")]
    public void What_is_no_key_is_refused_without_being_repeated(string text)
    {
        var error = Assert.Throws<FormatException>(() => SecretKey.Parse(text));
        if (text.Length > 5)
            Assert.DoesNotContain(text, error.Message, StringComparison.Ordinal);
        Assert.False(PublicKey.TryParse(text, out _));
        Assert.False(SecretKey.Parse(Secret).PublicKey.Verify("m", text));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a:b")]
    [InlineData("a b")]
    public void A_key_cannot_have_a_name_that_would_not_be_read_back(string name) =>
        Assert.Throws<ArgumentException>(() => SecretKey.Generate(name));

    private static NarInfo Any(Random random)
    {
        return new NarInfo
        {
            StorePath = AnyPath(),
            Url = $"nar/{AnyHash().ToNix32()}.nar.zst",
            Compression = random.Next(2) == 0 ? "zstd" : "none",
            FileHash = random.Next(2) == 0 ? AnyHash() : null,
            FileSize = random.Next(2) == 0 ? random.NextInt64(NarInfo.MaxNarSize + 1) : null,
            NarHash = AnyHash(),
            NarSize = random.NextInt64(1, NarInfo.MaxNarSize + 1),
            References = [.. Enumerable.Range(0, random.Next(30)).Select(_ => AnyPath())],
            Deriver = random.Next(2) == 0 ? AnyPath() : null,
            System = random.Next(2) == 0 ? "x86_64-linux" : null,
            Signatures = [.. Enumerable.Range(0, random.Next(3)).Select(n => $"key-{n}:{Convert.ToBase64String(Bytes(64))}")],
            Ca = random.Next(2) == 0 ? ContentAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"fixed:r:{AnyHash()}")) : null,
        };

        StorePath AnyPath() => new(StorePathHash.FromBytes(Bytes(20)), "name-" + random.Next());
        Sha256Hash AnyHash() => Sha256Hash.FromBytes(Bytes(32));
        byte[] Bytes(int count)
        {
            var bytes = new byte[count];
            random.NextBytes(bytes);
            return bytes;
        }
    }
}
