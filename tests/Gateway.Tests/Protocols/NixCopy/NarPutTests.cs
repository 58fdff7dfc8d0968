using System.Net;
using OrleansCache.Core.Common;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>NARs and narinfos over HTTP, into a directory and into a real S3.</summary>
public sealed class NarPutTests
{
    [Theory]
    [InlineData("xz")]
    [InlineData("bzip2")]
    [InlineData("zstd")]
    [InlineData("none")]
    public async Task Every_compression_that_Nix_uses_is_checked_and_published_as_such(string compression)
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello", compression, size: 3_000_000);

        Assert.Equal(HttpStatusCode.NotFound, (await server.HeadAsync(file.NarUrl)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.NarUrl, file.Body)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.HeadAsync(file.NarUrl)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.InfoUrl, file.Info.Print())).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.PutAsync(file.InfoUrl, file.Info.Print())).StatusCode);

        var read = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, file.InfoUrl)));
        Assert.Equal(compression, read.Compression);
        Assert.Equal(file.Body, await server.Client.GetByteArrayAsync(new Uri(server.Url, read.Url)));
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public Task A_large_NAR_goes_to_the_store_in_parts_and_a_wrong_one_leaves_nothing_there() => LargeAsync(s3: false);

    [S3Fact]
    public Task A_large_NAR_goes_to_a_bucket_in_parts_and_a_wrong_one_leaves_nothing_there() => LargeAsync(s3: true);

    private static async Task LargeAsync(bool s3)
    {
        await using var server = await WriteServer.StartAsync(s3, options: new PushOptions { PartSize = 5 << 20 });
        var file = await NixFile.MakeAsync("large", "none", size: (5 << 20) * 3 + 1);

        var changed = file.Body.ToArray();
        changed[^1]++;
        Assert.Equal(HttpStatusCode.BadRequest, (await server.PutAsync(file.NarUrl, changed)).StatusCode);
        await server.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Empty(await server.KeysAsync());
        Assert.Equal("", await server.FsckAsync());

        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.NarUrl, file.Body)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.InfoUrl, file.Info.Print())).StatusCode);
        var read = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, file.InfoUrl)));
        Assert.Equal(file.Body, await server.Client.GetByteArrayAsync(new Uri(server.Url, read.Url)));
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task Two_clients_that_put_one_file_at_once_are_both_answered_and_one_object_stays()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");

        var puts = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => server.PutAsync(file.NarUrl, file.Body)));
        var infos = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => server.PutAsync(file.InfoUrl, file.Info.Print())));

        Assert.All(puts, p => Assert.Equal(HttpStatusCode.Created, p.StatusCode));
        Assert.Single(infos, i => i.StatusCode == HttpStatusCode.Created);
        Assert.Equal(5, infos.Count(i => i.StatusCode == HttpStatusCode.OK));
        await server.ForgetHoldsAsync();
        await server.CollectAsync();
        await server.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal("", await server.FsckAsync());
    }

    [Theory]
    [InlineData(".nar.lzip")]
    [InlineData(".nar.lz4")]
    [InlineData(".nar.br")]
    public async Task A_compression_that_cannot_be_checked_is_refused_and_says_which_can(string ending)
    {
        await using var server = await WriteServer.StartAsync();

        using var answer = await server.PutAsync($"nar/{Sha256Hash.Compute("x"u8).ToNix32()}{ending}", "x"u8.ToArray());

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("zstd", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nar/x.nar.xz")]
    [InlineData("nar/0000000000000000000000000000000000000000000000000000.tar.xz")]
    [InlineData("nar/0000000000000000000000000000000000000000000000000000.nar.exe")]
    [InlineData("nar/0000000000000000000000000000000000000000000000000000.nar/..%2f..%2fetc")]
    [InlineData("log/not-a-derivation")]
    [InlineData("realisations/..%2f..%2fx")]
    [InlineData("realisations/sha256:00!out.doi")]
    [InlineData("realisations/x!out.doi")]
    [InlineData("realisations/0c5b8vw40dy178xlpddw65q9gf1h2186-x.drv^out.doi")]
    [InlineData("build-trace-v2/x/out.doi")]
    [InlineData("build-trace-v2/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/out.doi")]
    [InlineData("debuginfo/..%2fx")]
    public async Task A_name_that_no_Nix_gives_is_a_4xx_and_nothing_is_stored(string url)
    {
        await using var server = await WriteServer.StartAsync();

        using var answer = await server.PutAsync(url, "{}");

        Assert.InRange((int)answer.StatusCode, 400, 499);
        Assert.Empty(await server.KeysAsync());
    }

    [Fact]
    public async Task A_body_that_is_not_what_its_name_says_it_is_compressed_with_is_refused()
    {
        await using var server = await WriteServer.StartAsync(options: new PushOptions { MaxNarSize = 100_000 });
        var noise = "this is neither xz nor zstd nor bzip2, whatever its name says"u8.ToArray();
        foreach (var ending in (string[])[".nar.xz", ".nar.zst", ".nar.bz2"])
            Assert.Equal(HttpStatusCode.BadRequest,
                (await server.PutAsync($"nar/{Sha256Hash.Compute(noise).ToNix32()}{ending}", noise)).StatusCode);
        foreach (var compression in (string[])["xz", "zstd", "bzip2"])
        {
            var whole = await NixFile.MakeAsync("whole", compression);
            var cut = whole.Body[..^5];
            var name = $"nar/{Sha256Hash.Compute(cut).ToNix32()}{whole.NarUrl[56..]}";
            Assert.Equal(HttpStatusCode.BadRequest, (await server.PutAsync(name, cut)).StatusCode);
            // A bomb: small, and large once decompressed.
            var bomb = await NixFile.MakeAsync("bomb", new byte[10_000_000], compression);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await server.PutAsync(bomb.NarUrl, bomb.Body)).StatusCode);
        }

        Assert.Empty(await server.KeysAsync());
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task A_listing_may_be_deep_and_one_that_is_not_what_it_says_is_refused()
    {
        await using var server = await WriteServer.StartAsync();
        var deep = string.Concat(Enumerable.Repeat("""{"type":"directory","entries":{"d":""", 200)) + """{"type":"regular"}"""
            + string.Concat(Enumerable.Repeat("}}", 200));
        const string Url = "0c5b8vw40dy178xlpddw65q9gf1h2186.ls";

        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(Url, $$"""{"version":1,"root":{{deep}}}""")).StatusCode);
        foreach (var coding in (string[])["gzip", "br", "zstd", "xz", "bzip2", "lzma"])
            Assert.Equal(HttpStatusCode.BadRequest, (await server.PutAsync(Url, "{}", ("Content-Encoding", coding))).StatusCode);
        foreach (var text in (string[])["", "[]", "{", "null"])
            Assert.Equal(HttpStatusCode.BadRequest, (await server.PutAsync(Url, text)).StatusCode);
    }

    [Fact]
    public async Task A_narinfo_that_does_not_fit_the_NAR_that_was_put_is_refused_with_what_differs()
    {
        await using var server = await WriteServer.StartAsync();
        var (file, other) = (await NixFile.MakeAsync("hello"), await NixFile.MakeAsync("other"));
        await server.PutAsync(file.NarUrl, file.Body);

        foreach (var wrong in (NarInfo[])[file.Info with { NarHash = other.Info.NarHash }, file.Info with { NarSize = 1 },
            file.Info with { FileSize = 1 }])
        {
            using var answer = await server.PutAsync(file.InfoUrl, wrong.Print());
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Contains(file.Info.NarHash.ToString(), await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        using var absent = await server.PutAsync(other.InfoUrl, other.Info.Print());
        Assert.Equal(HttpStatusCode.BadRequest, absent.StatusCode);
        Assert.Contains("never put", await absent.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        foreach (var bad in (string[])["", "nonsense", file.Info.Print().Replace("nar/", "../", StringComparison.Ordinal),
            other.Info.Print(), file.Info.Print() + "CA: \0\n", file.Info.Print() + "CA: text:x\n", file.Info.Print() + "System: x\vy\n",
            file.Info.Print().Replace("NarSize: ", "NarSize: 99999999999999", StringComparison.Ordinal),
            file.Info.Print().Replace("Compression: xz", "Compression: zstd", StringComparison.Ordinal)])
            Assert.Equal(HttpStatusCode.BadRequest, (await server.PutAsync(file.InfoUrl, bad)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.InfoUrl, file.Info.Print())).StatusCode);
    }

    [Fact]
    public async Task A_path_that_another_build_made_differently_stays_as_it_is_and_the_client_is_told()
    {
        await using var server = await WriteServer.StartAsync();
        var file = await NixFile.MakeAsync("hello");
        var rebuilt = await NixFile.MakeAsync("hello", size: 4000);
        foreach (var one in new[] { file, rebuilt })
            await server.PutAsync(one.NarUrl, one.Body);
        await server.PutAsync(file.InfoUrl, file.Info.Print());

        using var answer = await server.PutAsync(rebuilt.InfoUrl, rebuilt.Info.Print());

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("stays", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(file.Info.NarHash, NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, file.InfoUrl))).NarHash);
    }

    [Fact]
    public async Task An_upload_that_is_cut_off_in_the_middle_leaves_nothing_behind()
    {
        await using var server = await WriteServer.StartAsync(options: new PushOptions { PartSize = 5 << 20 });
        var file = await NixFile.MakeAsync("large", "none", size: (5 << 20) * 2);
        using (var stop = new CancellationTokenSource())
        {
            var body = new EndlessBody(file.Body.AsMemory(0, (5 << 20) + 100), file.Body.Length);
            using var request = new HttpRequestMessage(HttpMethod.Put, file.NarUrl) { Content = body };
            request.Headers.Authorization = new("Bearer", WriteServer.Writer);
            var sending = server.Client.SendAsync(request, stop.Token);
            await Eventually.BecomesTrueAsync(async () => await MultipartsAsync(server) == 1);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<Exception>(() => sending);
        }

        await Eventually.BecomesTrueAsync(async () =>
        {
            await server.Core.RunHousekeepingAsync(CancellationToken.None);
            return await MultipartsAsync(server) == 0;
        });
        Assert.Empty(await server.KeysAsync());
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task A_credential_whose_bodies_hardly_come_keeps_no_other_from_putting_its_own()
    {
        await using var server = await WriteServer.StartAsync();
        using var stop = new CancellationTokenSource();
        var slow = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => NixFile.MakeAsync("slow", "none", size: 100_000)));
        var begun = 0;
        var sending = slow.Select(async file =>
        {
            var body = new EndlessBody(file.Body.AsMemory(0, 1000), file.Body.Length, () => Interlocked.Increment(ref begun));
            using var request = new HttpRequestMessage(HttpMethod.Put, file.NarUrl) { Content = body };
            request.Headers.Authorization = new("Bearer", WriteServer.Writer);
            await server.Client.SendAsync(request, stop.Token);
        }).ToList();
        await Eventually.BecomesTrueAsync(() => begun == slow.Length);

        var file = await NixFile.MakeAsync("hello");
        using var answer = await server.SendAsync(HttpMethod.Put, file.NarUrl, file.Body, WriteServer.OtherWriter);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.All(sending, s => Assert.False(s.IsCompleted));
        await stop.CancelAsync();
        foreach (var one in sending)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one);
    }

    [Fact]
    public async Task A_body_that_declares_more_than_a_NAR_may_have_is_refused_before_it_is_read()
    {
        await using var server = await WriteServer.StartAsync();

        foreach (var length in (long[])[long.MaxValue, 1L << 50, 70L << 30])
        {
            var answer = await server.RawAsync(
                $"PUT /c/default/nar/{Sha256Hash.Compute("x"u8).ToNix32()}.nar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
                    $"{WriteServer.Writer}\r\nContent-Length: {length}\r\n\r\n", close: false);
            Assert.Contains(" 413 ", answer, StringComparison.Ordinal);
        }
    }

    private static async Task<int> MultipartsAsync(WriteServer server)
    {
        var count = 0;
        await foreach (var _ in server.Core.Store.ListMultipartAsync(CancellationToken.None))
            count++;
        return count;
    }

    /// <summary>Sends its bytes and then nothing more, without an end.</summary>
    private sealed class EndlessBody(ReadOnlyMemory<byte> bytes, long declared, Action? sent = null) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => throw new NotSupportedException();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.WriteAsync(bytes, cancellationToken);
            await stream.FlushAsync(cancellationToken);
            sent?.Invoke();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = declared;
            return true;
        }
    }
}
