using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Testing;

namespace OrleansCache.Nix.Tests;

/// <summary>Whether a NAR has the content addresses that paths with it declare.</summary>
public sealed class ContentAddressTests : IDisposable
{
    private static readonly StorePathHash Nobody = Examining.RandomHash(new Random(9));
    private static readonly Tree Plain = new Tree.Regular("hello\n"u8.ToArray(), false);

    private static readonly Tree Folder = new Tree.Folder(
    [
        ("a"u8.ToArray(), new Tree.Regular("x"u8.ToArray(), false)), ("l"u8.ToArray(), new Tree.Link("a"u8.ToArray())),
        ("x"u8.ToArray(), new Tree.Regular("#!/bin/sh\necho\n"u8.ToArray(), true)),
    ]);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>As Nix 2.8 gave them for these files.</summary>
    public static TheoryData<string, bool> OfNix => new()
    {
        { "fixed:md5:4425hx5d1mc9y39llj4k4nm55i", false },
        { "fixed:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm", false },
        { "fixed:sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq", false },
        {
            "fixed:sha512:0lrc0dwnvipqviibf7qfm1y492qvjwb1zhkcyi05cndmva1mr5gjcgrnz1x36djmk0sfg8djd2n0qv68vib2jg590mwznar9jcjphp7", false
        },
        { "text:sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq", false },
        { "fixed:r:md5:638p6ykl609ipahjs5x8a5mlvl", true },
        { "fixed:r:sha1:drv9s32gk2bi0qawy6lvficafl3d9hsm", true },
        { "fixed:r:sha256:09w16zdcmj3lcfyq61qs53m22fjhamjja0m424451ffixf6q8anw", true },
        {
            "fixed:r:sha512:11z963q8p6r6f0vp5pgq5znwimwm97q7gdjfxb35nvjq8mg909dhx1fn3z09mqaliqfm6psflcmsiva8jjdizjgvj06jbv5z4ddajiv",
            true
        },
    };

    [Theory]
    [MemberData(nameof(OfNix))]
    public void An_address_of_nix_holds_for_its_nar_and_for_no_other(string address, bool ofFolder)
    {
        var (nar, other) = ofFolder ? (Folder.ToNar(), Plain.ToNar()) : (Plain.ToNar(), Folder.ToNar());
        Assert.True(Holds(nar, address));
        Assert.False(Holds(other, address));
        Assert.False(Holds([.. nar, 0], address));
        Assert.False(Holds(Examining.FileNar("hello!"), address));
    }

    [Theory]
    [InlineData("fixed:git:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm")]
    [InlineData("fixed:r:blake3:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq")]
    [InlineData("fixed:blake3:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq")]
    public void What_is_not_computed_here_is_not_told(string address)
    {
        Assert.Null(Holds(Plain.ToNar(), address));
        Assert.Null(Holds([1], address));
    }

    /// <summary><c>nix store add-file</c> keeps the flag, and its address does not have it.</summary>
    [Fact]
    public void A_flat_address_is_the_same_of_an_executable()
    {
        var nar = Examining.FileNar("#!/bin/sh\n"u8.ToArray(), executable: true);
        Assert.True(Holds(nar, "fixed:sha256:1gss63iniqw2y8jr0hrlf4ksc2alyzdzgsi05c0h47nj50yns1x8"));
    }

    [Fact]
    public void A_folder_does_not_have_the_address_of_the_file_in_it()
    {
        var address = Sha256("fixed:", "hello\n"u8.ToArray()).ToString();
        Assert.True(Holds(Plain.ToNar(), address));
        Assert.False(Holds(new Tree.Folder([("f"u8.ToArray(), Plain)]).ToNar(), address));
    }

