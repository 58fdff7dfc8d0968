using System.Diagnostics;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Faults.Tests;

/// <summary>Faults that fall between the first narinfo of a commit and its last.</summary>
public sealed class CommitFaultTests
{
    // A chain this long is published for a while, level by level.
    private const int Tops = 250;

    [NixTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_push_outlives_a_restart_of_PostgreSQL_during_its_commit(bool byKill9)
    {
        await using var postgres = await PostgresServer.StartAsync();
        await using var server = await ServerProcess.StartAsync("--postgres", await postgres.CreateDatabaseAsync());
        // Paused, or it would end its commit while PostgreSQL stops.
        var (closure, push) = await PauseInCommitAsync(server, server.Objects);
        await using var first = closure;
        await using var second = push;
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
        var (closure, first) = await PauseInCommitAsync(stopped, bucket);
        await using var ours = closure;
        await using var running = first;

        // 1. Without any client's help, once the lease of the one that stands still has run out.
        await Eventually.BecomesTrueAsync(
            async () => await bucket.SizeAsync(NarInfoOf(closure.Root)) is not null, TimeSpan.FromMinutes(2), () =>
                $"the end of the commit. The other gateway's log:\n{other.Log}");
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

    /// <summary>Pushes a closure and stops the server when the first narinfo is there and the last one is not.</summary>
    private static async Task<(GeneratedClosure Closure, ProcessRunner Push)> PauseInCommitAsync(ServerProcess server, IObjects objects)
    {
        for (var attempt = 1; ; attempt++)
        {
            var closure = await GeneratedClosure.MakeAsync(Tops);
            var push = CacheCli.StartPush(server, closure.Root);
            // Looked at without rests: all of it may take no more than a fifth of a second.
            for (var clock = Stopwatch.StartNew(); !push.HasExited && await objects.SizeAsync(NarInfoOf(closure.Tops[0]))
                is null; await Task.Delay(1))
                Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"no narinfo after a minute. The push:\n{push.Errors}");
            server.Pause();
            if (await objects.SizeAsync(NarInfoOf(closure.Root)) is null)
                return (closure, push);

            // On a busy machine the server may be done before we look.
            server.Resume();
            Assert.True(await push.WaitAsync(TimeSpan.FromMinutes(3)) == 0, push.Errors + server.Log);
            await push.DisposeAsync();
            await closure.DisposeAsync();
            Assert.True(attempt < 5, "every commit was over before it could be stopped");
        }
    }

    private static string NarInfoOf(string path) => $"{StorePath.Parse(path).Hash}.narinfo";

    private static async Task<string[]> NarInfosAsync(IObjects objects) =>
        [.. (await CacheScan.NarInfosAsync(objects)).Select(info => info.Print()).Order(StringComparer.Ordinal)];
}
