namespace OrleansCache.Nix.Tests;

public sealed class StorePathTests
{
    private const string Hash = "g4fkcwhj10123456789abcdfghijklmn";

    [Theory]
    [InlineData("", "")]
    [InlineData("00", "00")]
    [InlineData("ff", "7z")]
    [InlineData("1f", "0z")]
    [InlineData("a9993e364706816aba3e25717850c26c9cd0d89d", "kpcd173cq987hw957sx6m0868wv3x6d9")]
    [InlineData("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")]
    public void Nix32_agrees_with_nix(string hex, string text)
    {
        var bytes = Convert.FromHexString(hex);
        Assert.Equal(text, Nix32.Encode(bytes));
        var back = new byte[bytes.Length];
        Assert.True(Nix32.TryDecode(text, back));
        Assert.Equal(bytes, back);
    }

    [Fact]
    public void Nix32_of_any_bytes_decodes_to_them()
    {
        var random = new Random(7);
        for (var n = 0; n < 2000; n++)
        {
            var bytes = new byte[random.Next(70)];
            random.NextBytes(bytes);
            var back = new byte[bytes.Length];
            Assert.True(Nix32.TryDecode(Nix32.Encode(bytes), back));
            Assert.Equal(bytes, back);
        }
    }

    [Theory]
    [InlineData("zz", 1)] // bits beyond the byte
    [InlineData("0e", 1)] // not of the alphabet
    [InlineData("0A", 1)]
    [InlineData("000", 1)]
    [InlineData("0", 1)]
    [InlineData("0é", 1)]
    public void Nix32_refuses_what_encodes_no_bytes(string text, int byteCount) => Assert.False(Nix32.TryDecode(text, new byte[byteCount]));

    [Theory]
    [InlineData(20)]
    [InlineData(32)]
    public void Nix32_refuses_a_wrong_character_wherever_it_stands(int byteCount)
    {
        var right = Nix32.Encode(new byte[byteCount]);
        for (var at = 0; at < right.Length; at++)
        {
            for (var c = (char)0; c < 300; c++)
            {
                var text = $"{right[..at]}{c}{right[(at + 1)..]}";
                var bytes = new byte[byteCount];
                // What was decoded has to be that text: a character more or less would show.
                if (Nix32.TryDecode(text, bytes))
                    Assert.Equal(text, Nix32.Encode(bytes));
                else
                    Assert.True(!"0123456789abcdfghijklmnpqrsvwxyz".Contains(c, StringComparison.Ordinal)
                        || (at == 0 && byteCount == 32), text);
            }
        }
    }

    [Fact]
    public void Hashes_are_equal_and_ordered_as_their_texts()
    {
        var random = new Random(3);
        var texts = new List<string>();
        var bytes = new byte[StorePathHash.ByteLength];
        for (var n = 0; n < 500; n++)
        {
            if (n % 5 == 0)
                random.NextBytes(bytes);
            else
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8)); // a neighbour, so that every word decides some order
            texts.Add(Nix32.Encode(bytes));
        }

        Assert.Equal(texts.Order(StringComparer.Ordinal), texts.Select(text => StorePathHash.Parse(text)).Order()
            .Select(hash => hash.ToString()));
        Assert.All(texts, text => Assert.Equal(StorePathHash.Parse(text), StorePathHash.FromBytes(StorePathHash.Parse(text).ToArray())));
        Assert.Equal(texts.Distinct().Count(), texts.Select(text => StorePathHash.Parse(text)).ToHashSet().Count);
    }

    [Fact]
    public void A_hash_of_the_wrong_length_is_refused() => Assert.Throws<ArgumentException>(() => StorePathHash.FromBytes(new byte[19]));

    [Theory]
    [InlineData("a")]
    [InlineData("gcc-13.2.0-lib")]
    [InlineData("name+with=odd?chars_1.2")]
    [InlineData(".hidden")]
    [InlineData("...")]
    [InlineData("..a-b")]
    [InlineData("-")]
    public void Names_that_nix_allows_are_read_in_both_forms(string name)
    {
        Assert.True(StorePath.TryParse($"/nix/store/{Hash}-{name}", out var path));
        Assert.True(StorePath.TryParse($"{Hash}-{name}", out var same));
        Assert.Equal(path, same);
        Assert.Equal(name, path.Name);
        Assert.Equal($"{Hash}-{name}", path.BaseName);
        Assert.Equal($"/nix/store/{Hash}-{name}", path.ToString());
    }

    [Theory]
    [InlineData($"{Hash}")]
    [InlineData($"{Hash}-")]
    [InlineData($"{Hash}-.")]
    [InlineData($"{Hash}-..")]
    [InlineData($"{Hash}-.-a")]
    [InlineData($"{Hash}-..-a")]
    [InlineData($"{Hash}-a b")]
    [InlineData($"{Hash}-a/b")]
    [InlineData($"{Hash}-ä")]
    [InlineData($"{Hash}-a\n")]
    [InlineData($"{Hash}_a")]
    [InlineData($"/nix/store/{Hash}-a/bin")]
    [InlineData($"/nix/store{Hash}-a")]
    [InlineData($"/nix/stor/{Hash}-a")]
    [InlineData($"/gnu/store/{Hash}-a")]
    [InlineData("e4fkcwhj10123456789abcdfghijklmn-a")]
    [InlineData("")]
    [InlineData(null)]
    public void What_is_no_store_path_is_refused(string? text) => Assert.False(StorePath.TryParse(text, out _));

    [Fact]
    public void The_longest_name_has_211_characters()
    {
        Assert.True(StorePath.TryParse($"{Hash}-{new string('x', 211)}", out _));
        Assert.False(StorePath.TryParse($"{Hash}-{new string('x', 212)}", out _));
        Assert.Throws<ArgumentException>(() => new StorePath(StorePathHash.Parse(Hash), new string('x', 212)));
    }

    [Fact]
    public void The_forms_of_a_sha256_are_one_value()
    {
        var hash = Sha256Hash.Compute("abc"u8);
        Assert.Equal("sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s", hash.ToNix32String());
        Assert.Equal("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", hash.ToSri());
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hash.ToHex());
        foreach (var form in new[] { hash.ToNix32String(), hash.ToSri(), "sha256:" + hash.ToHex(), "sha256:" + hash.ToSri()[7..] })
            Assert.Equal(hash, Sha256Hash.Parse(form));
        Assert.Equal(hash, Sha256Hash.FromBytes(hash.ToArray()));
        Assert.NotEqual(hash, Sha256Hash.Compute("abd"u8));
    }

    [Theory]
    [InlineData("1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")]
    [InlineData("sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5")]
    [InlineData("sha256:zb8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")]
    [InlineData("sha256-1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")]
    [InlineData("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFQ==")]
    [InlineData("sha512:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")]
    [InlineData("")]
    public void What_is_no_sha256_is_refused(string text) => Assert.False(Sha256Hash.TryParse(text, out _));
}
