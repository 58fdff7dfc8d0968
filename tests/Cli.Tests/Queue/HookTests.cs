using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Queue;

/// <summary>The hook notes what was built, and fails no build whatever is wrong.</summary>
public sealed class HookTests : IDisposable
{
    private const string Out = "/nix/store/7hjadjskdkc0yy9c8vszrvnc94lva3a6-app";
    private const string Dev = "/nix/store/8hjadjskdkc0yy9c8vszrvnc94lva3a6-app-dev";

    private readonly TempFolder _folder = new("cli-hook-");
    private readonly QueueFolder _queue;

    public HookTests() => _queue = new QueueFolder(_folder["state/queue"]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task All_outputs_of_a_build_are_one_file_that_its_owner_alone_can_read()
    {
        AssertSilent(await RunAsync($"{Out} {Dev}"));

        var name = Assert.Single(Spool.Names(_queue));
        Assert.Equal([Out, Dev], Spool.Read(_queue, name).Select(path => path.ToString()));
        Assert.Empty(Directory.EnumerateFiles(_queue.Unfinished));
#pragma warning disable CA1416
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_queue.Path));
#pragma warning restore CA1416
    }

    [Fact]
    public async Task Under_its_other_name_the_program_is_a_hook_without_an_argument()
    {
        var run = await Client.ShellAsync($"exec -a /usr/bin/orleans-cache-hook \"$CLIENT\"",
            new Dictionary<string, string?> { [QueueFolder.Variable] = _queue.Path, ["OUT_PATHS"] = Out });

        AssertSilent(run);
        Assert.Single(Spool.Names(_queue));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  \n ")]
    [InlineData("/etc/passwd ../../x /nix/store/short")]
    public async Task What_is_no_store_path_is_not_queued(string? outputs)
    {
        AssertSilent(await RunAsync(outputs));

        Assert.Empty(Spool.Names(_queue));
    }

    [Fact]
    public async Task A_Nix_that_tells_no_outputs_has_the_database_looked_at()
    {
        AssertSilent(await Client.RunAsync(["hook"], new Dictionary<string, string?>
        {
            [QueueFolder.Variable] = _queue.Path,
            ["OUT_PATHS"] = "",
            ["DRV_PATH"] = $"{Out}.drv",
        }));

        Assert.Empty(Spool.Names(_queue));
        Assert.True(File.Exists(_queue.Missed));
    }

    [Fact]
    public async Task Without_any_folder_it_says_so_in_a_line_and_ends_well()
    {
        var run = await Client.RunAsync(["hook", "--queue", "/proc/nowhere"], new Dictionary<string, string?> { ["OUT_PATHS"] = Out });

        AssertLine(run, Out);
    }

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("--queue")]
    [InlineData("--queue=")]
    public async Task A_wrong_argument_fails_no_build(string argument) => AssertLine(
        await Client.RunAsync(["hook", argument], new Dictionary<string, string?> { ["OUT_PATHS"] = Out }), "--queue DIR");

    [Fact]
    public async Task A_full_queue_takes_no_more_and_is_marked()
    {
        _queue.Create();
        QueueFolder.Mark(_queue.Full, true);

        AssertLine(await RunAsync(Out), "builds wait");

        Assert.Empty(Spool.Names(_queue));
        Assert.True(File.Exists(_queue.Missed));
    }

    [Fact]
    public async Task Where_no_daemon_counts_hooks_find_that_the_queue_is_full()
    {
        _queue.Create();
        for (var i = 0; i < Spool.MaxFiles; i++)
            await File.WriteAllTextAsync(Path.Combine(_queue.Spool, $"{i:D5}"), "");
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(1));

        while (!File.Exists(_queue.Full) && !stop.IsCancellationRequested)
            Hook.Run(["hook", "--queue", _queue.Path], name => name == "OUT_PATHS" ? Out : null);

        Assert.True(File.Exists(_queue.Full));
    }

    [SmallDiskFact]
    public async Task On_a_full_disk_it_says_so_in_a_line_and_ends_well()
    {
        _queue.Create();
        await using var disk = await SmallDisk.OnAsync(_queue.Path, 1);
        await disk.FillAsync();

        AssertLine(await RunAsync(Out), "No space left");

        Assert.Empty(Spool.Names(_queue));
        Assert.Empty(Directory.EnumerateFiles(_queue.Unfinished));
    }

    [Fact]
    public async Task A_broken_configuration_fails_no_build()
    {
        Directory.CreateDirectory(_folder["config/orleans-cache"]);
        await File.WriteAllTextAsync(_folder["config/orleans-cache/config"], "nonsense");

        AssertLine(await Client.RunAsync(["hook"],
            new Dictionary<string, string?> { ["XDG_CONFIG_HOME"] = _folder["config"], ["OUT_PATHS"] = Out }), "nonsense");
    }

    [Fact]
    public void Names_sort_by_time()
    {
        _queue.Create();
        var paths = Enumerable.Range(0, 50).Select(i => StorePath.Parse($"{new string('0', 30)}{i:D2}-x")).ToList();
        foreach (var path in paths)
            Spool.Add(_queue, [path]);

        Assert.Equal(paths, Spool.Names(_queue).SelectMany(name => Spool.Read(_queue, name)));
    }

    private Task<ProcessResult> RunAsync(string? outputs) => Client.RunAsync(["hook"],
        new Dictionary<string, string?> { [QueueFolder.Variable] = _queue.Path, ["OUT_PATHS"] = outputs });

    private static void AssertSilent(ProcessResult run)
    {
        Assert.Equal((0, "", ""), (run.ExitCode, run.Output, run.Errors));
    }

    private static void AssertLine(ProcessResult run, string word)
    {
        Assert.Equal((0, ""), (run.ExitCode, run.Output));
        Assert.Contains(word, Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }
}
