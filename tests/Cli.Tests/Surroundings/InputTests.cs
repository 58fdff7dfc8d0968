using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Surroundings;

/// <summary>Odd input and odd folders.</summary>
public sealed class InputTests
{
    private const string First = "/nix/store/7hjadjskdkc0yy9c8vszrvnc94lva3a6-first";
    private const string Second = "/nix/store/8hjadjskdkc0yy9c8vszrvnc94lva3a6-second";

    [Fact]
    public async Task A_closed_standard_input_is_wrong_usage() =>
        Client.AssertTold(await Client.ShellAsync("exec \"$CLIENT\" push --stdin <&-"), ExitCodes.Usage, "Standard input is closed");

    [Fact]
    public async Task A_folder_as_standard_input_is_wrong_usage() =>
        Client.AssertTold(await Client.ShellAsync("exec \"$CLIENT\" push --stdin < /"), ExitCodes.Usage, "Standard input cannot be read");

    [Fact]
    public async Task Input_without_an_end_is_no_list_of_paths() =>
        Client.AssertTold(await Client.ShellAsync("exec \"$CLIENT\" push --stdin < /dev/zero"), ExitCodes.Usage, "no list of paths");

    [Fact]
    public async Task A_signal_ends_the_wait_for_input() =>
        Client.AssertTold(await Client.ShellAsync("""
            mkfifo /tmp/oc-input-$$; exec 3<>/tmp/oc-input-$$; rm /tmp/oc-input-$$
            "$CLIENT" push --stdin <&3 & client=$!
            # Once it has taken a line it waits for the next.
            echo /first >&3; while read -t 0 -u 3; do :; done
            kill -TERM $client; wait $client
            """), ExitCodes.Interrupted, "interrupted");

    [Fact]
    public async Task NUL_ends_a_name_as_find_prints_it()
    {
        var run = await Client.ShellAsync("printf '/a\\0/b\\0' | \"$CLIENT\" push --stdin");

        Client.AssertTold(run, ExitCodes.Usage, "/a does not exist");
    }

    [Fact]
    public async Task A_relative_path_in_a_deleted_folder_is_told()
    {
        using var folder = new TempFolder();

        Client.AssertTold(await Client.ShellAsync(
            $"mkdir {folder}/gone; cd {folder}/gone; rmdir {folder}/gone; exec \"$CLIENT\" push ./result"), ExitCodes.Usage, "./result");
    }

    [NixFact]
    public async Task A_path_of_the_store_can_be_looked_up_from_a_deleted_folder()
    {
        using var folder = new TempFolder();

        // Nix answers, and says so: the path is not there.
        Client.AssertTold(
            await Client.ShellAsync(
            $"mkdir {folder}/gone; cd {folder}/gone; rmdir {folder}/gone; exec \"$CLIENT\" push --url http://127.0.0.1:9 {First}"),
            ExitCodes.Usage, First, "is not valid");
    }

    [NixFact]
    public async Task A_program_of_the_current_folder_is_not_taken_for_Nix()
    {
        using var folder = new TempFolder();

        var run = await Client.ShellAsync(
            $"cd {folder}; printf '#!/bin/sh\\ntouch {folder}/ran\\n' > nix; chmod +x nix; \"$CLIENT\" doctor --url http://127.0.0.1:9; " +
            $"test ! -e {folder}/ran || echo it ran");

        Assert.DoesNotContain("it ran", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Quoted_outputs_of_a_hook_are_several_paths()
    {
        Assert.Equal([First, Second], PathList.Words($"{First} {Second}"));
        Assert.Equal([First, Second], PathList.Words($" {First}\n{Second} "));
        Assert.Equal([$"{First}/a file"], PathList.Words($"{First}/a file"));
        Assert.Equal(["a b"], PathList.Words("a b"));
    }
}
