using System.Text.Json.Nodes;
using OrleansCache.Testing;

namespace OrleansCache.Nix.Tests;

/// <summary>Store paths that Nix 2.8 and 2.26 made, and what their content addresses must give.</summary>
public sealed class ContentAddressedPathTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string, string[]> Vectors => new()
    {
        { "44m64f71jm96kiaqlv7qcnz2ssgkpn1y-plain", "fixed:md5:4425hx5d1mc9y39llj4k4nm55i", [] },
        { "4z8syf0x9dcjybfl13g42pcyacwhf1av-plain", "fixed:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm", [] },
        { "dib3crnljz2dm28bs0mys1yd29rr95a0-plain", "fixed:sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq", [] },
        {
            "s58sgx2d9l0c30hb8jx81jxklpiqia61-plain",
            "fixed:sha512:0lrc0dwnvipqviibf7qfm1y492qvjwb1zhkcyi05cndmva1mr5gjcgrnz1x36djmk0sfg8djd2n0qv68vib2jg590mwznar9jcjphp7", []
        },
        { "w4gp5pp4lpdfip7gjy3xjznz9zgdqvgi-d", "fixed:r:md5:638p6ykl609ipahjs5x8a5mlvl", [] },
        { "qdd4z203vl3ci3zxsnzc6fciiahqnxx9-d", "fixed:r:sha1:drv9s32gk2bi0qawy6lvficafl3d9hsm", [] },
        { "r2bnmxvlg5mgb7y61qxgr9jz9k59v2zb-d", "fixed:r:sha256:09w16zdcmj3lcfyq61qs53m22fjhamjja0m424451ffixf6q8anw", [] },
        {
            "672gvgd1yc50v1m43hisipg6sbzad6l7-d",
            "fixed:r:sha512:11z963q8p6r6f0vp5pgq5znwimwm97q7gdjfxb35nvjq8mg909dhx1fn3z09mqaliqfm6psflcmsiva8jjdizjgvj06jbv5z4ddajiv",
            []
        },
        { "68jbgflf2hp7jzbppi9m4gx7ck75sdly-u", "text:sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", [] },
        {
            "b1y5g0bg6p45w9jpf1q9d2awpcs6rkpq-t", "text:sha256:0vk02x1hg736mfslzz3y35shxbhpj6lpb0jzyj13zq34n2v4iahb",
            ["7rxq2bkvz5nira9d5mjzbc38iz598kwf-a", "68jbgflf2hp7jzbppi9m4gx7ck75sdly-u"]
        },
        {
            "j11sazyx30vlg0l3jfcp1hcvy8qi9dx0-self", "fixed:r:sha256:0hksbz3by63nhlfa11j28r4dh8kjp7li9hw8cmsa62xa8rqj9mvs",
            ["j11sazyx30vlg0l3jfcp1hcvy8qi9dx0-self", "k0bq3s4hdvxal217l04jr24n8jm5l29g-dep"]
        },
        {
            "janjhfsqnz7hjxzvbmdx1vpgfb97h3b1-self", "fixed:r:sha256:0c0h2s4ji8647bs1rvi57klrm385b3kqlli0bwqa30y9j5hxqkr4",
            ["janjhfsqnz7hjxzvbmdx1vpgfb97h3b1-self", "k0bq3s4hdvxal217l04jr24n8jm5l29g-dep"]
        },
        { "qpcbr57ravn14qw9kvp5rldrs1nbgfc9-plain", "fixed:git:sha1:993998wwkrzrcmpp0slxpa0b0cjkc0ff", [] },
        { "18n4wfnz7ykqr2b1qasmn3gxw4rlyaqy-d", "fixed:git:sha1:1p9r3ylcgsmwxmdkf1q48s2xgp5iczij", [] },
        { "ghw3z1gmwijyvx5dlgswigk2wvqfwlwq-exe", "text:sha256:1gss63iniqw2y8jr0hrlf4ksc2alyzdzgsi05c0h47nj50yns1x8", [] },
        { "k0bq3s4hdvxal217l04jr24n8jm5l29g-dep", "fixed:r:sha256:00kjynz8n03652qccs76ivsvark3pr3dfr6w1ba3x7bx83kcknvv", [] },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void A_path_of_nix_follows_from_its_content_address(string path, string address, string[] references) =>
        AssertFollows(path, address, references);

    [Theory]
    [InlineData("text:sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", false, true)]
    [InlineData("fixed:sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", false, true)]
    [InlineData("fixed:sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", true, false)]
    [InlineData("fixed:r:sha1:drv9s32gk2bi0qawy6lvficafl3d9hsm", true, false)]
    [InlineData("fixed:git:md5:638p6ykl609ipahjs5x8a5mlvl", false, false)]
    public void What_nix_makes_no_path_of_has_none(string address, bool references, bool refersToItself)
    {
        StorePath[] others = references ? [StorePath.Parse("68jbgflf2hp7jzbppi9m4gx7ck75sdly-u")] : [];
        Assert.Null(ContentAddressedPath.HashOf(ContentAddress.Parse(address), others, refersToItself, "n"));
    }

    [Fact]
    public void Name_references_method_and_store_make_a_path_another()
    {
        const string Hash = "sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc";
        var other = StorePath.Parse("68jbgflf2hp7jzbppi9m4gx7ck75sdly-u");
        StorePathHash?[] hashes =
        [
            Of($"fixed:r:{Hash}", "a"), Of($"fixed:r:{Hash}", "b"), Of($"fixed:r:{Hash}", "a", other), Of($"fixed:{Hash}", "a"),
            Of($"fixed:git:{Hash}", "a"), Of($"text:{Hash}", "a"), Of($"text:{Hash}", "a", other), Of($"fixed:blake3:{Hash[7..]}", "a"),
            ContentAddressedPath.HashOf(ContentAddress.Parse($"fixed:r:{Hash}"), [], true, "a"),
            ContentAddressedPath.HashOf(ContentAddress.Parse($"fixed:r:{Hash}"), [], false, "a", "/other/store"),
        ];

        Assert.DoesNotContain(null, hashes);
        Assert.Equal(hashes.Length, hashes.Distinct().Count());

        static StorePathHash? Of(string address, string name, params StorePath[] references) =>
            ContentAddressedPath.HashOf(ContentAddress.Parse(address), references, false, name);
    }

    [Theory]
    [InlineData("text:sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", false)]
    [InlineData("fixed:sha256:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", false)]
    [InlineData("fixed:r:sha1:drv9s32gk2bi0qawy6lvficafl3d9hsm", false)]
    [InlineData("fixed:git:sha1:993998wwkrzrcmpp0slxpa0b0cjkc0ff", true)]
    [InlineData("fixed:r:blake3:13ns0xymhkhgng27kis2x8w05bc8gw6nifqkg7r2npb3z0gfgqwc", true)]
    public void Another_path_does_not_follow_unless_few_releases_know_what_does(string address, bool follows)
    {
        var path = StorePath.Parse("68jbgflf2hp7jzbppi9m4gx7ck75sdly-a");
        Assert.Equal(follows, ContentAddressedPath.Follows(path, ContentAddress.Parse(address), []));
        Assert.Equal(follows, ContentAddressedPath.Follows(path, ContentAddress.Parse(address), [path]));
    }

    [NixFact]
    public void Every_path_that_the_installed_nix_adds_follows_from_its_content_address()
    {
        var store = _folder.Child("store");
        var file = _folder.Child("file");
        File.WriteAllText(file, $"{Guid.NewGuid()}");
        foreach (var algorithm in new[] { "md5", "sha1", "sha256", "sha512" })
        {
            RealNix.Run("nix-store", "--store", store, "--add-fixed", algorithm, file);
            RealNix.Run("nix-store", "--store", store, "--add-fixed", "--recursive", algorithm, file);
        }

        RealNix.Run("nix", "eval", "--store", store, "--expr", "builtins.toFile \"t\" \"${builtins.toFile \"u\" \"\"}\"");
        RealNix.Run("nix-instantiate", "--store", store, "--expr",
            "derivation { name = \"x\"; builder = \"b\"; system = \"s\"; file = builtins.toFile \"v\" \"\"; }");

        var infos = JsonNode.Parse(RealNix.Run("nix", "path-info", "--store", store, "--all", "--json"))!.AsArray();
        Assert.Equal(12, infos.Count);
        foreach (var info in infos)
        {
            AssertFollows((string)info!["path"]!, (string)info["ca"]!, [.. info["references"]!.AsArray().Select(path => (string)path!)]);
        }
    }

    private static void AssertFollows(string path, string address, string[] references)
    {
        var expected = StorePath.Parse(path);
        var parsed = references.Select(reference => StorePath.Parse(reference)).ToArray();

        var hash = ContentAddressedPath.HashOf(
            ContentAddress.Parse(address), parsed.Where(reference => reference != expected), parsed.Contains(expected), expected.Name);

        Assert.Equal(expected.Hash, hash);
        Assert.True(ContentAddressedPath.Follows(expected, ContentAddress.Parse(address), parsed));
    }
}
