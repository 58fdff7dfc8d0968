using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Queue;

/// <summary>Hooks and daemon are killed at random, the network goes away, the disk is full for a while: every path arrives.</summary>
public sealed class QueueKillTests : QueueFixture
{
    [Fact]
    public Task Every_path_of_some_builds_arrives() => RunAsync(builds: 150);

    [FullFact]
    public Task Every_path_of_ten_thousand_builds_arrives() => RunAsync(builds: 10_000);

    private async Task RunAsync(int builds)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        Queue.Create();
        // Where no file system can be mounted, the disk is never full.
        await using var disk = SmallDisk.MissingReason is null ? await SmallDisk.OnAsync(Queue.Path, 64) : null;
        var daemon = StartDaemon();
        await BegunAsync(daemon);
        var built = new List<StorePath>();
        var (killedHooks, killedDaemons) = (0, 0);
        try
        {
            for (var i = 0; i < builds; i++)
            {
                var path = Nix.Build($"path{i}").Path;
                built.Add(path);
                killedHooks += await HookOrKillAsync(path, random) ? 0 : 1;
                if (i == builds / 5 && disk is not null)
                    await disk.FillAsync();
                if (i == builds / 4 && disk is not null)
                    File.Delete(Path.Combine(disk.Folder, ".ballast"));
                if (i == builds / 3)
                    Cache.Misbehave = context => { context.Abort(); return Task.FromResult(true); };
                if (i == builds / 2)
                    Cache.Misbehave = _ => Task.FromResult(false);
                if (random.Next(builds / 8) == 0)
                {
                    await daemon.DisposeAsync(); // kill -9
                    killedDaemons++;
                    daemon = StartDaemon();
                }
            }

            if (daemon.HasExited)
                Assert.Fail($"seed {seed}: the daemon ended:\n{daemon.Errors}");
            (await QueueAsync("flush", "--wait")).OrThrow();
            var missing = built.Where(path => !Cache.Live.ContainsKey(path.Hash)).ToList();
            Assert.True(missing.Count == 0,
                $"seed {seed}: {missing.Count} of {builds} are missing, {missing.FirstOrDefault()}; " +
                $"{killedHooks} hooks and {killedDaemons} daemons killed.\n{(await QueueAsync("status")).Output}\n{daemon.Errors}");
            Assert.Empty(Cache.Complaints);
            Assert.Empty(Spool.Names(Queue));
            Assert.InRange(killedHooks, 1, builds);
        }
        finally
        {
            await daemon.DisposeAsync();
        }
    }

    /// <returns>False: it was killed.</returns>
    private async Task<bool> HookOrKillAsync(StorePath path, Random random)
    {
        await using var hook = ProcessRunner.Start(Client.Program, ["hook"], Client.Surrounded(HookEnvironment(path)));
        if (random.Next(3) > 0)
        {
            Assert.Equal(0, await hook.WaitAsync());
            return true;
        }

        await Task.Delay(random.Next(120));
        var killed = !hook.HasExited;
        hook.Kill9();
        await hook.WaitAsync();
        return !killed;
    }
}
