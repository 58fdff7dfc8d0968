using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A machine that deploys from a pin of a server: its profile, what its switches have done, and the systems made for it.</summary>
internal sealed class DeployMachine : IAsyncDisposable
{
    private readonly TempFolder _folder = new("oc-machine-");
    private readonly List<string> _built = [];

    public DeployMachine() => Directory.CreateDirectory(_folder["home"]);

    public required ServerProcess Server { get; init; }

    public required string Pin { get; init; }

    /// <summary>The file of its token; null: the server's own.</summary>
    public string? TokenFile { get; set; }

    public string Profile => _folder["profiles/system"];

    public string this[string name] => _folder[name];

    /// <summary>What the switches have done, a line each.</summary>
    public string[] Switched => File.Exists(_folder["switched"]) ? File.ReadAllLines(_folder["switched"]) : [];

    public string? Current => File.Exists(Profile) || Directory.Exists(Profile)
        ? File.ResolveLinkTarget(Profile, returnFinalTarget: true)!.FullName : null;

    /// <summary>Builds a system, pushes it with the pin, and takes it out of this machine's store.</summary>
    /// <param name="version">What its switch tells, with the path before.</param>
    /// <param name="script">What its switch does then.</param>
    /// <param name="isHealthy">The health check finds that it works.</param>
    public async Task<string> PushAsync(string version, string script = "", bool isHealthy = true)
    {
        await File.WriteAllTextAsync(_folder["system.nix"], $$"""
            derivation {
              name = "deployed-system"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
              script = ''
                #!/bin/sh
                echo "$1 {{version}} pin=$ORLEANS_CACHE_PIN former=$ORLEANS_CACHE_FORMER_PATH" >> {{_folder["switched"]}}
                {{script}}
                : {{Guid.NewGuid():n}}
              '';
              args = [ "-ec" "mkdir -p $out/bin; printf %s \"$script\" > $out/bin/switch; chmod +x $out/bin/switch{{(isHealthy ? "; touch $out/healthy" : "")}}" ];
            }
            """);
        var nix = NixTool.Installed!;
        var derivation = (await nix.RunAsync("nix-instantiate", [_folder["system.nix"]])).OrThrow().Output.Trim();
        var system = (await nix.RunAsync("nix-store", ["--realise", derivation], settings: "substituters =")).OrThrow().Output.Trim();
        (await CacheCli.PushAsync(Server, system)).OrThrow();
        (await nix.RunAsync("nix-store", ["--delete", system, derivation])).OrThrow();
        // Last: an agent that follows the pin takes the system at once, and keeps it from being deleted.
        (await RunAsync("pins", "create", Pin, system, "--keep-revisions", "9")).OrThrow();
        _built.Add(system);
        return system;
    }

    /// <summary>Runs <c>deploy</c> once, with the systems' own switch and a health check.</summary>
    public async Task<ProcessResult> DeployAsync(params string[] more)
    {
        await using var run = Start(more);
        var code = await run.WaitAsync(TimeSpan.FromMinutes(2));
        return new ProcessResult("deploy", code, run.Output, run.Errors);
    }

    public ProcessRunner Start(params string[] more) => ProcessRunner.Start(BuiltProgram.Cli, Command(more).Skip(1), Environment());

    /// <summary>The program and its arguments.</summary>
    public string[] Command(params string[] more) =>
    [
        BuiltProgram.Cli, "deploy", Pin, "--url", Server.Url.ToString(), "--token-file", TokenFile ?? Server.TokenFile, "--profile", Profile, "--machine",
        "web-1", "--switch", "bin/switch go", "--health", "test -e $ORLEANS_CACHE_PATH/healthy", "--health-timeout", "1s", .. more,
    ];

    public Task<ProcessResult> RunAsync(params string[] arguments) => ProcessRunner.RunAsync(BuiltProgram.Cli,
        [.. arguments, "--url", Server.Url.ToString(), "--token-file", Server.TokenFile], Environment());

    public async ValueTask DisposeAsync()
    {
        if (Directory.Exists(_folder["profiles"]))
            Directory.Delete(_folder["profiles"], recursive: true);
        if (_built.Count > 0)
            await NixTool.Installed!.RunAsync("nix-store", ["--delete", .. _built]);
        _folder.Dispose();
    }

    public Dictionary<string, string?> Environment() => new(CacheCli.Environment(_folder.Path))
    {
        ["HOME"] = _folder["home"],
        // What a Nix knows of a cache (for 30 days) is of no concern here.
        ["XDG_CACHE_HOME"] = _folder[$"cache-{Guid.NewGuid():n}"],
        ["NIX_CONFIG"] = $"build-users-group =\nsandbox = false\nmax-jobs = 0\nexperimental-features = nix-command\n"
            + $"substituters = {Server.Url}\ntrusted-public-keys = {Server.PublicKey}\n",
    };
}
