using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Closures that one cache takes over from another: pushed by our client and by stock Nix, read by stock Nix.</summary>
public sealed class PromotionTests
{
    [NixFact]
    public async Task From_a_private_cache_in_a_directory_a_closure_becomes_everybodys()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var team = await CachesTests.Cache.MakeAsync(server, "team", "--private");

        await PromoteAsync(server, team, server.Url.ToString(), server.Objects, () =>
            // Second names of the same bytes: nothing was copied.
            Assert.All(Directory.EnumerateFiles(Path.Combine(server.Data, "store", "nar")), file => Assert.Equal("2", LinksOf(file))));
    }

    [BucketFact]
    public async Task From_a_cache_with_a_bucket_of_its_own_a_closure_becomes_that_of_another_bucket()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        using var other = await ObjectBucket.CreateAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]);
        await using var team = await CachesTests.Cache.MakeAsync(server, "team", "--private", "--bucket", other.Name);

        await PromoteAsync(server, team, bucket.Url, bucket, () => { });
    }

    [BucketFact]
    public async Task A_server_that_is_killed_in_the_middle_goes_on_where_it_was()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]);
        await using var team = await CachesTests.Cache.MakeAsync(server, "team");
        await using var closure = await GeneratedClosure.MakeAsync(150);
        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();

        var promoting = team.AsOperatorAsync("promote", "--from", "default", "--to", "team", closure.Root);
        await Eventually.BecomesTrueAsync(async () => promoting.IsCompleted || (await bucket.KeysAsync("c/team/nar/")).Count > 5);
        Assert.False(promoting.IsCompleted);
        await server.Kill9Async();
        await server.RestartAsync();

        (await promoting).OrThrow();
        var keys = await bucket.KeysAsync("c/team/nar/");
        Assert.Equal((closure.Count, closure.Count), (keys.Count, (await bucket.KeysAsync("c/team/")).Count(k => k.EndsWith(".narinfo",
            StringComparison.Ordinal))));
        (await team.AsOperatorAsync("fsck", "--cache", "team")).OrThrow();
        await ReadBack.ClosureAsync(NixTool.Installed!, team.Url, Assert.Single((await team.ShowAsync()).PublicKeys), closure.Root);
    }

    [NixFact]
    public async Task What_the_parent_has_is_not_sent_to_a_stage_which_is_tested_by_its_own_readers_and_then_promoted()
    {
        using var home = new TempFolder("oc-home-");
        await using var server = await ServerProcess.StartAsync();
        await using var stage = await CachesTests.Cache.MakeAsync(server, "pr", "--stage-of", "default");
        var (small, tool) = (await Closures.GetAsync("small"), NixTool.Installed!);
        (await CacheCli.PushAsync(server, small.Half!)).OrThrow();
        var before = (await server.Objects.KeysAsync()).Count;

        (await stage.PushAsync(small.Root)).OrThrow();

        var there = Directory.GetFiles(Path.Combine(server.Data, "store", "nar"));
        var staged = Directory.GetFiles(Path.Combine(server.Data, "caches", "pr", "nar"));
        Assert.All(there, file => Assert.Equal("2", LinksOf(file)));
        Assert.Equal(there.Length, staged.Count(file => LinksOf(file) == "2"));
        Assert.True(staged.Length > there.Length);
        Assert.Equal(before, (await server.Objects.KeysAsync()).Count);
        var key = Assert.Single((await stage.ShowAsync()).PublicKeys);
        await File.WriteAllTextAsync(home["netrc"],
            $"machine 127.0.0.1\nlogin ci\npassword {(await File.ReadAllTextAsync(await stage.TokenAsync(home["reader"], "read"))).Trim()}\n");
        await ReadBack.ClosureAsync(tool, stage.Url, key, small.Root, $"netrc-file = {home["netrc"]}");

        (await stage.AsOperatorAsync("promote", "--from", "pr", "--to", "default", small.Root)).OrThrow();
        await ReadBack.ClosureAsync(tool, server.Url.ToString(), server.PublicKey, small.Root);
        foreach (var cache in (string[])["default", "pr"])
            (await stage.AsOperatorAsync("fsck", "--cache", cache)).OrThrow();
    }

    [BucketFact]
    public async Task On_S3_a_stage_gets_copies_and_a_bucket_that_anybody_reads_is_told_of()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]);
        await using var stage = await CachesTests.Cache.MakeAsync(server, "pr", "--stage-of", "default");
        await using var closure = await GeneratedClosure.MakeAsync(20);
        (await CacheCli.PushAsync(server, closure.Half)).OrThrow();

        var pushed = (await stage.RunAsync("push", "--json", closure.Root)).OrThrow().Output;

        Assert.Contains($"\"uploaded\":{closure.Count - closure.HalfCount}", pushed, StringComparison.Ordinal);
        Assert.Equal(closure.Count, (await bucket.KeysAsync("c/pr/nar/")).Count);
        (await stage.AsOperatorAsync("fsck", "--cache", "pr")).OrThrow();
        Assert.Contains("is answered without a credential", (await stage.AsOperatorAsync("caches", "show", "pr")).OrThrow().Output,
            StringComparison.Ordinal);
        var doctor = await stage.RunAsync("doctor");
        Assert.Equal(1, doctor.ExitCode);
        Assert.Contains("FAILED   server state", doctor.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("without a credential", (await CacheCli.RunAsync("doctor", "--url", server.Url.ToString(), "--token-file",
            server.TokenFile)).Output, StringComparison.Ordinal);
    }

    private static async Task PromoteAsync(ServerProcess server, CachesTests.Cache team, string substituter, IObjects objects, Action check)
    {
        var (small, tool) = (await Closures.GetAsync("small"), NixTool.Installed!);
        var (pushed, copied) = (small.Half!, small.Root);
        (await team.PushAsync(pushed)).OrThrow();
        await using var copier = new NixCopier(server, tool, tokenFile: team.TokenFile, cache: "team");
        (await copier.CopyAsync(copied, query: "?compression=xz")).OrThrow();
        string[] promote = ["promote", "--from", "team", "--to", "default", pushed, copied];

        var dry = (await team.AsOperatorAsync([.. promote, "--dry-run"])).OrThrow().Output;
        Assert.Contains("would be copied by the store", dry, StringComparison.Ordinal);
        Assert.DoesNotContain(await objects.KeysAsync(), k => k.EndsWith(".narinfo", StringComparison.Ordinal));
        (await team.AsOperatorAsync(promote)).OrThrow();
        check();
        var again = (await team.AsOperatorAsync(promote)).OrThrow().Output;

        Assert.Contains(" 0 new in default; 0 NARs copied", again, StringComparison.Ordinal);
        await ReadBack.ClosureAsync(tool, substituter, server.PublicKey, pushed);
        await ReadBack.ClosureAsync(tool, substituter, server.PublicKey, copied);
        (await team.AsOperatorAsync("fsck", "--cache", "default")).OrThrow();
        // A token of the private cache alone promotes to no other, and says so.
        var refused = await team.RunAsync("promote", "--from", "team", "--to", "default", pushed);
        Assert.Equal(4, refused.ExitCode);
        // What the source loses stays.
        (await team.AsOperatorAsync("caches", "delete", "team", "--force")).OrThrow();
        await ReadBack.ClosureAsync(tool, substituter, server.PublicKey, copied);
    }

    private static string LinksOf(string file) =>
        ProcessRunner.RunAsync("stat", ["-c", "%h", file]).GetAwaiter().GetResult().OrThrow().Output.Trim();
}
