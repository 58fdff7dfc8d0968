using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Caches beside the default one, from the command line, with our client and stock Nix.</summary>
public sealed class CachesTests
{
    [NixFact]
    public async Task A_cache_is_made_written_by_both_clients_read_filled_and_deleted()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var team = await Cache.MakeAsync(server, "team", "--priority", "30");
        // Paths that Nix takes by a signature alone; those of a GeneratedClosure it takes by their content address.
        var small = await Closures.GetAsync("small");
        var (pushed, copied) = (small.Half!, small.Root);
        // The installed one does the same in NixCopyTests, on the default cache.
        var tool = NixTool.All[^1];

        // 1. Both clients write to it, with a token of this cache alone; the default one has nothing of it.
        (await team.PushAsync(pushed)).OrThrow();
        await using var copier = new NixCopier(server, tool, tokenFile: team.TokenFile, cache: "team");
        (await copier.CopyAsync(copied, query: "?compression=zstd")).OrThrow();
        var elsewhere = await CacheCli.RunAsync("push", "--url", server.Url.ToString(), "--token-file", team.TokenFile, pushed);
        Assert.Contains("is for cache 'team' only", elsewhere.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(await server.Objects.KeysAsync(), k => k.EndsWith(".narinfo", StringComparison.Ordinal));

        // 2. Nix reads both below /c/team, by its own key and no other.
        var first = Assert.Single((await team.ShowAsync()).PublicKeys);
        await ReadBack.ClosureAsync(tool, team.Url, first, pushed);
        await ReadBack.ClosureAsync(tool, team.Url, first, copied);
        Assert.False(await CanReadAsync(tool, team.Url, server.PublicKey, pushed));
        // A cache that is not there costs Nix nothing but the question.
        await ReadBack.ClosureAsync(tool, $"{server.Url}c/nowhere {team.Url}", first, pushed);
        Assert.False(await CanReadAsync(tool, server.Url.ToString(), first, pushed));

        // 3. Over its quota it takes nothing new, says so to both clients, and is read.
        (await team.AsOperatorAsync("caches", "set", "team", "--quota-bytes", "1")).OrThrow();
        await using var more = await GeneratedClosure.MakeAsync(2);
        var refused = await team.PushAsync(more.Root);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("The quota of stored bytes of this cache is 1:", refused.Errors, StringComparison.Ordinal);
        var refusedCopy = await copier.CopyAsync(more.Root);
        Assert.NotEqual(0, refusedCopy.ExitCode);
        Assert.Contains("413", refusedCopy.Errors, StringComparison.Ordinal);
        (await team.PushAsync(pushed)).OrThrow();
        await ReadBack.ClosureAsync(tool, team.Url, first, pushed);

        // 4. It goes by force alone, and is no more to anybody; what it had leaves its folder.
        Assert.Contains("--force", (await team.AsOperatorAsync("caches", "delete", "team")).Errors, StringComparison.Ordinal);
        (await team.AsOperatorAsync("caches", "delete", "team", "--force")).OrThrow();
        Assert.False(await CanReadAsync(tool, team.Url, first, pushed));
        Assert.NotEqual(0, (await team.PushAsync(pushed)).ExitCode);
        Assert.Contains("being deleted since", (await team.AsOperatorAsync("caches", "list")).OrThrow().Output, StringComparison.Ordinal);
        var objects = new ObjectFolder(Path.Combine(server.Data, "caches", "team"));
        await Eventually.BecomesTrueAsync(async () => (await objects.KeysAsync()).All(k => k == "nix-cache-info"),
            TimeSpan.FromMinutes(2));
    }

    [NixFact]
    public async Task A_new_key_signs_what_is_there_and_takes_the_place_of_the_old_one()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var team = await Cache.MakeAsync(server, "team");
        var (small, later) = (await Closures.GetAsync("small"), (await Closures.GetAsync("edge")).Root);
        var (pushed, copied, tool) = (small.Half!, small.Root, NixTool.Installed!);
        (await team.PushAsync(pushed, copied)).OrThrow();
        var first = Assert.Single((await team.ShowAsync()).PublicKeys);

        (await team.RunAsync("keys", "rotate")).OrThrow();
        var second = (await team.ShowAsync()).PublicKeys.Single(k => k != first);
        Assert.Contains("say --force", (await team.RunAsync("keys", "retire", first.Split(':')[0])).Errors, StringComparison.Ordinal);
        // Readers of either key go on. It begins when every server has heard of the key.
        await Eventually.BecomesTrueAsync(async () => await CanReadAsync(tool, team.Url, second, pushed)
            && await CanReadAsync(tool, team.Url, second, copied), TimeSpan.FromMinutes(5));
        await ReadBack.ClosureAsync(tool, team.Url, first, pushed);
        (await team.RunAsync("keys", "retire", first.Split(':')[0], "--force")).OrThrow();

