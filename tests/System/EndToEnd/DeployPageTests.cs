using System.Text.RegularExpressions;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>docs/deploy-from-a-pin.md, command by command as it stands there, with an activation script of the test's own.</summary>
public sealed partial class DeployPageTests : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new("oc-deploy-");
    private readonly List<string> _built = [];
    private string _page = "";
    private ServerProcess _server = null!;

    private string Profile => _folder["profiles/system"];

    private string Log => _folder["activated"];

    public async Task InitializeAsync()
    {
        if (Programs.Missing("nix-store", "nix-env", "curl") is not null)
            return;
        _page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "deploy-from-a-pin.md"));
        _server = await ServerProcess.StartAsync();
        Directory.CreateDirectory(_folder["profiles"]);
    }

    public async Task DisposeAsync()
    {
        if (_server is null)
            return;
        await _server.DisposeAsync();
        // The roots of what was deployed.
        Directory.Delete(_folder["profiles"], recursive: true);
        if (_built.Count > 0)
            await NixTool.Installed!.RunAsync("nix-store", ["--delete", .. _built]);
    }

    public void Dispose() => _folder.Dispose();

    [NixFact]
    public async Task A_machine_follows_a_pin_and_goes_back_as_the_page_says()
    {
        var first = await PushAsync("1");
        await RunAsync("deploy");
        Assert.Equal((first, "switch 1"), (Current(), Activated()));

        var second = await PushAsync("2");
        await RunAsync("deploy");
        Assert.Equal((second, "switch 2"), (Current(), Activated()));

        await RunAsync("machine");
        Assert.Equal((first, "switch 1"), (Current(), Activated()));

        await RunAsync("deploy");
        await RunAsync("pin");
        Assert.Equal((second, "switch 2"), (Current(), Activated()));
        await RunAsync("deploy");
        Assert.Equal((first, "switch 1"), (Current(), Activated()));
        Assert.Null(new FileInfo(Profile + "-next").LinkTarget);
    }

    [NixFact]
    public async Task A_deployment_that_cannot_fetch_leaves_the_machine_as_it_was()
    {
        var first = await PushAsync("1");
        await RunAsync("deploy");
        await _server.StopAsync();

        Assert.NotEqual(0, (await BashAsync(Block("deploy"))).ExitCode);

        Assert.Equal((first, "switch 1"), (Current(), Activated()));
    }

    /// <summary>Builds a system, pushes it as the page says, and takes it out of this machine's store.</summary>
    private async Task<string> PushAsync(string version)
    {
        await File.WriteAllTextAsync(_folder["system.nix"], $$"""
            derivation {
              name = "deployed-system"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
              script = "#!/bin/sh\necho \"$1 {{version}}\" >> {{Log}}\n: {{Guid.NewGuid():n}}\n";
              args = [ "-ec" "mkdir -p $out/bin; printf %s \"$script\" > $out/bin/switch-to-configuration; chmod +x $out/bin/switch-to-configuration" ];
            }
            """);
        var nix = NixTool.Installed!;
        var derivation = (await nix.RunAsync("nix-instantiate", [_folder["system.nix"]])).OrThrow().Output.Trim();
        var system = (await nix.RunAsync("nix-store", ["--realise", derivation, "--add-root", _folder["result"]],
            settings: "substituters =")).OrThrow().Output.Trim();
        system = File.ResolveLinkTarget(_folder["result"], returnFinalTarget: true)?.FullName ?? system;
        await RunAsync("");
        File.Delete(_folder["result"]);
        (await nix.RunAsync("nix-store", ["--delete", system, derivation])).OrThrow();
        Assert.False(Directory.Exists(system));
        _built.Add(system);
        return system;
    }

    private string Current() => File.ResolveLinkTarget(Profile, returnFinalTarget: true)!.FullName;

    private string Activated() => File.ReadAllLines(Log)[^1];

    private async Task RunAsync(string block) => (await BashAsync(Block(block))).OrThrow();

    /// <summary>The commands of a block of the page; the addresses and places are those of the test.</summary>
    private string Block(string name) =>
        Local(Blocks().Single(b => b.Groups["lang"].Value == "sh" && b.Groups["name"].Value == name).Groups["text"].Value);

    private MatchCollection Blocks() => FencedBlock().Matches(_page);

    private string Local(string text)
    {
        var local = text.Replace("https://cache.example.org", _server.Url.ToString().TrimEnd('/'), StringComparison.Ordinal)
            .Replace("/nix/var/nix/profiles/system", Profile, StringComparison.Ordinal)
            .Replace("cache-1:AAAA", _server.PublicKey, StringComparison.Ordinal);
        Assert.DoesNotContain("example.org", local, StringComparison.Ordinal);
        return local;
    }

    private async Task<ProcessResult> BashAsync(string script)
    {
        var settings = Local(Blocks().Single(b => b.Groups["lang"].Value == "conf").Groups["text"].Value);
        var environment = new Dictionary<string, string?>
        {
            ["HOME"] = _folder["home"],
            // What a Nix knows of a cache (for 30 days) is of no concern here.
            ["XDG_CACHE_HOME"] = _folder[$"cache-{Guid.NewGuid():n}"],
            ["XDG_CONFIG_HOME"] = _folder["no-config"],
            ["PATH"] = $"{Path.GetDirectoryName(BuiltProgram.Cli)}:{Environment.GetEnvironmentVariable("PATH")}",
            ["NIX_CONFIG"] =
                $"build-users-group =\nsandbox = false\nsubstituters =\nmax-jobs = 0\nexperimental-features = nix-command\n{settings}",
            ["ORLEANS_CACHE_URL"] = _server.Url.ToString(),
            ["ORLEANS_CACHE_TOKEN_FILE"] = _server.TokenFile,
        };
        Directory.CreateDirectory(_folder["home"]);
        return await ProcessRunner.RunAsync("bash", ["-euc", script], environment, folder: _folder.Path);
    }

    [GeneratedRegex("^```(?<lang>[a-z]+) ?(?<name>[a-z]*)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex FencedBlock();
}
