using System.Net;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Tests.Caches;
using OrleansCache.Gateway.Tests.Protocols.NixCopy;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.Attic;

/// <summary>The requests of an unmodified attic client, on a socket, to the real application and core.</summary>
public sealed class AtticRouteTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task A_push_in_no_order_with_its_info_in_the_header_or_in_the_body_is_what_readers_get(bool preamble, bool root)
    {
        await using var server = await WriteServer.StartAsync();
        var first = new AtticWire(server.Url);
        var (status, config) = await first.ConfigAsync("default");
        Assert.Equal(HttpStatusCode.OK, status);
        var endpoint = new Uri((string)config!["api_endpoint"]!);
        Assert.EndsWith("/", endpoint.AbsolutePath, StringComparison.Ordinal);
        var attic = root ? first : new AtticWire(server.Url) { Endpoint = endpoint.AbsolutePath };
        var dependency = await NixFile.MakeAsync("dependency", "none", 5_000_000);
        var top = await NixFile.MakeAsync("top", "none", 3000, dependency);
        string[] hashes = [top.Path.Hash.ToString(), dependency.Path.Hash.ToString()];
        Assert.Equal(hashes, await attic.MissingAsync("default", hashes));

        var early = await attic.UploadAsync(top, preamble);
        Assert.Equal((HttpStatusCode.OK, "Uploaded"), (early.Status, (string?)early.Body!["kind"]));
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync($"/{top.InfoUrl}")).StatusCode);
        Assert.Equal([hashes[1]], await attic.MissingAsync("default", hashes));
        var late = await attic.UploadAsync(dependency, preamble);
        Assert.Equal(HttpStatusCode.OK, late.Status);
        Assert.InRange((long)late.Body!["file_size"]!, 1, 5_100_000);
        var again = await attic.UploadAsync(dependency, preamble);
        Assert.Equal((HttpStatusCode.OK, "Deduplicated"), (again.Status, (string?)again.Body!["kind"]));

        Assert.Empty(await attic.MissingAsync("default", hashes));
        var info = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, top.InfoUrl)));
        Assert.Equal((top.Info.NarHash, "zstd"), (info.NarHash, info.Compression));
        Assert.Equal([dependency.Path], info.References);
        Assert.True(info.Verify(WriteServer.Key.PublicKey));
        Assert.Equal(top.Body, Zstd.Decompress(await server.Client.GetByteArrayAsync(new Uri(server.Url, info.Url)), 10_000));
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task An_info_that_is_too_large_for_a_header_comes_before_the_NAR()
    {
        await using var server = await WriteServer.StartAsync();
        var attic = new AtticWire(server.Url);
        var references = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => NixFile.MakeAsync($"reference-{i}-{new string('x', 40)}", "none", 200)));
        var top = await NixFile.MakeAsync("top", "none", 70_000, references);
        Assert.True(AtticWire.InfoOf(top).ToJsonString().Length > 4096);

        Assert.Equal(HttpStatusCode.OK, (await attic.UploadAsync(top)).Status);
        var answers = await Task.WhenAll(references.Select(r => attic.UploadAsync(r)));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        var info = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, top.InfoUrl)));
        Assert.Equal(100, info.References.Count);
        Assert.Equal("", await server.FsckAsync());
    }

    [S3Fact]
    public async Task A_large_NAR_goes_to_a_bucket_in_parts()
    {
        await using var server = await WriteServer.StartAsync(s3: true, options: new PushOptions { PartSize = 5 << 20 });
        var file = await NixFile.MakeAsync("large", "none", size: (5 << 20) * 3 + 1);

        Assert.Equal(HttpStatusCode.OK, (await new AtticWire(server.Url).UploadAsync(file)).Status);

        var info = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, file.InfoUrl)));
        Assert.Equal(file.Body, Zstd.Decompress(await server.Client.GetByteArrayAsync(new Uri(server.Url, info.Url)), file.Body.Length));
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task The_configuration_is_what_attic_use_writes_into_nix_conf_and_nothing_is_left_out_of_a_push()
    {
        await using var server = await WriteServer.StartAsync();

        var (_, config) = await new AtticWire(server.Url, token: null).ConfigAsync("default");

        Assert.Equal(server.Url.OriginalString, (string?)config!["substituter_endpoint"]);
        Assert.Equal(WriteServer.Key.PublicKey.ToString(), (string?)config["public_key"]);
        Assert.Equal((true, "/nix/store", 40, "Global"), ((bool)config["is_public"]!, (string)config["store_dir"]!,
            (int)config["priority"]!, (string)config["retention_period"]!));
        Assert.Empty(config["upstream_cache_key_names"]!.AsArray());
    }

    [Fact]
    public async Task Each_error_has_attics_form_with_a_sentence()
    {
        await using var server = await WriteServer.StartAsync();
        var attic = new AtticWire(server.Url);
        var file = await NixFile.MakeAsync("a", "none", 3000);
        var cases = new List<(string What, (HttpStatusCode Status, JsonNode? Body) Answer, HttpStatusCode Status, string Error, string Says)>
        {
            ("no token", await new AtticWire(server.Url, token: null).UploadAsync(file), HttpStatusCode.Unauthorized, "Unauthorized", "token"),
            ("no token and a large NAR", await new AtticWire(server.Url, token: null).UploadAsync(file, nar: new byte[20_000_000]),
                HttpStatusCode.Unauthorized, "Unauthorized", "token"),
            ("reader", await new AtticWire(server.Url, WriteServer.Reader).UploadAsync(file), HttpStatusCode.Forbidden, "AccessError", "push"),
            ("reader asks", await new AtticWire(server.Url, WriteServer.Reader).AskAsync("default"), HttpStatusCode.Forbidden, "AccessError", "push"),
            ("another cache", await attic.AskAsync("other"), HttpStatusCode.NotFound, "NoSuchCache", "api_endpoint"),
            ("no such cache", await attic.ConfigAsync("other"), HttpStatusCode.NotFound, "NoSuchCache", "other"),
            ("no route", await attic.ConfigAsync("default/x"), HttpStatusCode.NotFound, "NotFound", "cache-config"),
            ("no hash", await attic.AskAsync("default", "xyz"), HttpStatusCode.BadRequest, "RequestError", "xyz"),
            ("no info", await attic.ChunkedAsync("", file.Body), HttpStatusCode.BadRequest, "RequestError", "X-Attic-Nar-Info"),
            ("no JSON", await attic.ChunkedAsync("x-attic-nar-info: {\r\n", file.Body), HttpStatusCode.BadRequest, "RequestError", "info"),
            ("half a preamble", await attic.ChunkedAsync("x-attic-nar-info-preamble-size: 9999\r\n", file.Body), HttpStatusCode.BadRequest,
                "RequestError", "9999"),
            ("no preamble", await attic.ChunkedAsync("x-attic-nar-info-preamble-size: -1\r\n", file.Body), HttpStatusCode.BadRequest,
                "RequestError", "-1"),
            ("a huge preamble", await attic.ChunkedAsync("x-attic-nar-info-preamble-size: 999999999\r\n", file.Body),
                HttpStatusCode.BadRequest, "RequestError", "999999999"),
            ("another NAR", await attic.UploadAsync(file, nar: new byte[3000]), HttpStatusCode.BadRequest, "RequestError", "hash"),
            ("a short NAR", await attic.UploadAsync(file, nar: file.Body[..^1]), HttpStatusCode.BadRequest, "RequestError", "2999 of 3000"),
            ("a long NAR", await attic.UploadAsync(file, nar: [.. file.Body, 0]), HttpStatusCode.BadRequest, "RequestError", "more than"),
        };
        foreach (var (member, value) in new (string, JsonNode?)[]
        {
            ("cache", null), ("store_path", "/other/store/x"), ("store_path", file.Path.BaseName), ("store_path_hash", new string('0', 32)),
            ("nar_hash", "md5:00"), ("nar_size", 0), ("nar_size", 1L << 60), ("references", null), ("ca", "text:nonsense"),
            ("deriver", "no path"),
        })
        {
            var info = AtticWire.InfoOf(file);
            info[member] = value;
            cases.Add(($"{member} {value}", await attic.UploadAsync(file, info: info), HttpStatusCode.BadRequest, "RequestError", member));
        }

        foreach (var (what, answer, status, error, says) in cases)
        {
            Assert.True((status, error) == (answer.Status, (string?)answer.Body!["error"]), $"{what}: {answer.Status} {answer.Body}");
            Assert.Equal((int)status, (int)answer.Body["code"]!);
            Assert.Contains(says, (string)answer.Body["message"]!, StringComparison.Ordinal);
        }

        await server.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(await server.KeysAsync());
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task A_client_that_breaks_off_leaves_nothing()
    {
        await using var server = await WriteServer.StartAsync(options: new PushOptions { PartSize = 100_000 });
        var file = await NixFile.MakeAsync("a", "none", 1_000_000);

        using (var request = new HttpRequestMessage(HttpMethod.Put, new Uri(server.Url, "_api/v1/upload-path")))
        {
            request.Content = new StreamContent(new BrokenStream(file.Body[..700_000]));
            request.Headers.TransferEncodingChunked = true;
            request.Headers.Authorization = new("Bearer", WriteServer.Writer);
            request.Headers.Add("X-Attic-Nar-Info", AtticWire.InfoOf(file).ToJsonString());
            await Assert.ThrowsAnyAsync<Exception>(() => server.Client.SendAsync(request));
        }

        await Eventually.BecomesTrueAsync(async () =>
        {
            await server.Core.RunHousekeepingAsync(CancellationToken.None);
            return (await server.KeysAsync()).Count == 0
                && await server.Core.Database.SingleAsync("select count(*) from object where state = 'claimed'", static _ => { },
                    static r => r.GetInt64(0), CancellationToken.None) == 0;
        });
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task Attics_commands_for_admins_are_told_what_does_it_here()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("mine");
        var attic = new AtticWire(gateway.Url, CachesGateway.Operator);

        foreach (var method in (string[])["POST", "PATCH", "DELETE"])
        {
            foreach (var cache in (string[])["mine", "absent"])
            {
                var (status, body) = await attic.ConfigAsync(cache, method);
                Assert.Equal((HttpStatusCode.BadRequest, "RequestError"), (status, (string?)body!["error"]));
                Assert.Contains($"orleans-cache caches create|set|delete {cache}", (string)body["message"]!, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task Each_cache_has_its_own_endpoint_and_a_private_one_is_none_to_strangers()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("mine", """{"private":true}""");
        var pusher = await gateway.TokenAsync("mine", TokenScope.Push);
        var login = new AtticWire(gateway.Url, pusher);
        var file = await NixFile.MakeAsync("a", "none", 3000);

        var (_, config) = await login.ConfigAsync("mine");
        Assert.False((bool)config!["is_public"]!);
        var attic = new AtticWire(gateway.Url, pusher) { Endpoint = new Uri((string)config["api_endpoint"]!).AbsolutePath };
        Assert.Equal([file.Path.Hash.ToString()], await attic.MissingAsync("mine", file.Path.Hash.ToString()));
        Assert.Equal(HttpStatusCode.OK, (await attic.UploadAsync(file, info: AtticWire.InfoOf(file, "mine"))).Status);

        Assert.Equal(HttpStatusCode.NotFound, (await attic.UploadAsync(file, info: AtticWire.InfoOf(file, "default"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await login.AskAsync("mine")).Status);
        var stranger = new AtticWire(gateway.Url, await gateway.TokenAsync("default"));
        Assert.Equal((await stranger.ConfigAsync("nowhere")).Status, (await stranger.ConfigAsync("mine")).Status);
        // Without the scope 'read' it learns nothing of what another has put.
        var other = new AtticWire(gateway.Url, await gateway.TokenAsync("mine", TokenScope.Push)) { Endpoint = attic.Endpoint };
        Assert.Equal([file.Path.Hash.ToString()], await other.MissingAsync("mine", file.Path.Hash.ToString()));
        Assert.Equal("Uploaded", (string?)(await other.UploadAsync(file, info: AtticWire.InfoOf(file, "mine"))).Body!["kind"]);
    }

    // Fails where it ends.
    private sealed class BrokenStream(byte[] content) : MemoryStream(content)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await base.ReadAsync(buffer, cancellationToken) is > 0 and var read ? read : throw new IOException("the client breaks off");
    }

    [Fact]
    public async Task An_operator_sees_what_waits_and_for_what()
    {
        await using var gateway = await CachesGateway.StartAsync();
        var (dependency, attic) = (await NixFile.MakeAsync("dependency", "none"), new AtticWire(gateway.Url, CachesGateway.Operator));
        await attic.UploadAsync(await NixFile.MakeAsync("top", "none", 3000, dependency));

        using var answer = await gateway.SendAsync(HttpMethod.Get, "/v1/caches/default/waiting", CachesGateway.Operator);

        var waiting = Assert.Single(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["paths"]!.AsArray())!;
        Assert.EndsWith("-top", (string)waiting["path"]!, StringComparison.Ordinal);
        Assert.EndsWith("-dependency", (string)Assert.Single(waiting["missing"]!.AsArray())!, StringComparison.Ordinal);
    }
}
