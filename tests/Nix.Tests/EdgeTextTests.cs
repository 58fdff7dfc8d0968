namespace OrleansCache.Nix.Tests;

/// <summary>What a client writes as text and others read: one form of each.</summary>
public sealed class EdgeTextTests
{
    private const string Nix32Sha256 = "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";
    private const string Hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    private const string Drv = "g4fkcwhj10123456789abcdfghijklmn-x.drv";

    private static readonly string Signature = Convert.ToBase64String([.. Enumerable.Range(0, 64).Select(i => (byte)i)]);

    [Theory]
    [InlineData($"text:sha256:{Nix32Sha256}")]
    [InlineData($"fixed:sha256:{Nix32Sha256}")]
    [InlineData($"fixed:r:sha256:{Nix32Sha256}")]
    [InlineData($"fixed:git:sha256:{Nix32Sha256}")]
    [InlineData($"fixed:r:blake3:{Nix32Sha256}")]
    [InlineData("fixed:md5:3y8bwfr609h3lh9ch0izcqq7fl")]
    [InlineData("fixed:r:sha1:kpcd173cq987hw957sx6m0868wv3x6d9")]
    [InlineData("fixed:git:sha1:kpcd173cq987hw957sx6m0868wv3x6d9")]
    [InlineData("fixed:sha512:2gs8k559z4rlahfx0y688s49m2vvszylcikrfinm30ly9rak69236nkam5ydvly1ai7xac99vxfc4ii84hawjbk876blyk1jfhkbbyx")]
    public void A_content_address_as_nix_renders_it_is_one(string text) => Assert.Equal(text, ContentAddress.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("text:x")]
    [InlineData($"text:r:sha256:{Nix32Sha256}")]
    [InlineData("text:sha1:kpcd173cq987hw957sx6m0868wv3x6d9")]
    [InlineData($"fixed:R:sha256:{Nix32Sha256}")]
    [InlineData($"fixed:r:git:sha256:{Nix32Sha256}")]
    [InlineData($"fixed:r:sha256:{Hex}")]
    [InlineData($"fixed:r:sha1:{Nix32Sha256}")]
    [InlineData($"fixed:r:sha256-{Nix32Sha256}")]
    [InlineData($"fixed:r:sha256:{Nix32Sha256}\nSig: a:b")]
    [InlineData($"fixed:r:sha256:{Nix32Sha256} ")]
    [InlineData($" fixed:r:sha256:{Nix32Sha256}")]
    [InlineData($"nar:sha256:{Nix32Sha256}")]
    public void What_nix_does_not_render_is_no_content_address(string text) => Assert.False(ContentAddress.TryParse(text, out _));

    [Theory]
    [InlineData("cache.example.org-1")]
    [InlineData("schlüssel")]
    public void A_signature_is_a_name_and_the_base64_of_64_bytes(string name)
    {
        Assert.True(PathSignature.TryParse($"{name}:{Signature}", out var signature));
        Assert.Equal((name, $"{name}:{Signature}"), (signature.KeyName, signature.ToString()));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData(":SIG")]
    [InlineData("a b:SIG")]
    [InlineData("a\nDeriver:SIG")]
    [InlineData("a\0:SIG")]
    [InlineData("a:b:SIG")]
    [InlineData("aHALF:SIG")]
    [InlineData("LONG:SIG")]
    [InlineData("a:SIG ")]
    [InlineData(" a:SIG")]
    [InlineData("a:SIG\n")]
    [InlineData("a:AAECAw==")]
    [InlineData("a:NOT CANONICAL")]
    [InlineData("a:WRAPPED")]
    public void Any_other_text_is_no_signature(string? text)
    {
        // The last digit holds 4 bits of the 64th byte, and 2 that nobody reads; white space is skipped by a decoder.
        var loose = Signature[..^3] + "/==";
        Assert.Equal(Convert.FromBase64String(Signature)[..63], Convert.FromBase64String(loose)[..63]);
        text = text?.Replace("SIG", Signature, StringComparison.Ordinal).Replace("HALF", "\ud800", StringComparison.Ordinal)
            .Replace("LONG", new string('a', 256), StringComparison.Ordinal)
            .Replace("NOT CANONICAL", loose, StringComparison.Ordinal)
                .Replace("WRAPPED", Signature.Insert(44, "\n"), StringComparison.Ordinal);
        Assert.False(PathSignature.TryParse(text, out _));
    }

    [Theory]
    [InlineData($"sha256:{Hex}!out", null, "out")]
    [InlineData($"sha256:{Hex}!lib-dev_1.0", null, "lib-dev_1.0")]
    [InlineData($"{Drv}^out", Drv, "out")]
    public void An_id_of_a_realisation_has_one_form_of_each_kind(string text, string? derivation, string output)
    {
        var id = RealisationId.Parse(text);
        Assert.Equal((text, derivation, output), (id.ToString(), id.Derivation, id.Output));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("sha256:00!out")]
    [InlineData($"sha256:{Hex}!")]
    [InlineData($"sha256:{Hex}")]
    [InlineData($"sha256:{Hex}^out")]
    [InlineData($"sha256:{Hex}!a/b")]
    [InlineData($"sha256:{Hex}!..")]
    [InlineData($"sha256:{Hex}!out!out")]
    [InlineData($"sha256:{Hex}!out\0")]
    [InlineData($"sha256:{Nix32Sha256}!out")]
    [InlineData($"sha512:{Hex}!out")]
    [InlineData($"{Drv}!out")]
    [InlineData($"{Drv}^")]
    [InlineData($"/nix/store/{Drv}^out")]
    [InlineData("g4fkcwhj10123456789abcdfghijklmn-x^out")]
    [InlineData("../../x")]
    public void A_free_form_id_names_no_realisation(string? text) => Assert.False(RealisationId.TryParse(text, out _));

    [Fact]
    public void An_output_whose_realisation_would_be_no_file_name_is_refused()
    {
        Assert.True(RealisationId.TryParse($"sha256:{Hex}!{new string('a', 179)}", out _));
        Assert.False(RealisationId.TryParse($"sha256:{Hex}!{new string('a', 180)}", out _));
    }
}
