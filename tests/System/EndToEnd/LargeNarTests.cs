using System.Security.Cryptography;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A NAR larger than the 5 GiB that S3 takes in one PUT, in real bytes.</summary>
public sealed class LargeNarTests
{
    private const long MoreThanOnePut = 5L << 30;

    [LargeFact]
    public async Task A_NAR_beyond_what_one_PUT_may_have_comes_back_whole_from_the_gateway()
    {
        await using var server = await ServerProcess.StartAsync();
        await GoesInAndComesOutAsync(server, server.Objects, server.Url.ToString());
    }

    [LargeFact(inBucket: true)]
    public async Task A_NAR_beyond_what_one_PUT_may_have_comes_back_whole_from_the_bucket()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        await using var server = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. bucket.ServerOptions]);
        await GoesInAndComesOutAsync(server, bucket, bucket.Url);
    }

    private static async Task GoesInAndComesOutAsync(ServerProcess server, IObjects objects, string substituter)
    {
        var path = await AddFileAsync();
        try
        {
            // Disks differ by ten times in what they take, and others may use it: this is only for a push that would never end.
            await using var push = CacheCli.StartPush(server, path);
            Assert.True(await push.WaitAsync(TimeSpan.FromHours(1)) == 0, push.Errors);

            var nar = Assert.Single(await objects.KeysAsync("nar/"));
            Assert.True(await objects.SizeAsync(nar) > MoreThanOnePut);
            await ReadBack.ClosureAsync(NixTool.Installed!, substituter, server.PublicKey, path);
        }
        finally
        {
            await NixTool.Installed!.RunAsync("nix-store", ["--delete", path]);
        }
    }

    /// <summary>
    /// One block of random bytes again and again: at level 3 zstd does not look back as far as that, so nothing is compressed.
    /// </summary>
    private static async Task<string> AddFileAsync()
    {
        using var folder = new TempFolder("oc-large-");
        var block = RandomNumberGenerator.GetBytes(64 << 20);
        await using (var file = File.Create(folder["large"]))
        {
            while (file.Length <= MoreThanOnePut)
                await file.WriteAsync(block);
        }

        return (await NixTool.Installed!.RunAsync("nix-store", ["--add", folder["large"]])).OrThrow().Output.Trim();
    }
}
