using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Fixtures;

public class ReaperTests
{
    [Fact]
    public async Task A_program_whose_test_process_is_killed_is_killed_too()
    {
        using var folder = new TempFolder();
        // The Reaper belongs to this process, so its shell is tried on its own: a pipe that ends is what kill -9 of the writer leaves.
        await using var program = ProcessRunner.Start("sleep", ["1000"]);
        var commands = $"+ 1 kill -9 {program.Pid}\n+ 2 touch {folder["second"]}\n+ 3 touch {folder["third"]}\n- 3\n";

        (await ProcessRunner.RunAsync("bash", ["-c", Reaper.Script], input: commands)).OrThrow();

        Assert.Equal(128 + 9, await program.WaitAsync());
        Assert.True(File.Exists(folder["second"]));
        Assert.False(File.Exists(folder["third"]));
    }
}
