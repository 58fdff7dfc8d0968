using System.Net;
using System.Net.Sockets;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary><c>nix copy --to http://…/c/default</c> by stock Nix, old and new.</summary>
public sealed class NixCopyTests
{
    public static TheoryData<string> Tools => [.. NixTool.Tried.Select(t => t.Name)];

    /// <summary>For what takes half a minute: the newest Nix there is; --full: every one.</summary>
    public static TheoryData<string> Last => Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1" ? Tools
        : [.. NixTool.All.TakeLast(1).Select(t => t.Name)];

    [NixTheory]
    [MemberData(nameof(Tools))]
    public async Task A_cold_copy_and_a_warm_one_succeed_and_readers_that_require_signatures_substitute_it(string nix)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        var closure = await Closures.GetAsync("edge");

        // With its listing a tree as deep as Nix takes them. (It cannot write one of names that are not UTF-8.)
        (await copier.CopyAsync(closure.Paths.Single(p => p.EndsWith("-edge-deep", StringComparison.Ordinal)),
            query: "?write-nar-listing=true")).OrThrow();
        Assert.Single(await server.Objects.KeysAsync(), k => k.EndsWith(".ls", StringComparison.Ordinal));
        // Nix takes half of the test's time for xz, which has a test of its own.
        const string Zstd = "?compression=zstd";
        (await copier.CopyAsync(closure.Root, query: Zstd)).OrThrow();
        var keys = await server.Objects.KeysAsync();
        (await copier.CopyAsync(closure.Root, query: Zstd)).OrThrow();
        (await copier.CopyAsync(closure.Root, "--refresh", Zstd)).OrThrow();

