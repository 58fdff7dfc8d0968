using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Reads closures with a real Nix.</summary>
internal static class ReadBack
{
    public static async Task SetAsync(NixTool nix, FilledCache cache, string set)
    {
        var closure = await Closures.GetAsync(set);
        // ca-4 refers to itself. Nix 2.8, which built it, and 2.17 to 2.34 disagree about the hash of such a path: no cache could give it
        // to these.
        var root = set == "ca" && nix != NixTool.Installed ? closure.Paths.Single(path => path.EndsWith("-ca-3", StringComparison.Ordinal))
            : closure.Root;
        await ClosureAsync(nix, cache.Substituter, cache.Server.PublicKey, root);
    }

    /// <summary>
    /// Substitutes a path with its closure into an empty store, its signatures required, and compares what is there then with the machine's
    /// store.
    /// </summary>
    public static async Task ClosureAsync(NixTool nix, string substituter, string publicKey, string root, string settings = "")
    {
        using var store = new TempFolder("oc-read-");
        (await nix.SubstituteAsync(store.Path, substituter, publicKey, [root], more: settings)).OrThrow();
        (await nix.VerifyAsync(store.Path)).OrThrow();
        Assert.Equal(await HashesAsync(NixTool.Installed!, null, root), await HashesAsync(nix, store.Path, root));
    }

    /// <summary>
    /// Has Nix realise a derivation in a store that has only derivations and may not build: it must learn from the cache what they were
    /// built to.
    /// </summary>
    public static async Task DerivationAsync(NixTool nix, string substituter, string publicKey, string derivation, string output)
    {
        using var store = new TempFolder("oc-read-");
        (await NixTool.Installed!.RunAsync("nix", ["copy", "--derivation", "--no-check-sigs", "--to", $"local?root={store.Path}",
            derivation])).OrThrow();
        Assert.All(Directory.GetFiles(Path.Combine(store.Path, "nix/store")), file => Assert.EndsWith(".drv", file));
        (await nix.SubstituteAsync(store.Path, substituter, publicKey, [derivation])).OrThrow();
        (await nix.VerifyAsync(store.Path)).OrThrow();
        (await nix.RunAsync("nix-store", ["--check-validity", output], store.Path)).OrThrow();
    }

    /// <summary>Every path of a closure with the hash of its content.</summary>
    private static async Task<SortedDictionary<string, string>> HashesAsync(NixTool nix, string? store, string root)
    {
        var paths = (await nix.RunAsync("nix-store", ["--query", "--requisites", root], store)).OrThrow().Lines;
        var hashes = (await nix.RunAsync("nix-store", ["--query", "--hash", .. paths], store)).OrThrow().Lines;
        return new SortedDictionary<string, string>(paths.Zip(hashes).ToDictionary(pair => pair.First, pair => pair.Second),
            StringComparer.Ordinal);
    }
}
