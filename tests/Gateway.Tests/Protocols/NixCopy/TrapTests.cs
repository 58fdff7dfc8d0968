using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text;
using OrleansCache.Core.Store;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>The traps in which a server of stock Nix can be caught: each sends what old and new Nix send.</summary>
public sealed class TrapTests
{
    private const string Old = "curl/7.88.1 Nix/2.8.0";
    private const string New = "curl/8.14.1 Nix/2.35.0";

    [Fact]
    public async Task T1_A_retry_that_declares_the_length_and_sends_no_body_is_refused_for_good_and_nothing_is_stored()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");

        var answer = await server.RawAsync(Put(file, Old), close: false);

        Assert.Contains("HTTP/1.1 400", answer, StringComparison.Ordinal);
        Assert.Contains("run the command again", answer, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(await server.KeysAsync());
        Assert.Equal(HttpStatusCode.NotFound, (await server.HeadAsync(file.NarUrl)).StatusCode);
    }

    [Fact]
    public async Task T1_A_body_that_ends_early_or_was_changed_is_never_accepted()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");

        // Whoever hangs up in the middle hears no answer, and nothing is there.
        var cut = await server.RawAsync(Put(file, New) + Encoding.Latin1.GetString(file.Body, 0, 10), close: true);
        var shorter = await server.PutAsync(file.NarUrl, file.Body[..^1]);
        var changed = await server.PutAsync(file.NarUrl, [.. file.Body[..^1], (byte)~file.Body[^1]]);
        var empty = await server.PutAsync(file.NarUrl, (byte[])[]);

