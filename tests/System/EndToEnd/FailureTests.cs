using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>What the CLI says, and exits with, when a push cannot be done.</summary>
public sealed class FailureTests(PushTests.EmptyServer fixture) : IClassFixture<PushTests.EmptyServer>
{
    private const string NoSuchPath = "/nix/store/00000000000000000000000000000000-no-such-path";

    private ServerProcess Server => fixture.Server;

    [NixFact]
    public async Task A_path_that_is_not_in_the_store_is_named()
    {
        var push = await CacheCli.PushAsync(Server, NoSuchPath);
        Assert.Equal(2, push.ExitCode);
        Assert.Contains(NoSuchPath, push.Errors);
        AssertNoStackTrace(push);
    }

    [NixFact]
    public async Task A_path_outside_of_the_store_is_named()
    {
        using var folder = new TempFolder();
        var push = await CacheCli.PushAsync(Server, folder.Path);
        Assert.Equal(2, push.ExitCode);
        Assert.Contains(folder.Path, push.Errors);
        AssertNoStackTrace(push);
    }

    [NixFact]
    public async Task A_wrong_token_is_refused_with_the_file_it_came_from()
    {
        await using var closure = await GeneratedClosure.MakeAsync(1);
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["token"], "wrong\n");
        var push = await CacheCli.RunAsync("push", "--url", Server.Url.ToString(), "--token-file", folder["token"], closure.Root);
        Assert.Equal(4, push.ExitCode);
        Assert.Contains(folder["token"], push.Errors);
        AssertNoStackTrace(push);
    }

    [NixFact]
    public async Task A_server_that_is_not_there_is_named()
    {
        await using var closure = await GeneratedClosure.MakeAsync(1);
        var url = $"http://127.0.0.1:{FreePort.Next()}";
        var push = await CacheCli.RunAsync("push", "--url", url, "--token-file", Server.TokenFile, closure.Root);
        Assert.Equal(3, push.ExitCode);
        Assert.Contains(url, push.Errors);
        AssertNoStackTrace(push);
    }

    [NixFact]
    public async Task Ctrl_C_ends_a_push_in_order_and_the_next_one_succeeds()
    {
        await using var closure = await GeneratedClosure.MakeAsync(20, fileBytes: 3_000_000);
        // Slow enough that it is under way when the signal comes, however busy the machine is.
        await using (var push = CacheCli.StartPush(Server, "--level", "19", "--jobs", "1", closure.Root))
        {
            await Eventually.BecomesTrueAsync(async () => (await Server.Objects.KeysAsync("nar/")).Count > 0, TimeSpan.FromMinutes(5));
            push.Interrupt();
            Assert.Equal(130, await push.WaitAsync());
            Assert.Contains("interrupted", push.Errors);
        }

        Assert.Empty(await CacheScan.FindHolesAsync(Server.Objects));
        (await CacheCli.PushAsync(Server, closure.Root)).OrThrow();
        await ReadBack.ClosureAsync(NixTool.Installed!, Server.Url.ToString(), Server.PublicKey, closure.Root);
    }

    [NixFact]
    public async Task A_second_server_on_the_same_data_is_told_so()
    {
        var second = await ProcessRunner.RunAsync(BuiltProgram.Server, ["--data", Server.Data, "--listen", $"127.0.0.1:{FreePort.Next()}"]);
        Assert.Equal(2, second.ExitCode);
        Assert.Contains(Server.Data, second.Errors);
        AssertNoStackTrace(second);
    }

    private static void AssertNoStackTrace(ProcessResult result) => Assert.DoesNotContain("   at ", result.Errors);
}
