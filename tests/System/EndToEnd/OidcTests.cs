using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Jobs with tokens of an issuer, by each client.</summary>
public sealed class OidcTests
{
    private const string Publisher = "oidc:ci/1296269";

    public static TheoryData<string> Tools => NixCopyTests.Tools;

    [NixFact]
    public async Task A_job_pushes_with_its_own_token_until_its_repository_is_blocked()
    {
        await using var world = await OidcWorld.StartAsync();
        await using var closure = await GeneratedClosure.MakeAsync(5);
        var job = await world.TokenFileAsync(("run_id", "1"));

        (await world.RunAsync(job, "push", closure.Root)).OrThrow();
        var who = (await world.RunAsync(job, "whoami")).OrThrow().Output;
        var check = (await world.RunAsync(world.Server.TokenFile, "oidc", "check", job)).OrThrow().Output;
        var paths = (await world.RunAsync(world.Server.TokenFile, "paths", "--by", Publisher)).OrThrow().Output;
        var audit = (await world.RunAsync(world.Server.TokenFile, "audit", "--by", Publisher)).OrThrow().Output;
        (await world.RunAsync(world.Server.TokenFile, "subjects", "block", "oidc:*/1296269", "--reason", "its runner was taken over"))
            .OrThrow();
        var refused = await world.RunAsync(await world.TokenFileAsync(("run_id", "2")), "push", closure.Root);

        Assert.Contains($"publisher    {Publisher}", who, StringComparison.Ordinal);
        Assert.Contains($"The token is valid: {Publisher}", check, StringComparison.Ordinal);
        Assert.Contains("ref is 'refs/heads/main', and 'refs/tags/*' is wanted", check, StringComparison.Ordinal);
        Assert.Contains(closure.Root[(closure.Root.LastIndexOf('/') + 1)..], paths, StringComparison.Ordinal);
        Assert.Contains(Publisher, audit, StringComparison.Ordinal);
        Assert.Equal(4, refused.ExitCode);
        Assert.Contains("its runner was taken over", refused.Errors, StringComparison.Ordinal);
        await ReadBack.ClosureAsync(NixTool.Installed!, world.Server.Url.ToString(), world.Server.PublicKey, closure.Root);
    }