        Assert.Equal([second], (await team.ShowAsync()).PublicKeys);
        (await team.PushAsync(later)).OrThrow();
        await ReadBack.ClosureAsync(tool, team.Url, second, later);
        Assert.False(await CanReadAsync(tool, team.Url, first, later));
    }

    [NixFact]
    public async Task A_private_cache_is_pushed_to_by_who_may_only_push_and_set_up_by_who_may_only_read()
    {
        using var home = new TempFolder("oc-home-");
        await using var server = await ServerProcess.StartAsync();
        await using var team = await Cache.MakeAsync(server, "team", "--private");
        var closure = (await Closures.GetAsync("small")).Half!;
        var (pusher, reader) = (await team.TokenAsync(home["pusher"], "push"), await team.TokenAsync(home["reader"], "read"));
        string[] At(string token) => ["--url", server.Url.ToString(), "--cache", "team", "--token-file", token];

        (await CacheCli.RunAsync(["push", closure, .. At(pusher)])).OrThrow();
        var info = (await CacheCli.RunAsync(["info", .. At(reader)])).OrThrow();
        var doctor = await CacheCli.RunAsync(["doctor", .. At(pusher)]);
        (await CacheCli.RunAsync(["use", "--yes", "--nix-conf", home["nix.conf"], "--netrc", home["netrc"], .. At(reader)])).OrThrow();
        var stranger = await CacheCli.RunAsync("info", "--url", server.Url.ToString(), "--cache", "team");

        Assert.DoesNotContain("--public-url", info.Errors + doctor.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("FAILED", doctor.Output, StringComparison.Ordinal);
        Assert.Equal(4, stranger.ExitCode);
        var key = Assert.Single((await team.ShowAsync()).PublicKeys);
        var conf = await File.ReadAllTextAsync(home["nix.conf"]);
        Assert.Contains($"extra-substituters = {team.Url}\nextra-trusted-public-keys = {key}\n", conf, StringComparison.Ordinal);
        await ReadBack.ClosureAsync(NixTool.Installed!, team.Url, key, closure, $"netrc-file = {home["netrc"]}");
    }

    [BucketFact]
    public async Task On_S3_caches_share_a_bucket_or_have_their_own_and_no_object()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        using var other = await ObjectBucket.CreateAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]);
        await using var team = await Cache.MakeAsync(server, "team");
        await using var own = await Cache.MakeAsync(server, "own", "--bucket", other.Name);
        var closure = (await Closures.GetAsync("small")).Half!;
        await using var copied = await GeneratedClosure.MakeAsync(2);
        await using var copier = new NixCopier(server, NixTool.Installed!, tokenFile: team.TokenFile, cache: "team");

        (await CacheCli.PushAsync(server, closure)).OrThrow();
        (await team.PushAsync(closure)).OrThrow();
        (await own.PushAsync(closure)).OrThrow();
        (await copier.CopyAsync(copied.Root, query: "?compression=none")).OrThrow();

        // Readers of the bucket find each below its prefix, with its own key.
        var (teamKey, ownKey) = (Assert.Single((await team.ShowAsync()).PublicKeys), Assert.Single((await own.ShowAsync()).PublicKeys));
        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, server.PublicKey, closure);
        await ReadBack.ClosureAsync(NixTool.Installed!, $"{bucket.Url}/c/team", teamKey, closure);
        await ReadBack.ClosureAsync(NixTool.Installed!, $"{bucket.Url}/c/team", teamKey, copied.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, other.Url, ownKey, closure);
        Assert.False(await CanReadAsync(NixTool.Installed!, $"{bucket.Url}/c/team", server.PublicKey, closure));
        await ReadBack.ClosureAsync(NixTool.Installed!, team.Url, teamKey, copied.Root);
        foreach (var cache in (string[])["default", "team", "own"])
            (await team.AsOperatorAsync("fsck", "--cache", cache)).OrThrow();
        Assert.Contains("is another cache's",
            (await team.AsOperatorAsync("caches", "create", "third", "--prefix", "c/team/inner")).Errors, StringComparison.Ordinal);
        Assert.Contains("where the default cache has its objects",
            (await team.AsOperatorAsync("caches", "create", "third", "--prefix", "nar")).Errors, StringComparison.Ordinal);

        (await team.AsOperatorAsync("caches", "delete", "team", "--force")).OrThrow();

        await Eventually.BecomesTrueAsync(async () => (await bucket.KeysAsync("c/")).All(k => k == "c/team/nix-cache-info"),
            TimeSpan.FromMinutes(2));
        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, server.PublicKey, closure);
        await ReadBack.ClosureAsync(NixTool.Installed!, other.Url, ownKey, closure);
        foreach (var cache in (string[])["default", "own"])
            (await team.AsOperatorAsync("fsck", "--cache", cache)).OrThrow();
    }

    [BucketFact]
    public async Task A_cache_that_one_silo_has_made_is_served_by_the_other_at_once()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        string[] options = ["--postgres", database, .. bucket.ServerOptions];
        await using var first = await ServerProcess.StartAsync(ServerKind.Member, options);
        await using var second = await ServerProcess.StartAsync(ServerKind.Member, [.. options, .. first.IdentityOptions]);
        await using var closure = await GeneratedClosure.MakeAsync(10);
        await using var own = await GeneratedClosure.MakeAsync(4);

        // 1. Made at one, written through both at once: grains of the new cache live at either silo.
        await using var team = await Cache.MakeAsync(first, "team");
        await using var there = team.At(second);
        var pushes = await Task.WhenAll(there.PushAsync(closure.Root), team.PushAsync(closure.Root, own.Root));
        Assert.All(pushes, push => push.OrThrow());
        Assert.Equal(closure.Count + own.Count, (await bucket.KeysAsync("c/team/nar/")).Count);
        var key = Assert.Single((await there.ShowAsync()).PublicKeys);
        await ReadBack.ClosureAsync(NixTool.Installed!, there.Url, key, own.Root);

        // 2. What is changed at one holds at the other within seconds.
        (await team.AsOperatorAsync("caches", "set", "team", "--private")).OrThrow();
        await Eventually.BecomesTrueAsync(async () => !await CanReadAsync(NixTool.Installed!, there.Url, key, own.Root),
            TimeSpan.FromSeconds(20));
        (await there.RunAsync("keys", "rotate")).OrThrow();
        Assert.Equal(2, (await team.ShowAsync()).PublicKeys.Count);

        // 3. A collection that one starts is told by the other; deleted at one, it is gone at the other.
        (await there.AsOperatorAsync("gc", "--cache", "team", "--dry-run")).OrThrow();
        Assert.Contains("dry", (await team.AsOperatorAsync("gc", "history", "--cache", "team")).OrThrow().Output,
            StringComparison.OrdinalIgnoreCase);
        (await team.AsOperatorAsync("caches", "delete", "team", "--force")).OrThrow();
        await Eventually.BecomesTrueAsync(async () => (await there.PushAsync(own.Root)).ExitCode != 0, TimeSpan.FromSeconds(20));
        await Eventually.BecomesTrueAsync(async () => (await bucket.KeysAsync("c/team/")).All(k => k == "c/team/nix-cache-info"),
            TimeSpan.FromMinutes(2));
    }

    private static async Task<bool> CanReadAsync(NixTool nix, string substituter, string publicKey, string root)
    {
        using var store = new TempFolder("oc-read-");
        return (await nix.SubstituteAsync(store.Path, substituter, publicKey, [root])).ExitCode == 0;
    }

    /// <summary>A cache of a server, with a token that may push to it.</summary>
    internal sealed class Cache(ServerProcess server, string name, TempFolder folder, string tokens) : IAsyncDisposable
    {
        public string TokenFile => folder["token"];

        public string Url => $"{server.Url}c/{name}";

        public static async Task<Cache> MakeAsync(ServerProcess server, string name, params string[] settings)
        {
            var made = new Cache(server, name, new TempFolder(), server.TokenFile);
            (await made.AsOperatorAsync(["caches", "create", name, .. settings])).OrThrow();
            await File.WriteAllTextAsync(made.TokenFile, (await made.AsOperatorAsync("tokens", "create", "--cache", name, "--name", "ci",
                "--scope", "push", "--scope", "admin")).OrThrow().Output);
            return made;
        }

        /// <summary>Makes a token of one scope, in a file of its own.</summary>
        public async Task<string> TokenAsync(string file, string scope)
        {
            await File.WriteAllTextAsync(file, (await AsOperatorAsync("tokens", "create", "--cache", name, "--name", scope, "--scope",
                scope)).OrThrow().Output);
            return file;
        }

        /// <summary>The same cache at another server.</summary>
        public Cache At(ServerProcess other)
        {
            var there = new Cache(other, name, new TempFolder(), tokens);
            File.Copy(TokenFile, there.TokenFile);
            return there;
        }

        public Task<ProcessResult> PushAsync(params string[] paths) => RunAsync(["push", .. paths]);

        /// <summary>Runs the client on this cache, with its token.</summary>
        public Task<ProcessResult> RunAsync(params string[] arguments) =>
            CacheCli.RunAsync([.. arguments, "--url", server.Url.ToString(), "--token-file", TokenFile, "--cache", name]);

        /// <summary>Runs the client with the token of the token file.</summary>
        public Task<ProcessResult> AsOperatorAsync(params string[] arguments) =>
            CacheCli.RunAsync([.. arguments, "--url", server.Url.ToString(), "--token-file", tokens]);

        public async Task<CacheDescription> ShowAsync() => JsonSerializer.Deserialize((await AsOperatorAsync("caches", "show", name,
            "--json")).OrThrow().Output, ProtocolJson.Default.CacheDescription)!;

        public ValueTask DisposeAsync()
        {
            folder.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
