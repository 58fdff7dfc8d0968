using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Faults.Tests;

/// <summary>Faults that fall between the first narinfo of a commit and its last.</summary>
public sealed class CommitFaultTests
{
    // A chain this long is published for seconds, whatever the machine.
    private const int Tops = 250;

    [NixTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_push_outlives_a_restart_of_PostgreSQL_during_its_commit(bool byKill9)
    {
        await using var postgres = await PostgresServer.StartAsync();
        await using var server = await ServerProcess.StartAsync("--postgres", await postgres.CreateDatabaseAsync());
        await using var closure = await GeneratedClosure.MakeAsync(Tops);
        await using var push = CacheCli.StartPush(server, closure.Root);
        await PublishingAsync(server.Objects, closure, push);
        // Or it would end its commit while PostgreSQL stops.
        server.Pause();
        Assert.Null(await server.Objects.SizeAsync(NarInfoOf(closure.Root)));
        if (byKill9)
            await postgres.Kill9Async();
        else
            await postgres.StopAsync();
        server.Resume();
        await CacheChecks.NoHolesAsync(server.Objects, "while PostgreSQL is away");
        await postgres.RestartAsync();

        Assert.True(await push.WaitAsync(TimeSpan.FromMinutes(3)) == 0, push.Errors + server.Log);
        await CacheChecks.WholeAsync(server.Objects, closure.Root, "after the restart");
        await CacheChecks.ReadsBackAsync(server.Objects, server.Url.ToString(), server.PublicKey, closure.Root);
    }

    [S3Fact]
    public async Task Another_gateway_finishes_the_commit_of_one_that_stands_still_and_nothing_breaks_when_that_goes_on()
    {
        using var bucket = await ObjectBucket.CreateAsync();
        string[] options = ["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(), .. bucket.ServerOptions];
        await using var stopped = await ServerProcess.StartAsync(options);
        await using var other = await ServerProcess.StartAsync([.. options, .. stopped.IdentityOptions]);
        await using var closure = await GeneratedClosure.MakeAsync(Tops);
        await using var first = CacheCli.StartPush(stopped, closure.Root);
        await PublishingAsync(bucket, closure, first);
        stopped.Pause();
        Assert.Null(await bucket.SizeAsync(NarInfoOf(closure.Root)));

        // 1. Without any client's help, once the lease of the one that stands still has run out.
        await Eventually.BecomesTrueAsync(
            async () => await bucket.SizeAsync(NarInfoOf(closure.Root)) is not null, TimeSpan.FromMinutes(2), () => $"the end of the commit. The other gateway's log:\n{other.Log}");
        await CacheChecks.NoHolesAsync(bucket, "while a gateway stands still");
        (await CacheCli.RunAsync("push", "--url", other.Url.ToString(), "--token-file", stopped.TokenFile, closure.Root)).OrThrow();
        var narInfos = await NarInfosAsync(bucket);

        // 2. It wakes, holding writes that are long out of date.
        stopped.Resume();
        Assert.True(await first.WaitAsync(TimeSpan.FromMinutes(3)) == 0, first.Errors + stopped.Log);
        (await CacheCli.PushAsync(stopped, closure.Root)).OrThrow();
        Assert.Equal(narInfos, await NarInfosAsync(bucket));
        await CacheChecks.NoHolesAsync(bucket, "after it went on");
        await CacheChecks.ReadsBackAsync(bucket, bucket.Url, stopped.PublicKey, closure.Root);
    }

    /// <summary>Returns when the first narinfo is there.</summary>
    private static Task PublishingAsync(IObjects objects, GeneratedClosure closure, ProcessRunner push) => Eventually.BecomesTrueAsync(
        async () => push.HasExited || await objects.SizeAsync(NarInfoOf(closure.Tops[0])) is not null, describe: () => $"the first narinfo. The push:\n{push.Errors}");

    private static string NarInfoOf(string path) => $"{StorePath.Parse(path).Hash}.narinfo";

    private static async Task<string[]> NarInfosAsync(IObjects objects) =>
        [.. (await CacheScan.NarInfosAsync(objects)).Select(info => info.Print()).Order(StringComparer.Ordinal)];
}
