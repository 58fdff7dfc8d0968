using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A bucket in which the key that signs clients' URLs may do nothing but put NARs.</summary>
public sealed class UploadKeyTests
{
    [UploadUserFact(needsNix: true)]
    public async Task A_closure_with_small_and_large_NARs_goes_in_and_comes_back_by_Nix()
    {
        using var bucket = await ObjectBucket.CreateAsync(CephServer.Uploader);
        await using var server = await ServerProcess.StartAsync(bucket.ServerOptions);
        await using var small = await GeneratedClosure.MakeAsync(10);
        // More than one PUT takes.
        await using var large = await GeneratedClosure.MakeAsync(1, fileBytes: 20 << 20);

        (await CacheCli.PushAsync(server, small.Root, large.Root)).OrThrow();

        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, server.PublicKey, small.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, server.PublicKey, large.Root);
        Assert.Equal(0, await bucket.OpenMultipartsAsync());
        var doctor = await CacheCli.RunAsync("doctor", "--url", server.Url.ToString(), "--token-file", server.TokenFile);
        Assert.Contains("ok       server state", doctor.Output, StringComparison.Ordinal);
    }
}
