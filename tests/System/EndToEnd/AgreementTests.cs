using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Builders who do not trust each other, each with a stage, and readers of the cache that they fill.</summary>
public sealed class AgreementTests : IDisposable
{
    private readonly TempFolder _folder = new("oc-agreement-");

    public void Dispose() => _folder.Dispose();

    [NixFact]
    public async Task What_two_builders_build_alike_reaches_readers_without_a_hand_and_what_one_of_them_lies_about_does_not()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var red = await CachesTests.Cache.MakeAsync(server, "red", "--stage-of", "default", "--agreement", "2");
        await using var blue = await CachesTests.Cache.MakeAsync(server, "blue", "--stage-of", "default", "--agreement", "2");
        var nix = NixTool.Installed!;
        var (honest, lying) = (await BuildAsync("honest", "echo the same for all > $out"),
            await BuildAsync("lying", "read id < /proc/sys/kernel/random/uuid; echo $id $dependency > $out", "honest"));

        // 1. One stage says so, whoever pushes to it.
        (await red.PushAsync(lying)).OrThrow();
        var second = Path.Combine(_folder.Path, "second");
        await File.WriteAllTextAsync(second, (await red.AsOperatorAsync("tokens", "create", "--cache", "red", "--name", "second", "--scope",
            "push")).OrThrow().Output);
        (await CacheCli.RunAsync("push", honest, "--url", server.Url.ToString(), "--token-file", second, "--cache", "red")).OrThrow();
        var waiting = await ConflictsAsync(red, "--all");
        Assert.Equal([(ConflictReason.Votes, 1), (ConflictReason.Votes, 1)], waiting.Select(c => (c.Reason, c.Votes)));
        Assert.DoesNotContain(await server.Objects.KeysAsync(), k => k.EndsWith(".narinfo", StringComparison.Ordinal));

        // 2. The other builds both, and one of them comes out otherwise.
        (await nix.RunAsync("nix-store", ["--delete", lying])).OrThrow();
        Assert.Equal(lying, await BuildAsync("lying", "read id < /proc/sys/kernel/random/uuid; echo $id $dependency > $out", "honest"));
        (await blue.PushAsync(lying)).OrThrow();
        await Eventually.BecomesTrueAsync(async () => (await ConflictsAsync(red, "--all")).Count == 1, TimeSpan.FromMinutes(1));
        await ReadBack.ClosureAsync(nix, server.Url.ToString(), server.PublicKey, honest);
        using var store = new TempFolder("oc-read-");
        Assert.NotEqual(0, (await nix.SubstituteAsync(store.Path, server.Url.ToString(), server.PublicKey, [lying])).ExitCode);

        // 3. It is told of, and somebody decides.
        var conflict = Assert.Single(await ConflictsAsync(red));
        Assert.Equal((lying, ConflictReason.Differs), (conflict.Path.ToString(), conflict.Reason));
        Assert.Equal(["blue", "red"], conflict.Contents.Select(c => Assert.Single(c.Caches)).Order(StringComparer.Ordinal));
        var told = (await red.AsOperatorAsync("conflicts")).OrThrow().Output;
        Assert.Contains($"{lying}: 2 contents", told, StringComparison.Ordinal);
        (await red.AsOperatorAsync("promote", "--from", "blue", "--to", "default", lying)).OrThrow();
        await ReadBack.ClosureAsync(nix, server.Url.ToString(), server.PublicKey, lying);
        foreach (var cache in (string[])["default", "red", "blue"])
            (await red.AsOperatorAsync("fsck", "--cache", cache)).OrThrow();
        // Who may only push is told nothing of what stages hold.
        Assert.Equal(4, (await red.RunAsync("conflicts")).ExitCode);
    }

    private static async Task<List<PathConflict>> ConflictsAsync(CachesTests.Cache operators, params string[] options) =>
        [.. (await operators.AsOperatorAsync(["conflicts", "--json", .. options])).OrThrow().Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize(line, ProtocolJson.Default.PathConflict)!)];

    private async Task<string> BuildAsync(string name, string script, string? dependency = null)
    {
        var file = Path.Combine(_folder.Path, $"{name}.nix");
        await File.WriteAllTextAsync(file, $$"""
            derivation {
              name = "{{name}}-{{Path.GetFileName(_folder.Path)}}";
              system = builtins.currentSystem;
              builder = "/bin/sh";
              args = [ "-c" ''{{script}}'' ];
              dependency = {{(dependency is null ? "\"\"" : $"import ./{dependency}.nix")}};
            }
            """);
        var built = await NixTool.Installed!.RunAsync("nix-build", ["--no-out-link", file], settings: "substituters =");
        return built.OrThrow().Output.Trim();
    }
}
