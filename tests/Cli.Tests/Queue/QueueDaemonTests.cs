using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Queue;

/// <summary>What hooks queue arrives, what they miss is found, and what does not arrive is named.</summary>
public sealed class QueueDaemonTests : QueueFixture
{
    [Fact]
    public async Task What_a_hook_queues_is_pushed_and_leaves_the_queue()
    {
        await using var daemon = StartDaemon();
        await BegunAsync(daemon);
        var app = Nix.Build("app", needs: Nix.Build("libc", isFetched: true)).Path;

        Assert.Equal(0, (await HookAsync(app)).ExitCode);

        await BecomesAsync(() => Cache.Live.Count == 2 && Spool.Names(Queue).Count == 0, daemon);
        var status = await StatusAsync();
        Assert.Equal((0, true), (status.GetProperty("waiting").GetInt32(), status.GetProperty("daemonRuns").GetBoolean()));
        Assert.Equal(1, status.GetProperty("counts").GetProperty("published").GetInt32());
    }

    [Fact]
    public async Task What_was_queued_before_the_daemon_came_is_pushed_together()
    {
        var built = Enumerable.Range(0, 30).Select(i => Nix.Build($"path{i}").Path).ToList();
        foreach (var path in built)
            Hook.Run(["hook", "--queue", Queue.Path], name => name == "OUT_PATHS" ? path.ToString() : null);
        await using var daemon = StartDaemon();

        await BecomesAsync(() => Cache.Live.Count == 30 && Spool.Names(Queue).Count == 0, daemon);

        Assert.Single(Cache.Requests, request => request.EndsWith("/pushes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Builds_without_a_hook_are_found_since_the_watermark_and_what_was_before_is_not()
    {
        var before = Nix.Build("before").Path;
        await using (var daemon = StartDaemon())
            await BegunAsync(daemon);
        var (built, fetched) = (Nix.Build("built").Path, Nix.Build("fetched", isFetched: true).Path);

        await using var again = StartDaemon();
        await BecomesAsync(() => Cache.Live.ContainsKey(built.Hash), again);
        (await QueueAsync("flush", "--wait")).OrThrow();

        Assert.DoesNotContain(before.Hash, Cache.Live.Keys);
        Assert.DoesNotContain(fetched.Hash, Cache.Live.Keys);
    }

    [Fact]
    public async Task From_the_beginning_all_that_was_built_is_pushed_and_with_all_what_was_fetched()
    {
        var (built, fetched) = (Nix.Build("built").Path, Nix.Build("fetched", isFetched: true).Path);
        await using var daemon = StartDaemon("--since-beginning", "--all");

        await BecomesAsync(() => Cache.Live.ContainsKey(built.Hash) && Cache.Live.ContainsKey(fetched.Hash), daemon);
    }

    [Fact]
    public async Task Watching_the_store_needs_no_hook()
    {
        await using var daemon = StartDaemon("--watch-store");
        await BegunAsync(daemon);
        for (var i = 0; i < 3; i++)
        {
            var path = Nix.Build($"path{i}").Path;
            await BecomesAsync(() => Cache.Live.ContainsKey(path.Hash), daemon);
        }
    }

    [Fact]
    public async Task What_was_collected_before_its_push_is_dropped_and_named()
    {
        var (lost, kept) = (Nix.Build("lost").Path, Nix.Build("kept").Path);
        await HookAsync(lost);
        await HookAsync(kept);
        Nix.Collect(lost);
        await using var daemon = StartDaemon();

        await BecomesAsync(() => Cache.Live.ContainsKey(kept.Hash) && Spool.Names(Queue).Count == 0, daemon);

        var named = Assert.Single((await StatusAsync()).GetProperty("notPushed").EnumerateArray());
        Assert.Equal((lost.ToString(), "lost"), (named.GetProperty("path").GetString(), named.GetProperty("what").GetString()));
        Assert.Contains(lost.ToString(), (await QueueAsync("status")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_cannot_be_pushed_is_held_with_its_reason_and_the_others_go()
    {
        var paths = Enumerable.Range(0, 20).Select(i => Nix.Build($"path{i}").Path).ToList();
        Nix.Damage(paths[7]);
        await HookAsync([.. paths]);
        await using var daemon = StartDaemon();

        await BecomesAsync(() => Cache.Live.Count == 19, daemon);
        await Eventually.BecomesTrueAsync(async () => (await HeldAsync()).Length == 1);

        var held = (await HeldAsync())[0];
        Assert.Equal(paths[7].ToString(), held.Name);
        Assert.Contains("damaged", held.Value.GetProperty("why").GetString(), StringComparison.Ordinal);
        Assert.Single(Spool.Names(Queue));
        Assert.Equal(ExitCodes.Failed, (await QueueAsync("flush", "--wait")).ExitCode);
    }

    [Fact]
    public async Task One_that_cannot_be_pushed_for_too_long_is_given_up_and_named()
    {
        var path = Nix.Build("path").Path;
        Nix.Damage(path);
        await HookAsync(path);
        await using var daemon = StartDaemon("--keep-trying", "1s");
        await Eventually.BecomesTrueAsync(async () => (await HeldAsync()).Length == 1);
        await Task.Delay(1100);

        (await QueueAsync("flush", "--wait")).OrThrow();

        Assert.Equal("given-up", (await StatusAsync()).GetProperty("notPushed")[0].GetProperty("what").GetString());
        Assert.Empty(Spool.Names(Queue));
    }

    [Fact]
    public async Task While_the_server_is_away_all_is_kept_and_the_reason_told()
    {
        var port = Cache.Url.Port;
        await Cache.DisposeAsync();
        var paths = Enumerable.Range(0, 5).Select(i => Nix.Build($"path{i}").Path).ToList();
        await HookAsync([.. paths]);
        await using var daemon = StartDaemon();
        await Eventually.BecomesTrueAsync(async () => (await StatusAsync()).TryGetProperty("trouble", out _), TimeSpan.FromMinutes(1));
        Assert.Equal(5, (await StatusAsync()).GetProperty("waiting").GetInt32());

        Cache = await FakeCache.StartAsync(port: port);
        (await QueueAsync("flush", "--wait")).OrThrow();

        Assert.Equal(5, Cache.Live.Count);
        Assert.False((await StatusAsync()).TryGetProperty("trouble", out _));
    }

    [Fact]
    public async Task A_paused_queue_takes_and_pushes_nothing_until_it_is_resumed()
    {
        (await QueueAsync("pause")).OrThrow();
        await using var daemon = StartDaemon();
        await BegunAsync(daemon);
        var path = Nix.Build("path").Path;
        await HookAsync(path);
        Assert.Equal(ExitCodes.Failed, (await QueueAsync("flush")).ExitCode);
        Assert.True((await StatusAsync()).GetProperty("paused").GetBoolean());
        // For longer than a batch is gathered.
        var file = Path.Combine(Queue.Spool, Assert.Single(Spool.Names(Queue)));
        await BecomesAsync(() => DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > TimeSpan.FromSeconds(2), daemon);
        Assert.Empty(Cache.Live);

        (await QueueAsync("resume")).OrThrow();

        await BecomesAsync(() => Cache.Live.ContainsKey(path.Hash), daemon);
    }

    [Fact]
    public async Task A_queue_has_one_daemon_and_its_end_is_no_failure()
    {
        await using var daemon = StartDaemon();
        await BegunAsync(daemon);

        Client.AssertTold(await QueueAsync("run", "--url", Cache.Url.ToString()), ExitCodes.Failed, "Another daemon");

        daemon.Terminate();
        Assert.Equal(0, await daemon.WaitAsync());
    }

    [ProgramFact("systemd-socket-activate")]
    public async Task A_hook_starts_the_daemon_by_the_socket_of_the_service_manager()
    {
        Queue.Create();
        var environment = Client.Surrounded(Environment);
        string[] names = ["PATH", "ORLEANS_CACHE_QUEUE", "XDG_CONFIG_HOME"];
        await using var manager = ProcessRunner.Start("systemd-socket-activate",
            ["-l", Queue.Socket, .. names.Select(name => $"-E{name}={environment[name]}"), Client.Program, "queue", "run", "--url", Url],
            environment, signalAtExit: "TERM");
        await BecomesAsync(() => File.Exists(Queue.Socket), manager);
        Assert.False(QueueLock.IsTaken(Queue));
        var path = Nix.Build("path").Path;

        await HookAsync(path);

        await BecomesAsync(() => Cache.Live.ContainsKey(path.Hash), manager);
        // It must not take the manager's socket away.
        manager.Terminate();
        Assert.Equal(0, await manager.WaitAsync());
        Assert.True(File.Exists(Queue.Socket));
    }

    [Fact]
    public async Task What_a_filter_leaves_out_leaves_the_queue_and_is_named()
    {
        var app = Nix.Build("app", needs: Nix.Build("key-secret", isFetched: true)).Path;
        await HookAsync(app);
        await using var daemon = StartDaemon("--exclude", "*-secret");

        await BecomesAsync(() => Spool.Names(Queue).Count == 0 && File.Exists(Queue.State), daemon);

        var named = (await StatusAsync()).GetProperty("notPushed")[0];
        Assert.Equal("left-out", named.GetProperty("what").GetString());
        Assert.Contains("key-secret", named.GetProperty("why").GetString(), StringComparison.Ordinal);
        Assert.Empty(Cache.Live);
    }

    [SmallDiskFact]
    public async Task What_a_full_disk_did_not_take_is_found_in_the_database()
    {
        Queue.Create();
        await using var disk = await SmallDisk.OnAsync(Queue.Path, 1);
        await using var daemon = StartDaemon();
        await BegunAsync(daemon);
        await disk.FillAsync();
        var path = Nix.Build("path").Path;

        var hook = await HookAsync(path);

        Assert.Equal(0, hook.ExitCode);
        Assert.Contains("No space left", hook.Errors, StringComparison.Ordinal);
        File.Delete(Path.Combine(disk.Folder, ".ballast"));
        (await QueueAsync("flush", "--wait")).OrThrow();
        Assert.Contains(path.Hash, Cache.Live.Keys);
    }

    private async Task<JsonProperty[]> HeldAsync() => [.. (await StatusAsync()).GetProperty("held").EnumerateObject()];
}