    [NixTheory]
    [MemberData(nameof(Tools))]
    public async Task Stock_nix_copies_with_a_token_in_its_netrc(string nix)
    {
        await using var world = await OidcWorld.StartAsync();
        await using var closure = await GeneratedClosure.MakeAsync(5);
        await using var copier = new NixCopier(world.Server, NixTool.Named(nix), tokenFile: await world.TokenFileAsync());
        await using var stranger = new NixCopier(world.Server, NixTool.Named(nix),
            tokenFile: await world.TokenFileAsync(("repository_id", "7")));

        Assert.NotEqual(0, (await stranger.CopyAsync(closure.Root)).ExitCode);
        (await copier.CopyAsync(closure.Root)).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, world.Server.Url.ToString(), world.Server.PublicKey, closure.Root);
        Assert.Equal("", await copier.FsckAsync());
    }

    [Fact]
    public async Task The_next_job_of_a_repository_goes_on_with_a_push_and_one_of_another_does_not_see_it()
    {
        await using var world = await OidcWorld.StartAsync();
        using var http = new HttpClient { BaseAddress = world.Server.Url };
        var hash = StorePathHash.Parse("0c5b8vw40dy178xlpddw65q9gf1h2186");
        var begin = new BeginPush
        {
            Roots = [hash],
            Paths = [new PathDeclaration { Path = new StorePath(hash, "hello"), NarSize = 120,
                NarHash = Sha256Hash.FromBytes(new byte[32]) }],
        };

        using var begun = await SendAsync("pushes", world.Issue(("run_id", "1"), ("sha", "a")), JsonContent.Create(begin,
            ProtocolJson.Default.BeginPush));
        var push = (await begun.Content.ReadFromJsonAsync(ProtocolJson.Default.PushOpened))!;
        using var next = await SendAsync($"pushes/{push.Id}/renew", world.Issue(("run_id", "2"), ("sha", "b")));
        using var other = await SendAsync($"pushes/{push.Id}/renew", world.Issue(("ref", "refs/tags/v1")));

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (begun.StatusCode, next.StatusCode));
        // With a further rule it is another publisher.
        Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);

        async Task<HttpResponseMessage> SendAsync(string route, string token, HttpContent? content = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/caches/default/{route}") { Content = content };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            return await http.SendAsync(request);
        }
    }

    [Niks3Theory]
    [InlineData(false)]
    public async Task Niks3s_client_pushes_with_a_token_of_the_audience_that_the_server_tells(bool onS3)
    {
        Assert.False(onS3);
        await using var world = await OidcWorld.StartAsync();
        await using var closure = await GeneratedClosure.MakeAsync(5);
        using var http = new HttpClient { BaseAddress = world.Server.Url };
        var told = JsonNode.Parse(await http.GetStringAsync($"/api/cache-config?issuer={Uri.EscapeDataString(world.Provider.Url)}"))!;

        await using var push = ProcessRunner.Start(Niks3TheoryAttribute.Client!, ["push", closure.Root], new Dictionary<string, string?>
        {
            ["NIKS3_SERVER_URL"] = world.Server.Url.ToString(),
            ["NIKS3_AUTH_TOKEN_FILE"] = await world.TokenFileAsync(("aud", (string)told["oidc_audience"]!)),
            ["NIX_CONFIG"] = "experimental-features = nix-command ca-derivations",
        });

        Assert.True(await push.WaitAsync(TimeSpan.FromMinutes(5)) == 0, push.Errors);
        await ReadBack.ClosureAsync(NixTool.Installed!, world.Server.Url.ToString(), world.Server.PublicKey, closure.Root);
    }

    [Fact]
    public async Task A_server_whose_file_is_wrong_does_not_start_and_says_where()
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["access.json"],
            """{"issuers":[{"name":"a","issuer":"https://a.example","rules":[{"name":"ci","claims":{},"scopes":"push"}]}]}""");

        var result = await ProcessRunner.RunAsync(BuiltProgram.Server, ["--data", folder["data"], "--listen", "127.0.0.1:0", "--access",
            folder["access.json"]]);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("$.issuers[0].rules[0].claims: a rule without claims would let in everybody", result.Errors,
            StringComparison.Ordinal);
    }

    /// <summary>A server, and an issuer whose jobs it lets in.</summary>
    private sealed class OidcWorld(OidcProvider provider, ServerProcess server, TempFolder folder) : IAsyncDisposable
    {
        private const string Audience = "https://cache.example.org";

        private int _files;

        public OidcProvider Provider => provider;

        public ServerProcess Server => server;

        public static async Task<OidcWorld> StartAsync()
        {
            var (provider, folder) = (new OidcProvider(), new TempFolder());
            await File.WriteAllTextAsync(folder["access.json"], $$"""
                {"issuers":[{"name":"test","issuer":"{{provider.Url}}","audience":"{{Audience}}","rules":[
                  {"name":"ci","claims":{"repository_id":"1296269"},"scopes":["push"]},
                  {"name":"release","claims":{"repository_id":"1296269","ref":"refs/tags/*"},"scopes":["push","pin"]}]}]}
                """);
            return new OidcWorld(provider, await ServerProcess.StartAsync("--access", folder["access.json"]), folder);
        }

        /// <summary>A token of a GitHub job.</summary>
        public string Issue(params (string Name, string Value)[] changes)
        {
            var claims = ExampleClaims.GitHub(Audience);
            foreach (var (name, value) in changes)
                claims[name] = value;
            return provider.Issue(claims);
        }

        public async Task<string> TokenFileAsync(params (string Name, string Value)[] changes)
        {
            var file = folder[$"token-{++_files}"];
            await File.WriteAllTextAsync(file, Issue(changes) + "\n");
            return file;
        }

        public Task<ProcessResult> RunAsync(string tokenFile, params string[] arguments) =>
            CacheCli.RunAsync([.. arguments, "--url", server.Url.ToString(), "--token-file", tokenFile]);

        public async ValueTask DisposeAsync()
        {
            await server.DisposeAsync();
            await provider.DisposeAsync();
            folder.Dispose();
        }
    }
}