    [Fact]
    public void An_empty_file_has_its_addresses()
    {
        var empty = $"sha256:{Sha256Hash.Compute([]).ToNix32()}";
        Assert.True(Holds(Examining.FileNar(""), $"fixed:{empty}"));
        Assert.True(Holds(Examining.FileNar(""), $"text:{empty}"));
        Assert.False(Holds(new Tree.Folder([]).ToNar(), $"fixed:{empty}"));
        Assert.False(Holds(new Tree.Link([1]).ToNar(), $"text:{empty}"));
    }

    /// <summary>
    /// What <c>nix store make-content-addressed</c> of Nix 2.8 and 2.26 made of the same path: the latter leaves out the positions.
    /// </summary>
    [Theory]
    [InlineData("j11sazyx30vlg0l3jfcp1hcvy8qi9dx0", "0hksbz3by63nhlfa11j28r4dh8kjp7li9hw8cmsa62xa8rqj9mvs",
        "rZlKxKj5dndHg7E5yqz3Y6opol/W/fDqDh4E2Nxu5FY=")]
    [InlineData("janjhfsqnz7hjxzvbmdx1vpgfb97h3b1", "0c0h2s4ji8647bs1rvi57klrm385b3kqlli0bwqa30y9j5hxqkr4",
        "DA5Tae2pxUUgVPBZQiFPdTSynaisB8TJ+kxOmNaqSVM=")]
    public void A_path_of_nix_that_refers_to_itself_has_its_address(string self, string hash, string narHash)
    {
        var path = $"/nix/store/{self}-self";
        var script = $"#!/bin/sh\nexec {path}/bin/run /nix/store/k0bq3s4hdvxal217l04jr24n8jm5l29g-dep {path}{path}\n";
        var nar = new Tree.Folder(
        [
            ("bin"u8.ToArray(), new Tree.Folder([("run"u8.ToArray(), new Tree.Regular(Encoding.ASCII.GetBytes(script), true))])),
            ("link"u8.ToArray(), new Tree.Link(Encoding.ASCII.GetBytes($"{path}/bin"))),
        ]).ToNar();
        Assert.Equal($"sha256-{narHash}", Sha256Hash.Compute(nar).ToSri());
        var address = ContentAddress.Parse($"fixed:r:sha256:{hash}");

        for (var size = 1; size < nar.Length; size++)
        {
            var findings = Examining.InPieces(nar, _ => size, [], (StorePathHash.Parse(self), address), (Nobody, address));
            Assert.Equal([true, false], findings.ContentAddresses);
            Assert.Equal([self, "k0bq3s4hdvxal217l04jr24n8jm5l29g"], findings.Occurring.Select(found => found.ToString()));
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Pieces_of_any_size_give_the_hashes_modulo_each_path(int seed)
    {
        var random = new Random(seed);
        // The second overlaps with itself.
        StorePathHash[] selves = [Examining.RandomHash(random), StorePathHash.Parse(new string('a', 32)), Nobody];
        var text = new StringBuilder();
        for (var n = random.Next(1, 60); n > 0; n--)
        {
            text.Append(random.Next(3) switch
            {
                0 => selves[0].ToString(),
                1 => new string('a', random.Next(90)),
                _ => new string(' ', random.Next(40)),
            });
        }

        var contents = Encoding.ASCII.GetBytes(text.ToString());
        var nar = Examining.FileNar(contents, seed % 2 == 0);

        List<(StorePathHash, ContentAddress)> declared = [];
        foreach (var self in selves)
        {
            foreach (var positions in new[] { true, false })
            {
                declared.Add((self, Sha256("fixed:r:", Examining.Modulo(nar, self, positions))));
                declared.Add((self, Sha256("fixed:", Examining.Modulo(contents, self, positions))));
            }
        }

        foreach (var most in new[] { 2, 20, 60, 100_000 })
        {
            var findings = Examining.InPieces(nar, _ => random.Next(1, most), selves, [.. declared]);
            Assert.DoesNotContain(findings.ContentAddresses, holds => holds is not true);
            Assert.Equal(Sha256Hash.Compute(nar), findings.NarHash);
        }
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Fact]
    public void The_hash_with_references_is_not_that_of_a_path_that_refers_to_itself()
    {
        var nar = Examining.FileNar($"{Nobody}");
        Assert.False(Holds(nar, Sha256("fixed:r:", nar).ToString()));
    }

    [Fact]
    public void Beyond_the_most_paths_that_refer_to_themselves_nothing_is_told_and_others_are()
    {
        var random = new Random(2);
        var selves = Enumerable.Range(0, ContentAddressHashes.MaxModulo + 1).Select(_ => Examining.RandomHash(random)).ToArray();
        var nar = Examining.FileNar(string.Join(' ', selves));
        var declared = selves.Append(Nobody).Select(self => (self, Sha256("fixed:r:", Examining.Modulo(nar, self, positions: true))));

        var findings = Examining.Whole(nar, [], [.. declared]);

        Assert.Equal([true, true, true, true, null, true], findings.ContentAddresses);
    }

    [Fact]
    public void Beyond_the_most_references_only_the_hash_without_positions_is_told()
    {
        var text = string.Concat(Enumerable.Repeat($"{Nobody}", RunningHash.MaxPositions + 1));
        var nar = Examining.FileNar(text);
        var zeros = Examining.FileNar(new byte[text.Length]);

        Assert.True(Holds(nar, Sha256("fixed:r:", zeros).ToString()));
        Assert.Null(Holds(nar, Sha256("fixed:r:", nar).ToString()));
    }

    [NixFact]
    public void A_path_that_the_installed_nix_made_content_addressed_has_its_address()
    {
        var store = _folder.Child("store");
        var path = $"/nix/store/{Nobody}-self";
        var file = new Tree.Regular(Encoding.ASCII.GetBytes($"{path} {path} {Guid.NewGuid()}"), false);
        var nar = new Tree.Folder([("f"u8.ToArray(), file)]).ToNar();
        PutInCache(path, nar);

        RealNix.Run("nix", "copy", "--no-check-sigs", "--from", $"file://{_folder.Child("cache")}", "--to", store, path);
        RealNix.Run("nix", "store", "make-content-addressed", "--store", store, path);

        var infos = JsonNode.Parse(RealNix.Run("nix", "path-info", "--store", store, "--all", "--json"))!.AsArray();
        var made = Assert.Single(infos, info => (string?)info!["ca"] is not null)!;
        var self = StorePath.Parse((string?)made["path"]).Hash;
        using var dump = new MemoryStream();
        NarWriter.Write(store + (string)made["path"]!, dump);
        var findings = Examining.Whole(dump.ToArray(), [], (self, ContentAddress.Parse((string)made["ca"]!)));
        Assert.Equal([true], findings.ContentAddresses);
        Assert.Equal([self], findings.Occurring);
    }

    private void PutInCache(string path, byte[] nar)
    {
        var cache = Directory.CreateDirectory(_folder.Child("cache")).FullName;
        var hash = Sha256Hash.Compute(nar);
        File.WriteAllText(Path.Combine(cache, "nix-cache-info"), "StoreDir: /nix/store\n");
        File.WriteAllBytes(Path.Combine(cache, "x.nar"), nar);
        File.WriteAllText(Path.Combine(cache, $"{Nobody}.narinfo"),
            $"StorePath: {path}\nURL: x.nar\nCompression: none\nFileHash: {hash}\nFileSize: {nar.Length}\nNarHash: {hash}\n" +
                $"NarSize: {nar.Length}\nReferences: {StorePath.Parse(path).BaseName}\n");
    }

    private static bool? Holds(byte[] nar, string address) =>
        Assert.Single(Examining.Whole(nar, [], (Nobody, ContentAddress.Parse(address))).ContentAddresses);

    private static ContentAddress Sha256(string method, byte[] bytes) => ContentAddress.Parse(method + Sha256Hash.Compute(bytes));
}
