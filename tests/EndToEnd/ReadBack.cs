using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Reads closures with a real Nix.</summary>
internal static class ReadBack
{
    public static async Task SetAsync(NixTool nix, FilledCache cache, string set) =>
        await ClosureAsync(nix, cache.Substituter, cache.Server.PublicKey, (await Closures.GetAsync(set)).Root);

    /// <summary>Substitutes a path with its closure into an empty store, its signatures required, and compares what is there then with the machine's store.</summary>
    public static async Task ClosureAsync(NixTool nix, string substituter, string publicKey, string root)
    {
        using var store = new TempFolder("oc-read-");
        (await nix.SubstituteAsync(store.Path, substituter, publicKey, [root])).OrThrow();
        (await nix.VerifyAsync(store.Path)).OrThrow();
        Assert.Equal(await HashesAsync(NixTool.Installed!, null, root), await HashesAsync(nix, store.Path, root));
    }

    /// <summary>Has Nix realise the content-addressed derivations of set <c>ca</c> in a store that has only the derivations and may not build: it must learn their outputs from the cache.</summary>
    public static async Task RealisationsAsync(NixTool nix, FilledCache cache)
    {
        var set = await Closures.GetAsync("ca");
        var installed = NixTool.Installed!;
        var derivation = (await installed.RunAsync("nix-store", ["--query", "--deriver", set.Root])).OrThrow().Output.Trim();
        using var store = new TempFolder("oc-read-");
        using var export = new TempFolder("oc-drv-");
        (await installed.RunAsync("nix", ["copy", "--derivation", "--no-check-sigs", "--to", $"local?root={store.Path}", derivation])).OrThrow();
        (await nix.SubstituteAsync(store.Path, cache.Substituter, cache.Server.PublicKey, [$"{derivation}"])).OrThrow();
        (await nix.VerifyAsync(store.Path)).OrThrow();
        (await nix.RunAsync("nix-store", ["--check-validity", set.Root], store.Path)).OrThrow();
    }

    /// <summary>Every path of a closure with the hash of its content.</summary>
    private static async Task<SortedDictionary<string, string>> HashesAsync(NixTool nix, string? store, string root)
    {
        var paths = (await nix.RunAsync("nix-store", ["--query", "--requisites", root], store)).OrThrow().Lines;
        var hashes = (await nix.RunAsync("nix-store", ["--query", "--hash", .. paths], store)).OrThrow().Lines;
        return new SortedDictionary<string, string>(paths.Zip(hashes).ToDictionary(pair => pair.First, pair => pair.Second), StringComparer.Ordinal);
    }
}
