using System.Net;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>
/// What Nix 2.35 sends otherwise than those before: all NARs at once, the largest first, then the narinfos, references first; zstd in
/// frames; and build traces.
/// </summary>
public sealed class NarsFirstTests
{
    private const string Drv = "0c5b8vw40dy178xlpddw65q9gf1h2186-root.drv";

    [Fact]
    public async Task NARs_outlive_a_collection_until_their_narinfos_come_and_a_narinfo_before_its_references_is_refused()
    {
        await using var server = await WriteServer.StartAsync();
        var files = await ClosureAsync();
        var root = files[^1];
        await PutNarsAsync(server, files);

        await server.CollectAsync();
        Assert.Equal(HttpStatusCode.Conflict, (await server.PutAsync(root.InfoUrl, root.Info.Print())).StatusCode);
        foreach (var file in files)
        {
            Assert.Equal(HttpStatusCode.NotFound, (await server.HeadAsync(file.InfoUrl)).StatusCode);
            Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.InfoUrl, file.Info.Print())).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await server.HeadAsync(file.InfoUrl)).StatusCode);
        }

        foreach (var file in files)
        {
            var read = NarInfo.Parse(await server.Client.GetStringAsync(new Uri(server.Url, file.InfoUrl)));
            Assert.Equal(file.Body, await server.Client.GetByteArrayAsync(new Uri(server.Url, read.Url)));
        }

        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task NARs_of_a_copy_that_ended_before_its_narinfos_go_with_a_collection()
    {
        await using var server = await WriteServer.StartAsync();
        await PutNarsAsync(server, await ClosureAsync());

        await server.ForgetHoldsAsync();
        await server.CollectAsync();
        await server.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Empty(await server.KeysAsync());
        Assert.Equal("", await server.FsckAsync());
    }

    [Fact]
    public async Task A_build_trace_is_the_value_alone_and_is_read_as_it_was_put()
    {
        await using var server = await WriteServer.StartAsync();
        var root = await NixFile.MakeAsync("root");
        var info = root.Info with { Deriver = StorePath.Parse(Drv) };
        await server.PutAsync(root.NarUrl, root.Body);
        await server.PutAsync(root.InfoUrl, info.Print());
        const string Url = $"build-trace-v2/{Drv}/out.doi";
        var trace = $$"""{"outPath":"{{root.Path.BaseName}}","signatures":[{"keyName":"builder-1","sig":"{{Convert.ToBase64String(new byte[64])}}"}]}""";

        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync(Url)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(Url, trace)).StatusCode);

        Assert.Equal(trace, await server.Client.GetStringAsync(new Uri(server.Url, Url)));
        await server.ForgetHoldsAsync();
        await server.CollectAsync();
        Assert.Empty(await server.KeysAsync());
    }

    // References first. Each file of zstd is two frames: 2.35 begins a new one every 16 MiB.
    private static async Task<NixFile[]> ClosureAsync()
    {
        var leaf = InFrames(await NixFile.MakeAsync("leaf", "none", size: 2_000_000));
        var middle = InFrames(await NixFile.MakeAsync("middle", "none", size: 3_000_000, leaf));
        return [leaf, middle, InFrames(await NixFile.MakeAsync("root", "none", size: 1_000_000, leaf, middle))];
    }

    private static NixFile InFrames(NixFile file)
    {
        byte[] body = [.. file.Body.Chunk((file.Body.Length / 2) + 1).SelectMany(part => Zstd.Compress(part))];
        return file with
        {
            Body = body,
            Info = file.Info with
            {
                Url = $"nar/{Sha256Hash.Compute(body).ToNix32()}.nar.zst",
                Compression = "zstd",
                FileHash = Sha256Hash.Compute(body),
                FileSize = body.Length,
            },
        };
    }

    private static Task PutNarsAsync(WriteServer server, NixFile[] files) =>
        Task.WhenAll(files.OrderByDescending(f => f.Info.NarSize).Select(async file =>
        {
            Assert.Equal(HttpStatusCode.NotFound, (await server.HeadAsync(file.InfoUrl)).StatusCode);
            Assert.Equal(HttpStatusCode.NotFound, (await server.HeadAsync(file.NarUrl)).StatusCode);
            Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(file.NarUrl, file.Body)).StatusCode);
        }));
}
