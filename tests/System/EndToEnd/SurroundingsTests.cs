using System.Text.RegularExpressions;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>
/// How the programs end whatever state their surroundings are in: descriptors, roots of Nix, its database, the home directory.
/// </summary>
public sealed partial class SurroundingsTests(PushTests.EmptyServer fixture) : IClassFixture<PushTests.EmptyServer>
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1";
    private static readonly string[] Broken = ["<&-", "</dev/full", ">&-", ">/dev/full", "2>&-", "2>/dev/full"];

    private ServerProcess Server => fixture.Server;

    [NixFact]
    public async Task Every_command_ends_as_documented_with_each_descriptor_closed_and_full()
    {
        await using var closure = await GeneratedClosure.MakeAsync(1);
        (await CacheCli.PushAsync(Server, "--pin", "app", closure.Root)).OrThrow();
        var wrong = new List<string>();
        var queue = ("ORLEANS_CACHE_QUEUE", Path.Combine(Server.Data, "queue"));
        // One command does not end.
        foreach (var (turn, words) in (await CommandsAsync("")).Where(words => words != "queue run").Index())
        {
            var line = $"{Options()} {words} {Arguments(words, closure.Root)}";
            var whole = await ShellAsync($"\"$CLIENT\" {line} </dev/null", queue);
            // Half of them for each command; --full: all.
            foreach (var broken in Broken.Where((_, i) => Full || i % 2 == turn % 2))
            {
                var run = await ShellAsync($"\"$CLIENT\" {line} {(broken.StartsWith('<') ? "" : "</dev/null")} {broken}", queue);
                // Who only tells has failed when nobody was told; the secret of a token is lost for ever.
                var failed = broken.StartsWith('>') && whole.ExitCode == 0 && whole.Output.Length > 0
                    && words is not ("push" or "gc" or "gc cancel" or "pins create" or "pins delete" or "pins rollback" or "tokens revoke"
                        or "keys add" or "keys rotate" or "queue flush" or "queue pause" or "queue resume");
                if (run.ExitCode != (failed ? 1 : whole.ExitCode) || (run.Output + run.Errors).Contains("   at ", StringComparison.Ordinal))
                    wrong.Add($"{line} {broken}: {run.ExitCode}, without it {whole.ExitCode}\n{run.Output}{run.Errors}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [NixFact]
    public async Task A_committed_push_whose_result_nobody_can_read_is_done()
    {
        await using var closure = await GeneratedClosure.MakeAsync(1);

        var run = await ShellAsync($"\"$CLIENT\" {Options()} push --json {closure.Root} >/dev/full");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("standard output cannot be written", run.Errors, StringComparison.Ordinal);
    }

    [NixFact]
    public async Task A_wrong_path_is_wrong_usage_though_nobody_can_be_told()
    {
        foreach (var broken in new[] { "2>&-", "2>/dev/full" })
            Assert.Equal(2,
                (await ShellAsync(
                $"\"$CLIENT\" {Options()} push /nix/store/00000000000000000000000000000000-no-such-path {broken}")).ExitCode);
    }

    [NixFact]
    public async Task A_store_under_a_root_of_its_own_is_pushed_from_there_with_its_derivations()
    {
        using var folder = new TempFolder();
        var root = folder["root"];
        var nix = NixTool.Installed!;
        await File.WriteAllTextAsync(folder["d.nix"],
            $$"""derivation { name = "rooted"; system = builtins.currentSystem; builder = "/bin/sh"; id = "{{Guid.NewGuid():n}}"; }""");
        await File.WriteAllTextAsync(folder["file"], $"{Guid.NewGuid():n}");
        Directory.CreateDirectory(root);
        var derivation = (await nix.RunAsync("nix-instantiate", [folder["d.nix"]], root)).OrThrow().Output.Trim();
        var file = (await nix.RunAsync("nix-store", ["--add", folder["file"]], root)).OrThrow().Output.Trim();

        foreach (var store in new[] { root, $"local?root={root}" })
        {
            var run = await ShellAsync($"printf '{derivation}\\0{file}\\0' | \"$CLIENT\" {Options()} push --stdin", ("NIX_REMOTE", store));
            Assert.True(run.ExitCode == 0, run.Errors);
        }

        var elsewhere = await ShellAsync($"\"$CLIENT\" {Options()} push {file}", ("NIX_REMOTE", "https://cache.example.org"));
        Assert.Equal(2, elsewhere.ExitCode);
        Assert.Contains("NIX_REMOTE", elsewhere.Errors, StringComparison.Ordinal);
        using var read = new TempFolder();
        (await nix.SubstituteAsync(read["root"], Server.Url.ToString(), Server.PublicKey, [file])).OrThrow();
        using var http = new HttpClient { BaseAddress = Server.Url };
        Assert.Contains(derivation, await http.GetStringAsync(new Uri($"{Path.GetFileName(derivation)[..32]}.narinfo", UriKind.Relative)),
            StringComparison.Ordinal);
    }

    [NixFact]
    public async Task A_server_without_a_home_asks_for_a_data_directory()
    {
        using var folder = new TempFolder();
        // Only who is not root has a default directory at home.
        var run = await ProcessRunner.RunAsync("bash", ["-c", $"""
            cp {BuiltProgram.Server} {folder}/server; chmod 755 {folder} {folder}/server; mkdir -m 777 {folder}/here; cd {folder}/here
            [ $(id -u) != 0 ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"
            env -u XDG_STATE_HOME HOME=/nonexistent $as {folder}/server --listen 127.0.0.1:{FreePort.Next()}
            code=$?; ls -A {folder}/here; exit $code
            """]);

        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.Contains("--data", run.Errors, StringComparison.Ordinal);
    }

    private string Options() => $"--url {Server.Url} --token-file {Server.TokenFile}";

    private static Task<ProcessResult> ShellAsync(string line, params (string Name, string Value)[] variables)
    {
        var environment = new Dictionary<string, string?> { ["CLIENT"] = BuiltProgram.Cli, ["XDG_CONFIG_HOME"] = "/nowhere" };
        foreach (var (name, value) in variables)
            environment[name] = value;
        return ProcessRunner.RunAsync("bash", ["-c", line], environment, timeout: TimeSpan.FromMinutes(2));
    }

    /// <summary>The commands that do something, as their help lists them.</summary>
    private static async Task<List<string>> CommandsAsync(string words)
    {
        var help = (await ShellAsync($"\"$CLIENT\" {words} --help")).OrThrow().Output;
        var inner = CommandLines().Match(help).Groups["lines"].Captures.Select(line => line.Value.Trim().Split(' ')[0]).ToList();
        var all = new List<string>();
        if (inner.Count == 0 || words == "gc")
            all.Add(words);
        foreach (var name in inner)
            all.AddRange(await CommandsAsync($"{words} {name}".Trim()));
        return all;
    }

    private static string Arguments(string words, string path) => words switch
    {
        "push" or "why" => path,
        "completion" => "bash",
        "pins create" => $"app {path}",
        "pins show" => "app",
        "pins delete" or "pins rollback" => "no-such-pin",
        "tokens create" => "--name lost-$RANDOM$RANDOM --scope push",
        "tokens revoke" => "no-such-token",
        "gc" => "--dry-run",
        _ => "",
    };

    [GeneratedRegex(@"^Commands:\n(?<lines>  \S.*\n)+", RegexOptions.Multiline)]
    private static partial Regex CommandLines();
}
