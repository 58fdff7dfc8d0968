using System.Net;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Reads;

public class ReadRouteTests
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";
    private const string Nar = "/nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst";
    private static readonly byte[] Content = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 >> 3))];

    [Theory]
    [InlineData("/" + Hash + ".narinfo", "text/x-nix-narinfo", "public, max-age=300")]
    [InlineData(Nar, "application/x-nix-nar", "public, max-age=31536000, immutable")]
    [InlineData("/realisations/sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c!out.doi", "application/json",
        "public, max-age=300")]
    [InlineData("/build-trace-v2/" + Hash + "-hello.drv/out.doi", "application/json", "public, max-age=300")]
    [InlineData("/pins/release-24.05", "text/plain; charset=utf-8", "no-cache")]
    public async Task An_object_is_served_whole_with_its_headers(string path, string type, string cacheControl)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(path[1..], Content);
        foreach (var prefix in new[] { "", "/c/default" })
        {
            using var got = await gateway.GetAsync(prefix + path);
            using var head = await gateway.SendAsync(HttpMethod.Head, prefix + path);

            Assert.Equal(Content, await got.Content.ReadAsByteArrayAsync());
            foreach (var answer in new[] { got, head })
            {
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                Assert.Equal(type, answer.Content.Headers.ContentType?.ToString());
                Assert.Equal(cacheControl.Split(", ").Order(), answer.Headers.CacheControl!.ToString().Split(", ").Order());
                Assert.Equal(Content.Length, answer.Content.Headers.ContentLength);
                Assert.Equal(got.Headers.ETag, answer.Headers.ETag);
                Assert.Equal("bytes", Assert.Single(answer.Headers.AcceptRanges));
            }
        }
    }

    [Theory]
    [InlineData("bytes=0-0", 0, 1)]
    [InlineData("bytes=1000-1999", 1000, 1000)]
    [InlineData("bytes=299999-", 299_999, 1)]
    [InlineData("bytes=299990-999999999", 299_990, 10)]
    [InlineData("bytes=-5", 299_995, 5)]
    [InlineData("bytes=-999999999", 0, 300_000)]
    public async Task A_single_range_is_a_206(string range, int first, int length)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(Nar[1..], Content);

        using var answer = await gateway.GetAsync(Nar, ("Range", range));

        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal($"bytes {first}-{first + length - 1}/300000", answer.Content.Headers.ContentRange?.ToString());
        Assert.Equal(Content[first..(first + length)], await answer.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("bytes=300000-")]
    [InlineData("bytes=300000-300001")]
    [InlineData("bytes=-0")]
    public async Task A_range_outside_is_a_416_that_tells_the_size(string range)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(Nar[1..], Content);

        using var answer = await gateway.GetAsync(Nar, ("Range", range));

        Assert.Equal("urn:orleans-cache:error:range-not-satisfiable", (await answer.ProblemAsync()).Type);
        Assert.Equal("bytes */300000", answer.Content.Headers.ContentRange?.ToString());
    }

    [Theory]
    [InlineData("bytes=0-1,5-6")]
    [InlineData("lines=0-1")]
    [InlineData("bytes=5-1")]
    [InlineData("bytes=x")]
    public async Task Other_ranges_get_the_whole(string range)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(Nar[1..], Content);

        using var answer = await gateway.GetAsync(Nar, ("Range", range));

        Assert.Equal((HttpStatusCode.OK, 300_000L), (answer.StatusCode, answer.Content.Headers.ContentLength));
    }

    [Fact]
    public async Task A_range_holds_only_while_the_object_is_the_same()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(Nar[1..], Content);
        using var first = await gateway.SendAsync(HttpMethod.Head, Nar);

        using var same = await gateway.GetAsync(Nar, ("Range", "bytes=1-2"), ("If-Range", first.Headers.ETag!.ToString()));
        using var other = await gateway.GetAsync(Nar, ("Range", "bytes=1-2"), ("If-Range", "\"another\""));

        Assert.Equal((HttpStatusCode.PartialContent, HttpStatusCode.OK), (same.StatusCode, other.StatusCode));
    }

    [Theory]
    [InlineData(Nar)]
    [InlineData("/" + Hash + ".ls")]
    [InlineData("/nix-cache-info")]
    public async Task Who_has_the_object_gets_a_304(string path)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(path[1..], Zstd(Content));
        using var first = await gateway.GetAsync(path);
        var etag = first.Headers.ETag!.ToString();

        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head })
        {
            foreach (var condition in new[] { etag, $"\"x\", W/{etag}", "*" })
            {
                using var unchanged = await gateway.SendAsync(method, path, ("If-None-Match", condition));
                Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
                Assert.Equal(etag, unchanged.Headers.ETag?.ToString());
                Assert.Empty(await unchanged.Content.ReadAsByteArrayAsync());
            }

            using var changed = await gateway.SendAsync(method, path, ("If-None-Match", "\"x\""));
            Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        }
    }

    [Fact]
    public async Task An_object_that_is_not_newer_is_a_304_unless_the_etag_says_otherwise()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(Nar[1..], Content);
        using var first = await gateway.GetAsync(Nar);
        var date = first.Content.Headers.LastModified!.Value;

        using var unchanged = await gateway.GetAsync(Nar, ("If-Modified-Since", date.ToString("R")));
        using var newer = await gateway.GetAsync(Nar, ("If-Modified-Since", date.AddSeconds(-1).ToString("R")));
        using var etagWins = await gateway.GetAsync(Nar, ("If-Modified-Since", date.ToString("R")), ("If-None-Match", "\"x\""));

        Assert.Equal((HttpStatusCode.NotModified, HttpStatusCode.OK, HttpStatusCode.OK),
            (unchanged.StatusCode, newer.StatusCode, etagWins.StatusCode));
    }

    [Fact]
    public async Task Another_content_has_another_etag()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync("pins/main", "/nix/store/a"u8.ToArray());
        using var before = await gateway.GetAsync("/pins/main");
        await gateway.StoreAsync("pins/main", "/nix/store/b"u8.ToArray());
        using var after = await gateway.GetAsync("/pins/main");

        Assert.NotEqual(before.Headers.ETag, after.Headers.ETag);
    }

    [Theory]
    [InlineData("/" + Hash + ".ls", "application/json")]
    [InlineData("/log/" + Hash + "-hello.drv", "text/plain; charset=utf-8")]
    public async Task Listings_and_logs_are_decoded_for_who_does_not_accept_zstd(string path, string type)
    {
        await using var gateway = await TestGateway.StartAsync();
        var stored = Zstd(Content);
        await gateway.StoreAsync(path[1..], stored);

        using var coded = await gateway.GetAsync(path, ("Accept-Encoding", "gzip, zstd"));
        using var plain = await gateway.GetAsync(path);
        using var refused = await gateway.GetAsync(path, ("Accept-Encoding", "zstd;q=0"));

        Assert.Equal("zstd", Assert.Single(coded.Content.Headers.ContentEncoding));
        Assert.Equal(stored, await coded.Content.ReadAsByteArrayAsync());
        foreach (var answer in new[] { plain, refused })
        {
            Assert.Empty(answer.Content.Headers.ContentEncoding);
            Assert.Equal(Content, await answer.Content.ReadAsByteArrayAsync());
        }

        Assert.NotEqual(coded.Headers.ETag, plain.Headers.ETag);
        Assert.All([coded, plain, refused], a => Assert.Equal(type, a.Content.Headers.ContentType?.ToString()));
        Assert.All([coded, plain, refused], a => Assert.Contains("Accept-Encoding", a.Headers.Vary));
    }

    [Fact]
    public async Task A_log_that_was_stored_plain_is_served_as_it_is()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync($"log/{Hash}-hello.drv", "hi"u8.ToArray());

        using var answer = await gateway.GetAsync($"/log/{Hash}-hello.drv", ("Accept-Encoding", "zstd"));

        Assert.Empty(answer.Content.Headers.ContentEncoding);
        Assert.Equal("hi", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData($"log/{Hash}-foo+bar=2?x.drv")]
    [InlineData($"build-trace-v2/{Hash}-foo?x.drv/out.doi")]
    [InlineData($"build-trace-v2/{Hash}-foo.drv/a?b.doi")]
    [InlineData($"build-trace-v2/{Hash}-a?b?c.drv/d?.doi")]
    [InlineData("realisations/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad!a?b.doi")]
    public async Task A_question_mark_is_part_of_a_name_that_may_have_one(string key)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync(key, "hi"u8.ToArray());

        foreach (var folder in (string[])["/", "/c/default/"])
        {
            // As Nix sends it, and as other clients do.
            Assert.Equal("hi", await (await gateway.GetAsync(folder + key)).Content.ReadAsStringAsync());
            Assert.Equal("hi", await (await gateway.GetAsync(folder + key.Replace("+", "%2B", StringComparison.Ordinal)
                .Replace("?", "%3F", StringComparison.Ordinal))).Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task A_query_stays_one_where_no_name_has_a_question_mark()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync($"log/{Hash}-foo.drv", "hi"u8.ToArray());

        Assert.Equal("hi", await (await gateway.GetAsync($"/log/{Hash}-foo.drv?x=1")).Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task The_cache_info_is_generated()
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Priority = 12 });

        Assert.Equal("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 12\n",
            await gateway.Client.GetStringAsync(new Uri("/nix-cache-info", UriKind.Relative)));
    }

    [Fact]
    public async Task Nothing_else_in_the_store_or_beside_it_can_be_read()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.StoreAsync("secret", Content);
        await gateway.StoreAsync("other/secret", Content);
        await gateway.StoreAsync(Nar[1..], Content);
        string[] paths =
        [
            "/secret", "/other/secret", "/nar", "/nar/", "/nar/../secret", "/nar/%2e%2e/secret", "/nar/..%2fsecret", "/nar/%2e%2e%2fsecret",
                "/nar/..%5csecret", "/nar//secret",
            "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/nar/%00", "/pins/%ff", "/.narinfo", "/c/default/secret", "/c/other" + Nar,
                "/c/default/../other/secret", "/log/", "/nar/" + new string('x', 600), "/pins/" + new string('y', 256),
        ];
        foreach (var path in paths)
        {
            var (status, body) = await RawGetAsync(gateway.Parts.PublicUrl, path);
            // Of a cache that is not there nobody is told without a token.
            Assert.True(status is 404 or 400 || (status == 401 && path.StartsWith("/c/other", StringComparison.Ordinal)), $"{path}: {status}");
            Assert.True(body < 1000, $"{path}: {body} bytes");
        }
    }

    [Fact]
    public async Task A_404_is_short_and_is_not_remembered_for_long()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync($"/{Hash}.narinfo");

        Assert.Equal("urn:orleans-cache:error:not-found", (await answer.ProblemAsync()).Type);
        Assert.Equal(TimeSpan.FromSeconds(10), answer.Headers.CacheControl?.MaxAge);
    }

    // HttpClient would tidy the path up.
    private static async Task<(int Status, int Length)> RawGetAsync(Uri server, string path)
    {
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(server.Host, server.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream, Encoding.Latin1);
        var text = await reader.ReadToEndAsync();
        return (int.Parse(text.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture), text.Length);
    }

    private static byte[] Zstd(byte[] content)
    {
        using var buffer = new MemoryStream();
        using (var encoder = new ZstdCompressStream(buffer, leaveOpen: true))
            encoder.Write(content);
        return buffer.ToArray();
    }

    [Fact]
    public async Task A_NAR_that_is_nowhere_is_looked_for_in_the_catalog_once_in_ten_seconds_and_a_name_that_no_NAR_has_never()
    {
        var clock = new TimerClock();
        await using var gateway = await TestGateway.StartAsync(parts => parts with { Time = clock });
        var contents = (ScriptedContents)gateway.Parts.Contents;

        foreach (var path in (string[])[Nar, Nar, "/c/default" + Nar, "/nar/x.nar.zst",
            "/nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.exe",
            "/nar/zzzz03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar.zst"])
        {
            using var answer = await gateway.GetAsync(path);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        Assert.Equal(1, contents.AskedForMoved);
        clock.Move(TimeSpan.FromSeconds(10));
        using var later = await gateway.GetAsync(Nar);
        Assert.Equal(2, contents.AskedForMoved);
        await gateway.StoreAsync(Nar[1..], Content);
        using var found = await gateway.GetAsync(Nar);
        Assert.Equal(HttpStatusCode.OK, found.StatusCode);
    }

    [Fact]
    public async Task A_NAR_that_the_bucket_gives_is_a_307_and_all_else_comes_from_here()
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Store = new FaultyObjectStore(parts.Store, (_, _) => Fault.None) { UrlOf = key => new Uri($"https://s3.example.org/b/{key}?x") },
        });
        var narinfo = $"/{Hash}.narinfo";
        using (var missing = await gateway.GetAsync(Nar))
            Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        var store = ((FaultyObjectStore)gateway.Parts.Store).Inner;
        foreach (var path in (string[])[Nar, narinfo])
            await store.PutNewAsync(Contracts.ObjectKey.Parse(path[1..]), Content, CancellationToken.None);

        using var nar = await gateway.GetAsync(Nar);
        using var part = await gateway.GetAsync(Nar, ("Range", "bytes=5-9"));
        using var head = await gateway.SendAsync(HttpMethod.Head, Nar);
        using var other = await gateway.GetAsync(narinfo);

        foreach (var answer in (HttpResponseMessage[])[nar, part])
        {
            Assert.Equal(HttpStatusCode.TemporaryRedirect, answer.StatusCode);
            Assert.Equal($"https://s3.example.org/b{Nar}?x", answer.Headers.Location!.AbsoluteUri);
            Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
            Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
        }

        Assert.Equal((HttpStatusCode.OK, Content.Length), (head.StatusCode, (int)head.Content.Headers.ContentLength!));
        Assert.Equal(Content, await other.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData(true, "", "private")]
    [InlineData(true, "/c/default", "private")]
    [InlineData(false, "", "public")]
    [InlineData(false, "/c/default", "private")]
    public async Task What_a_credential_is_told_is_nothing_for_shared_caches(bool isPrivate, string root, string expected)
    {
        await using var gateway = await TestGateway.StartAsync(privateReads: isPrivate);
        await gateway.StoreAsync(Nar[1..], Content);

        using var answer = await gateway.GetAsync(root + Nar, ("Authorization", $"Bearer {TestGateway.Token}"));
        using var missing = await gateway.GetAsync($"{root}/{Hash}.narinfo", ("Authorization", $"Bearer {TestGateway.Token}"));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        foreach (var told in (HttpResponseMessage[])[answer, missing])
            Assert.Equal((expected == "private", expected == "public"), (told.Headers.CacheControl!.Private, told.Headers.CacheControl.Public));
    }
}