        Assert.Equal(closure.Paths.Count, keys.Count(k => k.EndsWith(".narinfo", StringComparison.Ordinal)));
        Assert.Equal(keys.Order(), (await server.Objects.KeysAsync()).Order());
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        Assert.Equal("", await copier.FsckAsync());
    }

    [NixTheory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    [InlineData("zstd")]
    [InlineData("none")]
    public async Task Every_compression_is_substituted(string compression)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var copier = new NixCopier(server, NixTool.Installed!);
        await using var closure = await GeneratedClosure.MakeAsync(3);

        (await copier.CopyAsync(closure.Root, query: $"?compression={compression}&write-nar-listing=true&index-debug-info=true")).OrThrow();

        Assert.Equal(closure.Count, (await server.Objects.KeysAsync()).Count(k => k.EndsWith(".ls", StringComparison.Ordinal)));
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
    }

    [BucketTheory]
    [MemberData(nameof(Last))]
    public async Task A_copy_goes_into_a_bucket_and_is_substituted_from_there(string nix)
    {
        using var bucket = await ObjectBucket.CreateAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]);
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        await using var closure = await GeneratedClosure.MakeAsync(5, fileBytes: 20_000_000);

        (await copier.CopyAsync(closure.Root, query: "?compression=none")).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, server.PublicKey, closure.Root);
        Assert.Equal(0, await bucket.OpenMultipartsAsync());
        Assert.Equal("", await copier.FsckAsync());
    }

    [NixTheory]
    [MemberData(nameof(Last))]
    public async Task A_copy_that_is_killed_in_the_middle_succeeds_when_it_is_run_again(string nix)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        await using var closure = await GeneratedClosure.MakeAsync(40, fileBytes: 200_000);

        await copier.KillAsync(closure.Root, async () => (await server.Objects.KeysAsync("nar/")).Count > 5);
        Assert.InRange((await server.Objects.KeysAsync()).Count(k => k.EndsWith(".narinfo", StringComparison.Ordinal)), 0,
            closure.Count - 1);
        (await copier.CopyAsync(closure.Root)).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        Assert.Equal("", await copier.FsckAsync());
    }

    [NixTheory]
    [MemberData(nameof(Tools))]
    public async Task A_copy_through_a_proxy_that_fails_once_ends_right_or_says_what_to_do_although_an_old_Nix_repeats_without_a_body(
        string nix)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var proxy = new FailOnce(server.Url.Port);
        await using var copier = new NixCopier(server, NixTool.Named(nix), proxy.Url);
        await using var closure = await GeneratedClosure.MakeAsync(2);

        var first = await copier.CopyAsync(closure.Root);
        if (first.ExitCode != 0)
        {
            // A curl before 8.7 sends the empty body and waits; a newer one sees by itself that it has nothing to send.
            Assert.True(first.Errors.Contains("run the command again", StringComparison.OrdinalIgnoreCase)
                || first.Errors.Contains("client read function EOF fail", StringComparison.Ordinal), first.Errors);
            (await copier.CopyAsync(closure.Root)).OrThrow();
        }

        Assert.True(proxy.HasFailed);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        Assert.Equal("", await copier.FsckAsync());
    }

    [NixTheory]
    [MemberData(nameof(Tools))]
    public async Task A_copy_whose_dependency_a_collection_has_taken_shows_which_and_succeeds_with_refresh(string nix)
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using var server = await ServerProcess.StartAsync("--postgres", database);
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        await using var closure = await GeneratedClosure.MakeAsync(4);
        (await copier.CopyAsync(closure.Half)).OrThrow();
        await NixCopier.ForgetHoldsAsync(database);
        await copier.CollectAsync();
        Assert.DoesNotContain(await server.Objects.KeysAsync(), k => k.EndsWith(".narinfo", StringComparison.Ordinal));

        // It remembers what it has put, for 30 days.
        var stale = await copier.CopyAsync(closure.Root);
        Assert.NotEqual(0, stale.ExitCode);
        Assert.Contains("409", stale.Errors, StringComparison.Ordinal);
        Assert.Contains("-generated-", stale.Errors, StringComparison.Ordinal);
        Assert.Contains("--refresh", stale.Errors, StringComparison.Ordinal);

        (await copier.CopyAsync(closure.Root, "--refresh")).OrThrow();
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
    }

    [NixTheory]
    [MemberData(nameof(Last))]
    public async Task Copies_beside_a_collector_without_grace_that_never_stops_are_whole(string nix)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        using var done = new CancellationTokenSource();
        var collecting = Task.Run(async () =>
        {
            var runs = 0;
            for (; !done.IsCancellationRequested; runs++)
                await copier.CollectAsync();
            return runs;
        });

        for (var i = 0; i < 3; i++)
        {
            await using var closure = await GeneratedClosure.MakeAsync(15, fileBytes: 50_000);
            (await copier.CopyAsync(closure.Half)).OrThrow();
            (await copier.CopyAsync(closure.Root)).OrThrow();
            await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        }

        await done.CancelAsync();
        Assert.InRange(await collecting, 1, int.MaxValue);
        Assert.Equal("", await copier.FsckAsync());
    }

    [NewestNixFact]
    public async Task A_Nix_that_sends_the_body_again_recovers_by_itself_from_a_proxy_that_fails_once()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var proxy = new FailOnce(server.Url.Port);
        await using var copier = new NixCopier(server, NixTool.Newest!, proxy.Url);
        await using var closure = await GeneratedClosure.MakeAsync(2);

        (await copier.CopyAsync(closure.Root)).OrThrow();

        Assert.True(proxy.HasFailed);
        await ReadBack.ClosureAsync(NixTool.Newest!, server.Url.ToString(), server.PublicKey, closure.Root);
    }

    [NixTheory]
    [MemberData(nameof(Tools))]
    public async Task A_copied_derivation_brings_its_realisations_and_a_collection_takes_them_with_their_paths(string nix)
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using var server = await ServerProcess.StartAsync("--postgres", database);
        await using var copier = new NixCopier(server, NixTool.Named(nix));
        var (derivation, output) = await Realisations.BuildAsync();

        // Newer ones take the name of a derivation for the derivation itself.
        (await copier.CopyAsync(nix == NixTool.Installed!.Name ? derivation : $"{derivation}^out")).OrThrow();

        Assert.Contains(await server.Objects.KeysAsync(), k => k.EndsWith(".doi", StringComparison.Ordinal));
        await ReadBack.DerivationAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, derivation, output);
        await ReadBack.DerivationAsync(NixTool.Named(nix), server.Url.ToString(), server.PublicKey, derivation, output);
        await NixCopier.ForgetHoldsAsync(database);
        await copier.CollectAsync();
        await Eventually.BecomesTrueAsync(async () => (await server.Objects.KeysAsync()).All(k => k is "nix-cache-info" or "index.html"));
        Assert.Equal("", await copier.FsckAsync());
    }

    [NixFact]
    public async Task A_copy_without_a_token_fails_and_says_that_one_is_needed()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var copier = new NixCopier(server, NixTool.Installed!, netrc: false);
        await using var closure = await GeneratedClosure.MakeAsync(1);

        var result = await copier.CopyAsync(closure.Root);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("token", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>A proxy that answers the first PUT of a NAR itself, with 503 and before its body, and passes on all else.</summary>
    private sealed class FailOnce : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly int _port;
        private int _failed;

        public FailOnce(int port)
        {
            _port = port;
            _listener.Start();
            Url = new Uri($"http://{_listener.LocalEndpoint}");
            _ = AcceptAsync();
        }

        public Uri Url { get; }

        public bool HasFailed => _failed > 0;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            _listener.Dispose();
        }

        private async Task AcceptAsync()
        {
            while (!_stop.IsCancellationRequested)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = ServeAsync(client);
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using var server = new TcpClient();
            using (client)
            {
                await server.ConnectAsync(IPAddress.Loopback, _port, _stop.Token);
                var back = server.GetStream().CopyToAsync(client.GetStream(), _stop.Token);
                var buffer = new byte[1 << 16];
                while (await client.GetStream().ReadAsync(buffer, _stop.Token) is > 0 and var read)
                {
                    // The head of a request comes in one piece: curl waits for the 100, or sends the body after it.
                    if (System.Text.Encoding.Latin1.GetString(buffer, 0, read).StartsWith("PUT /c/default/nar/", StringComparison.Ordinal)
                        && Interlocked.Exchange(ref _failed, 1) == 0)
                    {
                        while (client.Available > 0)
                            read = await client.GetStream().ReadAsync(buffer, _stop.Token);
                        await client.GetStream()
                            .WriteAsync("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray(),
                            _stop.Token);
                        return;
                    }

                    await server.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                }
            }
        }
    }
}
