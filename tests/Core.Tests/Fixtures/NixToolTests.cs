using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Fixtures;

public class NixToolTests
{
    [NixFact]
    public Task The_machine_s_Nix_reads_a_signed_cache_into_a_store_of_its_own() => ReadsSignedCacheAsync(NixTool.Installed!);

    [NewNixFact]
    public Task A_newer_Nix_reads_a_signed_cache_into_a_store_of_its_own() => ReadsSignedCacheAsync(NixTool.Latest!);

    [NixFact]
    public async Task A_closure_set_lists_references_first()
    {
        var set = await Closures.GetAsync("small");

        Assert.Equal(50, set.Paths.Count);
        Assert.Equal(set.Root, set.Paths[^1]);
        Assert.Contains(set.Half, set.Paths);
    }

    private static async Task ReadsSignedCacheAsync(NixTool nix)
    {
        var set = await Closures.GetAsync("small");
        using var folder = new TempFolder();
        var (secret, cache, store) = (folder["key"], $"file://{folder["cache"]}", folder["store"]);
        await File.WriteAllTextAsync(secret, (await nix.RunAsync("nix", ["key", "generate-secret", "--key-name", "test-1"]))
            .OrThrow().Output);
        var publicKey = (await nix.RunAsync("nix", ["key", "convert-secret-to-public"], input: await File.ReadAllTextAsync(secret)))
            .OrThrow().Output;
        (await nix.RunAsync("nix", ["copy", "--to", $"{cache}?secret-key={secret}&compression=none", set.Root])).OrThrow();

        var refused = await nix.SubstituteAsync(store, cache, "other-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", [set.Root]);
        var read = await nix.SubstituteAsync(store, cache, publicKey, [set.Root]);

        Assert.NotEqual(0, refused.ExitCode);
        read.OrThrow();
        (await nix.VerifyAsync(store)).OrThrow();
        Assert.All(set.Paths, path => Assert.True(Path.Exists(store + path), path));

        // A flipped byte is found: the check above can fail.
        (await ProcessRunner.RunAsync("bash", ["-c",
            "f=$(find \"$0\" -type f -size +0 | head -n 1); chmod u+w \"$f\"; printf '\\1x' >> \"$f\"", store + set.Root])).OrThrow();
        Assert.NotEqual(0, (await nix.VerifyAsync(store)).ExitCode);
    }
}
