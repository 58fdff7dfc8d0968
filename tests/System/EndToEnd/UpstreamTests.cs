using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A cache that leaves to another what that one has, with our client and stock Nix.</summary>
public sealed class UpstreamTests
{
    [NixFact]
    public async Task What_the_upstream_has_is_neither_sent_nor_stored_and_readers_of_both_get_all()
    {
        await using var server = await ServerProcess.StartAsync();
        var small = await Closures.GetAsync("small");
        var (common, built, tool) = (small.Half!, small.Root, NixTool.All[^1]);
        (await CacheCli.PushAsync(server, common)).OrThrow();
        await using var team = await CachesTests.Cache.MakeAsync(server, "team", "--upstream", $"{server.Url} {server.PublicKey}");
        var folder = new ObjectFolder(Path.Combine(server.Data, "caches", "team"));

        // 1. Less is sent, and the second time nothing.
        var first = (await team.PushAsync(built)).OrThrow();
        var again = (await team.PushAsync(built)).OrThrow();

        Assert.Contains("or upstream (", first.Errors + first.Output, StringComparison.Ordinal);
        Assert.Contains("all of them there already or upstream (", again.Errors + again.Output, StringComparison.Ordinal);
        var stored = (await folder.KeysAsync()).Count(k => k.EndsWith(".narinfo", StringComparison.Ordinal));
        Assert.InRange(stored, 1, small.Paths.Count - 10);
        var status = (await team.AsOperatorAsync("upstream", "status", "--cache", "team")).OrThrow().Output;
        Assert.Contains(", 0 of them lost", status, StringComparison.Ordinal);
        (await team.AsOperatorAsync("fsck", "--cache", "team")).OrThrow();

        // 2. Readers of both get all of it, signatures required; who has this one alone does not.
        var key = Assert.Single((await team.ShowAsync()).PublicKeys);
        await ReadBack.ClosureAsync(tool, $"{team.Url} {server.Url}", $"{key} {server.PublicKey}", built);
        using (var store = new TempFolder("oc-read-"))
            Assert.NotEqual(0, (await tool.SubstituteAsync(store.Path, team.Url, key, [built])).ExitCode);

        // 3. A pin wants all of it here, and a push with a pin brings it.
        var refused = await team.AsOperatorAsync("pins", "create", "app", built, "--cache", "team");
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("which an upstream has and this cache has not", refused.Errors, StringComparison.Ordinal);
        (await team.AsOperatorAsync("push", built, "--pin", "app", "--cache", "team")).OrThrow();
        await ReadBack.ClosureAsync(tool, team.Url, key, built);
        (await team.AsOperatorAsync("gc", "--older-than", "0s", "--force", "--cache", "team")).OrThrow();
        await ReadBack.ClosureAsync(tool, team.Url, key, built);
    }
}
