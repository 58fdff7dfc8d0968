using System.Text;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>
/// niks3's own client, unmodified, of whichever version <c>ORLEANS_CACHE_TEST_NIKS3</c> names; it is not built here. What it sends is also
/// sent by tests of the gateway, which need no such program.
/// </summary>
public sealed class Niks3ClientTests
{
    [Niks3Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_pushes_also_when_it_was_killed_before_and_nix_substitutes_all_of_it(bool onS3)
    {
        await using var cache = await FilledAsync(onS3);
        foreach (var name in Sets.Names)
        {
            var set = await Closures.GetAsync(name);
            await using (var killed = Start(cache.Server, "push", set.Root))
            {
                await Task.WhenAny(killed.WaitAsync(TimeSpan.FromMinutes(2)), Task.Delay(TimeSpan.FromMilliseconds(700)));
                if (!killed.HasExited)
                    killed.Kill9();
            }

            (await RunAsync(cache.Server, "push", set.Root)).OrThrow();
            await ReadBack.ClosureAsync(NixTool.Installed!, cache.Server.Url.ToString(), cache.Server.PublicKey, set.Root);
        }
    }

    [Niks3Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Twenty_at_once_with_overlapping_closures_all_succeed_and_a_collection_leaves_what_is_new(bool onS3)
    {
        await using var cache = await FilledAsync(onS3);
        await using var closure = await GeneratedClosure.MakeAsync(20);

        var pushes = await Task.WhenAll(closure.Tops.Select(top => RunAsync(cache.Server, "push", top, closure.Half)));
        foreach (var push in pushes)
            push.OrThrow();
        (await RunAsync(cache.Server, "gc", "--older-than", "1h", "--force")).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, cache.Server.Url.ToString(), cache.Server.PublicKey, closure.Root);
        (await RunAsync(cache.Server, "gc", "--older-than", "0s", "--force")).OrThrow();
        await Eventually.BecomesTrueAsync(async () => (await cache.Objects.KeysAsync())
            .All(key => key is "nix-cache-info" or "index.html"));
    }

    [Niks3Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_pins_what_it_pushes_and_lists_moves_and_deletes_pins(bool onS3)
    {
        await using var cache = await FilledAsync(onS3);
        await using var closure = await GeneratedClosure.MakeAsync(4);
        var (first, second) = (closure.Tops[0], closure.Tops[1]);

        (await RunAsync(cache.Server, "push", "--pin", "app", first)).OrThrow();
        Assert.Equal(first, await PinAsync(cache, "app"));
        (await RunAsync(cache.Server, "push", second)).OrThrow();
        (await RunAsync(cache.Server, "push", "--verify-s3-integrity", second)).OrThrow();
        (await RunAsync(cache.Server, "pins", "create", "app", second)).OrThrow();
        Assert.Equal(second, await PinAsync(cache, "app"));
        Assert.Equal("app", (await RunAsync(cache.Server, "pins", "list", "--names-only")).OrThrow().Output.Trim());

        (await RunAsync(cache.Server, "gc", "--older-than", "0s", "--force")).OrThrow();
        await ReadBack.ClosureAsync(NixTool.Installed!, cache.Server.Url.ToString(), cache.Server.PublicKey, second);
        (await RunAsync(cache.Server, "pins", "delete", "app")).OrThrow();
        Assert.Null(await PinAsync(cache, "app"));
    }

    // Their realisations it does not push: it asks Nix for those of store paths, and no Nix (2.8 to 2.34 tried) names any for a path.
    [Niks3Theory]
    [MemberData(nameof(NixCopyTests.Tools), MemberType = typeof(NixCopyTests))]
    public async Task Beside_any_Nix_it_pushes_content_addressed_paths_and_all_of_them_are_substituted(string nix)
    {
        await using var cache = await FilledAsync(onS3: true);
        using var path = NixTool.Named(nix).OnPath();
        var (_, output) = await Realisations.BuildAsync();

        await using var push = Start(cache.Server,
            new Dictionary<string, string?> { ["PATH"] = $"{path.Path}:{Environment.GetEnvironmentVariable("PATH")}" }, "push", output);
        Assert.True(await push.WaitAsync(TimeSpan.FromMinutes(5)) == 0, push.Errors);

        foreach (var reader in NixTool.All)
            await ReadBack.ClosureAsync(reader, ((ObjectBucket)cache.Objects).Url, cache.Server.PublicKey, output);
    }

    private static async Task<Cache> FilledAsync(bool onS3)
    {
        if (!onS3)
        {
            var server = await ServerProcess.StartAsync();
            return new Cache(server, server.Objects);
        }

        var bucket = await ObjectBucket.CreateAsync();
        return new Cache(await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]), bucket);
    }

    private static async Task<string?> PinAsync(Cache cache, string name) => await cache.Objects.ReadAsync($"pins/{name}") is { } body
        ? Encoding.UTF8.GetString(body) : null;

    private static ProcessRunner Start(ServerProcess server, params string[] arguments) =>
        Start(server, new Dictionary<string, string?>(), arguments);

    private static ProcessRunner Start(ServerProcess server, Dictionary<string, string?> more, params string[] arguments) =>
        ProcessRunner.Start(Niks3TheoryAttribute.Client!, arguments, new Dictionary<string, string?>(more)
        {
            ["NIKS3_SERVER_URL"] = server.Url.ToString(),
            ["NIKS3_AUTH_TOKEN_FILE"] = server.TokenFile,
            ["NIX_CONFIG"] = "experimental-features = nix-command ca-derivations",
        });

    private static async Task<ProcessResult> RunAsync(ServerProcess server, params string[] arguments)
    {
        await using var run = Start(server, arguments);
        var code = await run.WaitAsync(TimeSpan.FromMinutes(5));
        return new ProcessResult($"niks3 {string.Join(' ', arguments)}", code, run.Output, run.Errors);
    }

    private sealed record Cache(ServerProcess Server, IObjects Objects) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            (Objects as IDisposable)?.Dispose();
        }
    }
}

/// <summary>A test that needs niks3's client, a real Nix and a real S3; skipped, with the reason, where one is missing.</summary>
public sealed class Niks3TheoryAttribute : TheoryAttribute
{
    public Niks3TheoryAttribute() => Skip = Client is null
        ? "ORLEANS_CACHE_TEST_NIKS3 names no niks3 client (its protocol is tested without one too)" : new BucketFactAttribute().Skip;

    public static string? Client => Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_NIKS3") is { Length: > 0 } client
        ? client : null;
}
