using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Faults.Tests;

/// <summary>What must hold of a cache whatever was killed.</summary>
internal static class CacheChecks
{
    /// <summary>No narinfo is visible without its closure; may be asked at any moment.</summary>
    public static async Task NoHolesAsync(IObjects objects, string when)
    {
        var holes = await CacheScan.FindHolesAsync(objects);
        Assert.True(holes.Count == 0, $"{when}: {string.Join('\n', holes)}");
    }

    /// <summary>Every path that a push was told to be there is there.</summary>
    public static async Task WholeAsync(IObjects objects, string root, string when)
    {
        foreach (var path in (await NixTool.Installed!.RunAsync("nix-store", ["--query", "--requisites", root])).OrThrow().Lines)
            Assert.True(await objects.SizeAsync($"{StorePath.Parse(path).Hash}.narinfo") is not null,
                $"{when}: {path} was committed and is not there");
    }

    /// <summary>A real Nix reads the whole closure, and every byte in the cache is right.</summary>
    public static async Task ReadsBackAsync(IObjects objects, string substituter, string publicKey, string root)
    {
        Assert.Empty(await CacheScan.FindWrongBytesAsync(objects, publicKey));
        using var store = new TempFolder("oc-read-");
        (await NixTool.Installed!.SubstituteAsync(store.Path, substituter, publicKey, [root])).OrThrow();
        (await NixTool.Installed.VerifyAsync(store.Path)).OrThrow();
    }
}
