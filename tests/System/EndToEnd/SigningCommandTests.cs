using System.Text.Json.Nodes;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A server whose key another program has.</summary>
public sealed class SigningCommandTests
{
    [NixFact]
    public async Task Every_client_s_paths_are_signed_by_the_program_and_Nix_believes_them()
    {
        await using var program = await OutsideSigner.StartAsync("hsm-1");
        await using var server = await ServerProcess.StartAsync("--sign-command", program.Command);
        var key = program.Key.PublicKey.ToString();
        await using var pushed = await GeneratedClosure.MakeAsync(5);
        await using var copied = await GeneratedClosure.MakeAsync(3);
        await using var copier = new NixCopier(server, NixTool.Installed!);

        (await CacheCli.PushAsync(server, pushed.Root)).OrThrow();
        (await copier.CopyAsync(copied.Root)).OrThrow();

        Assert.Contains(key, server.Greeting, StringComparison.Ordinal);
        foreach (var root in (string[])[pushed.Root, copied.Root])
            await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), key, root);
        Assert.Equal(0, await server.StopAsync());
    }

    [NixFact]
    public async Task A_push_waits_for_a_program_that_fails_for_a_while()
    {
        await using var program = await OutsideSigner.StartAsync("hsm-1");
        await using var server = await ServerProcess.StartAsync("--sign-command", program.Command);
        await using var closure = await GeneratedClosure.MakeAsync(5);
        var (right, failures) = (program.Answer, 0);
        program.Answer = asked => Interlocked.Increment(ref failures) > 2 ? right(asked) : new JsonObject { ["error"] = "no card" };

        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();

        Assert.True(failures > 2);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), program.Key.PublicKey.ToString(), closure.Root);
    }
}