        Assert.DoesNotContain("HTTP/1.1 2", cut, StringComparison.Ordinal);
        Assert.All([shorter, changed, empty], a => Assert.Equal(HttpStatusCode.BadRequest, a.StatusCode));
        Assert.Empty(await server.KeysAsync());
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.NarUrl, file.Body)).StatusCode);
    }

    [Fact]
    public async Task T1_A_retry_without_a_body_of_a_NAR_whose_answer_was_lost_succeeds()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");
        await server.PutAsync(file.NarUrl, file.Body);

        Assert.Contains("HTTP/1.1 201", await server.RawAsync(Put(file, Old), close: false), StringComparison.Ordinal);
        Assert.Single(await server.KeysAsync());
    }

    [Fact]
    public async Task T1_A_full_disk_is_told_and_final_for_an_old_Nix()
    {
        await using var server = await WriteServer.StartAsync(around: store => FailingStore.Around(store, () => true,
            new ObjectStoreException("no space", isTransient: false, new System.ComponentModel.Win32Exception(28))));
        var file = await NixFile.MakeAsync("hello");

        using var old = await server.PutAsync(file.NarUrl, file.Body, ("User-Agent", Old));
        using var current = await server.PutAsync(file.NarUrl, file.Body, ("User-Agent", New));

        Assert.Equal((424, 507), ((int)old.StatusCode, (int)current.StatusCode));
        Assert.Contains("disk that holds the objects is full", await old.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("urn:orleans-cache:error:disk-full", (await current.ProblemAsync()).Type);
    }

    [Fact]
    public async Task T1_A_failure_of_the_store_is_final_for_an_old_Nix_and_temporary_for_a_new_one()
    {
        var fails = true;
        await using var server = await WriteServer.StartAsync(around: store => FailingStore.Around(store, () => fails));
        var file = await NixFile.MakeAsync("hello");

        using var old = await server.PutAsync(file.NarUrl, file.Body, ("User-Agent", Old));
        using var current = await server.PutAsync(file.NarUrl, file.Body, ("User-Agent", New));
        fails = false;
        using var again = await server.PutAsync(file.NarUrl, file.Body, ("User-Agent", Old));

        Assert.Equal(424, (int)old.StatusCode);
        Assert.Contains("Run the command again", await old.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, current.StatusCode);
        Assert.NotNull(current.Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        await server.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("", await server.FsckAsync());
    }

    [Theory]
    [InlineData("curl/7.88.1 Nix/2.8.0", true)]
    [InlineData("curl/8 Nix/2.33.1", true)]
    [InlineData("curl/8 Nix/2.33.1pre20260101_abcdef", true)]
    [InlineData("curl/8 Lix/2.93.0", true)]
    [InlineData("curl/8 Nix/2.33.2", false)]
    [InlineData("curl/8 Nix/2.35.0pre20260101", false)]
    [InlineData("curl/8 Nix/3.0", false)]
    [InlineData("curl/8.0", false)]
    [InlineData("", false)]
    public void T1_The_user_agent_tells_who_sends_retries_without_a_body(string agent, bool old)
    {
        var http = new Microsoft.AspNetCore.Http.DefaultHttpContext();
        http.Request.Headers.UserAgent = agent;

        Assert.Equal(old, Gateway.Http.NixUserAgent.Sent(http.Request));
    }

    [Fact]
    public async Task T2_A_narinfo_whose_reference_is_not_there_is_409_and_names_it_and_what_to_do()
    {
        await using var server = await WriteServer.StartAsync();
        var dependency = await NixFile.MakeAsync("dependency");
        var parent = await NixFile.MakeAsync("parent", references: dependency);
        await server.PutAsync(parent.NarUrl, parent.Body);

        using var answer = await server.PutAsync(parent.InfoUrl, parent.Info.Print(), ("User-Agent", Old));

        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        var body = await answer.Content.ReadAsStringAsync();
        Assert.Contains(dependency.Path.ToString(), body, StringComparison.Ordinal);
        Assert.Contains("--refresh", body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(parent.InfoUrl)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(new Uri(server.Url, parent.InfoUrl).ToString())).StatusCode);
    }

    [Fact]
    public async Task T3_The_narinfo_that_readers_get_is_signed_and_names_a_key_of_ours_and_both_URLs_lead_to_the_NAR()
    {
        await using var server = await WriteServer.StartAsync();
        var builder = SecretKey.Generate("builder-1");
        var file = await NixFile.MakeAsync("hello");
        var sent = file.Info with
        {
            Signatures = [builder.Sign(file.Info.Fingerprint()),
            "test-1:" + Convert.ToBase64String(new byte[64])]
        };
        await server.PutAsync(file.NarUrl, file.Body);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.InfoUrl, sent.Print())).StatusCode);

        var read = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, file.InfoUrl)));

        Assert.True(read.Verify(WriteServer.Key.PublicKey));
        Assert.True(read.Verify(builder.PublicKey));
        Assert.Equal(2, read.Signatures.Count);
        Assert.NotEqual(file.NarUrl, read.Url);
        Assert.EndsWith(".nar.xz", read.Url, StringComparison.Ordinal);
        Assert.Equal((file.Info.FileHash, file.Info.FileSize, "xz"), (read.FileHash, read.FileSize, read.Compression));
        Assert.Equal(file.Body, await server.Client.GetByteArrayAsync(new Uri(server.Url, read.Url)));
        // The pusher remembers the narinfo that it wrote.
        using var remembered = await server.GetAsync(file.NarUrl);
        Assert.Equal(file.Body, await remembered.Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(new Uri(server.Url, file.NarUrl).ToString())).StatusCode);
    }

    [Fact]
    public Task T4_What_was_answered_200_or_accepted_outlives_a_forced_collection() => OutlivesAsync(s3: false);

    [S3Fact]
    public Task T4_What_was_answered_200_or_accepted_outlives_a_forced_collection_of_a_bucket() => OutlivesAsync(s3: true);

    private static async Task OutlivesAsync(bool s3)
    {
        await using var server = await WriteServer.StartAsync(s3);
        var (there, half) = (await NixFile.MakeAsync("there"), await NixFile.MakeAsync("half"));
        await server.PutAsync(there.NarUrl, there.Body);
        await server.PutAsync(there.InfoUrl, there.Info.Print());
        await server.ForgetHoldsAsync();
        // 2.8 asks for the narinfo, then HEADs the NAR that another job has put and that nobody has published.
        await server.PutAsync(half.NarUrl, half.Body);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(there.InfoUrl)).StatusCode);
        using var head = await server.HeadAsync(half.NarUrl);
        Assert.Equal((HttpStatusCode.OK, (long?)half.Body.Length), (head.StatusCode, head.Content.Headers.ContentLength));

        await server.CollectAsync();
        await server.Core.RunHousekeepingAsync(CancellationToken.None);

        var parent = half with { Info = half.Info with { References = [there.Path] } };
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(parent.InfoUrl, parent.Info.Print())).StatusCode);
        Assert.Equal("", await server.FsckAsync());

        await server.ForgetHoldsAsync();
        await server.CollectAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(there.InfoUrl)).StatusCode);
    }

    [Fact]
    public async Task T4_Who_may_not_write_is_promised_nothing_by_a_read_under_the_write_URL()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");
        await server.PutAsync(file.NarUrl, file.Body);
        await server.PutAsync(file.InfoUrl, file.Info.Print());
        await server.ForgetHoldsAsync();

        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(file.InfoUrl, password: null)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync(file.InfoUrl, WriteServer.Reader)).StatusCode);
        await server.CollectAsync();

        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(file.InfoUrl, password: null)).StatusCode);
    }

    [Fact]
    public async Task T5_All_that_a_Nix_may_put_is_accepted_and_served_again()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");
        var drv = "0c5b8vw40dy178xlpddw65q9gf1h2186-hello.drv";
        var info = file.Info with { Deriver = StorePath.Parse(drv) };
        var realisation = $$$"""{"dependentRealisations":{},"id":"sha256:00!out","outPath":"{{{file.Path.BaseName}}}","signatures":[]}""";
        (string Url, string Body, string? Coding)[] before =
        [
            ($"{file.Path.Hash}.ls", """{"version":1,"root":{"type":"directory","entries":{}}}""", null),
            ("debuginfo/00aabbccddeeff.debug", $$"""{"archive":"../{{file.NarUrl}}","member":"lib/debug/x.debug"}""", null),
        ];
        (string Url, string Body, string? Coding)[] after =
        [
            ($"realisations/sha256:{new string('0', 64)}!out.doi", realisation, null),
            ($"build-trace-v2/{drv}/out.doi",
                $$$"""{"key":{"drvPath":"{{{drv}}}","outputName":"out"},"value":{"outPath":"{{{file.Path.BaseName}}}","signatures":[]}}""",
                null),
            ($"log/{drv}", "a log\n", "gzip"),
            ($"realisations/sha256:{new string('1', 64)}!o?t.doi", realisation, null),
            ("build-trace-v2/0c5b8vw40dy178xlpddw65q9gf1h2186-a?b.drv/o?t.doi",
                $$$"""{"value":{"outPath":"{{{file.Path.BaseName}}}","signatures":[]}}""", null),
        ];

        using var cacheInfo = await server.PutAsync("nix-cache-info", "StoreDir: /nix/store\n");
        Assert.Equal(HttpStatusCode.OK, cacheInfo.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await server.PutAsync("nix-cache-info", "StoreDir: /elsewhere\n")).StatusCode);
        foreach (var (url, body, _) in before)
        {
            Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(url, body)).StatusCode);
            Assert.Equal(body, await (await server.GetAsync(url)).Content.ReadAsStringAsync());
        }

        await server.PutAsync(file.NarUrl, file.Body);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.InfoUrl, info.Print())).StatusCode);
        foreach (var (url, body, coding) in after)
        {
            var bytes = coding is null ? Encoding.UTF8.GetBytes(body) : await NixFile.CompressAsync(coding, Encoding.UTF8.GetBytes(body));
            using var put = await server.PutAsync(url, bytes, coding is null ? [] : [("Content-Encoding", coding)]);
            Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        }

        foreach (var (url, body, _) in before.Concat(after))
        {
            // By everybody, under both URLs.
            var expected = url.StartsWith("debuginfo/", StringComparison.Ordinal) ? body.Replace(file.NarUrl,
                NarInfo.Parse(await server.Client.GetStringAsync(file.InfoUrl)).Url, StringComparison.Ordinal) : body;
            Assert.Equal(expected, await server.Client.GetStringAsync(new Uri(server.Url, url)));
            Assert.Equal(expected, await (await server.GetAsync(url)).Content.ReadAsStringAsync());
        }

        Assert.Equal("", await server.FsckAsync());
        await server.ForgetHoldsAsync();
        await server.CollectAsync();
        Assert.Equal("", await server.FsckAsync());
        Assert.Empty(await server.KeysAsync());
    }

    private static string Put(NixFile file, string agent) => string.Create(CultureInfo.InvariantCulture,
        $"PUT /c/default/{file.NarUrl} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nAuthorization: Basic " +
            $"{Convert.ToBase64String(Encoding.ASCII.GetBytes($"ci:{WriteServer.Writer}"))}\r\nContent-Length: " +
            $"{file.Body.Length}\r\nExpect: 100-continue\r\n\r\n");

    /// <summary>A store whose writes of new objects fail, as one does that cannot be reached.</summary>
#pragma warning disable CA1852 // The proxy is a subtype, made at run time.
    private class FailingStore : DispatchProxy
#pragma warning restore CA1852
    {
        private IObjectStore _inner = null!;
        private Func<bool> _fails = null!;
        private Exception _failure = null!;

        public static IObjectStore Around(IObjectStore inner, Func<bool> fails, Exception? failure = null)
        {
            var proxy = Create<IObjectStore, FailingStore>();
            ((FailingStore)(object)proxy)._inner = inner;
            ((FailingStore)(object)proxy)._fails = fails;
            ((FailingStore)(object)proxy)._failure = failure ?? new ObjectStoreException("the store cannot be reached", isTransient: true);
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Name == nameof(IObjectStore.PutNewAsync) && _fails()
                ? Task.FromException(_failure)
                : targetMethod.Invoke(_inner, args);
    }
}
