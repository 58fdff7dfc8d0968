using OrleansCache.Cli.Common;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Queue;

/// <summary><c>watch-exec</c> pushes what a command builds, and is otherwise as if the command had been run itself.</summary>
public sealed class WatchExecTests : QueueFixture
{
    [Fact]
    public async Task What_is_built_is_pushed_while_the_command_runs()
    {
        Nix.Build("before");
        await using var run = Start("sh", "-c", "echo begun; while [ ! -e \"$0\" ]; do sleep 0.05; done", EndMark);
        await run.WaitForLineAsync(line => line == "begun");
        var first = Nix.Build("first").Path;

        await BecomesAsync(() => Cache.Live.ContainsKey(first.Hash), run);

        var last = Nix.Build("last").Path;
        await File.WriteAllTextAsync(EndMark, "");
        Assert.Equal(0, await run.WaitAsync());
        Assert.Equal(new[] { first.Hash, last.Hash }.Order(), Cache.Live.Keys.Order());
    }

    [Fact]
    public async Task What_a_command_built_before_it_failed_is_pushed_and_its_code_is_kept()
    {
        await using var run = Start("sh", "-c", "echo begun; while [ ! -e \"$0\" ]; do sleep 0.05; done; exit 42", EndMark);
        await run.WaitForLineAsync(line => line == "begun");
        var built = Nix.Build("built").Path;
        await File.WriteAllTextAsync(EndMark, "");

        Assert.Equal(42, await run.WaitAsync());

        Assert.Equal([built.Hash], Cache.Live.Keys);
    }

    [Fact]
    public async Task A_signal_is_the_commands_and_what_it_built_is_pushed()
    {
        await using var run = Start("sh", "-c", "trap 'exit 7' TERM; echo begun; while :; do sleep 0.05; done");
        await run.WaitForLineAsync(line => line == "begun");
        var built = Nix.Build("built").Path;

        run.Terminate();

        Assert.Equal(7, await run.WaitAsync());
        Assert.Equal([built.Hash], Cache.Live.Keys);
    }

    [Fact]
    public async Task A_failed_push_is_the_code_of_a_command_that_went_well()
    {
        await using var run = Start("sh", "-c", "echo begun; while [ ! -e \"$0\" ]; do sleep 0.05; done", EndMark);
        await run.WaitForLineAsync(line => line == "begun");
        var built = Nix.Build("built").Path;
        Nix.Damage(built);
        await File.WriteAllTextAsync(EndMark, "");

        Assert.Equal(ExitCodes.Failed, await run.WaitAsync());
        Assert.Contains(built.ToString(), run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Words_of_the_command_and_its_input_arrive_as_they_are()
    {
        string[] words = ["sh", "-c", "printf '[%s]' \"$@\"; cat", "x", "", "a\nb", "--json"];
        var run = await Client.RunAsync(["watch-exec", "-q", "--url", Url, "--", .. words], Environment, "input");

        Assert.Equal((0, "[][a\nb][--json]input", ""), (run.ExitCode, run.Output.Trim(), run.Errors));
    }

    [Fact]
    public async Task A_command_that_is_not_there_and_a_wrong_setting_are_told()
    {
        Client.AssertTold(await Client.RunAsync(["watch-exec", "--url", Url, "--", "/nowhere/x"], Environment), ExitCodes.Usage,
            "/nowhere/x");
        var run = await Client.RunAsync(["watch-exec", "--url", Url, "--ca", "/nowhere", "--", "echo", "it ran"], Environment);
        Assert.NotEqual(0, run.ExitCode);
        Assert.DoesNotContain("it ran", run.Output, StringComparison.Ordinal);
    }

    private string EndMark => $"{Queue.Path}-end";

    private ProcessRunner Start(params string[] command) => ProcessRunner.Start(Client.Program,
        ["watch-exec", "--url", Url, "--", .. command], Client.Surrounded(Environment));
}
