using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Two gateways that know nothing of each other, on one PostgreSQL and one bucket.</summary>
public sealed class GatewaysTests
{
    [BucketFact]
    public async Task Pushes_through_two_gateways_at_once_end_whole()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        string[] options = ["--postgres", database, .. bucket.ServerOptions];
        await using var first = await ServerProcess.StartAsync(options);
        await using var second = await ServerProcess.StartAsync([.. options, .. first.IdentityOptions]);

        await using var shared = await GeneratedClosure.MakeAsync(30);
        await using var own = await GeneratedClosure.MakeAsync(10);
        var pushes = await Task.WhenAll(
            CacheCli.PushAsync(first, shared.Root),
            CacheCli.RunAsync("push", "--url", second.Url.ToString(), "--token-file", first.TokenFile, shared.Root, own.Root));
        Assert.All(pushes, push => push.OrThrow());

        // Each NAR once, whoever uploaded it.
        Assert.Equal(shared.Count + own.Count, (await bucket.KeysAsync("nar/")).Count);
        Assert.Empty(await CacheScan.FindHolesAsync(bucket));
        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, first.PublicKey, shared.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, second.Url.ToString(), first.PublicKey, own.Root);
    }
}
