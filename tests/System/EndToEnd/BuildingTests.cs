using System.Net;
using System.Text.Json;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>What Nix builds is pushed while it builds: by its post-build-hook, by watching the store, by watching a command.</summary>
public sealed class BuildingTests : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new("oc-building-");
    private ServerProcess _server = null!;

    public async Task InitializeAsync()
    {
        _server = await ServerProcess.StartAsync();
        Directory.CreateDirectory(_folder["home/.config/orleans-cache"]);
        await File.WriteAllTextAsync(_folder["home/.config/orleans-cache/config"],
            $"url = {_server.Url}\ntoken-file = {_server.TokenFile}\nqueue = {_folder["queue"]}\n");
        File.CreateSymbolicLink(_folder["orleans-cache-hook"], BuiltProgram.Cli);
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [NixFact]
    public async Task Each_build_of_a_post_build_hook_arrives()
    {
        await using var daemon = Start(["queue", "run"]);

        var built = await BuildAsync("hooked", 12, HookSetting);

        (await RunAsync("queue", "flush", "--wait")).OrThrow();
        Assert.Equal(12, built.Length);
        await AssertReadableAsync(built);
        await ReadBack.ClosureAsync(NixTool.Installed!, $"{_server.Url}c/default", _server.PublicKey, built[^1]);
        Assert.Equal(0, (await StatusAsync()).GetProperty("counts").GetProperty("lost").GetInt32());
    }

    [NixFact]
    public async Task A_hook_delays_and_fails_no_build_when_there_is_no_daemon_and_its_builds_arrive_later()
    {
        await using (var daemon = Start(["queue", "run"]))
            await Eventually.BecomesTrueAsync(() => Task.FromResult(File.Exists(_folder["queue/state.json"])));
        var built = await BuildAsync("later", 5, HookSetting);
        // Nix 2.8.0 tells a hook no outputs.
        Assert.True((await StatusAsync()).GetProperty("waiting").GetInt32() == 5 || File.Exists(_folder["queue/missed"]));

        await using var again = Start(["queue", "run"]);
        (await RunAsync("queue", "flush", "--wait")).OrThrow();

        await AssertReadableAsync(built);
    }

    [NixFact]
    public async Task Without_a_hook_the_store_is_watched()
    {
        await using var daemon = Start(["queue", "run", "--watch-store"]);
        await Eventually.BecomesTrueAsync(() => Task.FromResult(File.Exists(_folder["queue/state.json"])));

        var built = await BuildAsync("watched", 3, "");

        await Eventually.BecomesTrueAsync(async () => (await Task.WhenAll(built.Select(IsReadableAsync))).All(isReadable => isReadable),
            TimeSpan.FromSeconds(60), () => daemon.Errors);
    }

    [NixFact]
    public async Task What_was_built_before_a_build_failed_is_there()
    {
        var id = Guid.NewGuid().ToString("N");
        await File.WriteAllTextAsync(_folder["failing.nix"], $$"""
            let
              make = name: script: derivation {
                inherit name; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; args = [ "-ec" script ];
              };
              good = make "good-{{id}}" "echo {{id}} > $out";
            in make "failing-{{id}}" "cat ${good}; exit 3"
            """);
        await using var run = Start(["watch-exec", "--", "nix-build", "--no-out-link", "--option", "substituters", "", _folder["failing.nix"]]);

        var code = await run.WaitAsync(TimeSpan.FromMinutes(2));

        Assert.NotEqual(0, code);
        var good = (await NixTool.Installed!.RunAsync("nix-instantiate",
            ["--eval", "--strict", "--json", "-E", $"(import {_folder["failing.nix"]}).args"])).OrThrow().Output.Split('"')
            .SelectMany(word => word.Split(' ', ';')).First(word => word.StartsWith("/nix/store/", StringComparison.Ordinal));
        await AssertReadableAsync([good]);
        // Other tests build in the same store meanwhile, which is pushed, too.
        Assert.Matches("[1-9][0-9]* published", run.Errors);
    }

    private string HookSetting => $"post-build-hook = {_folder["orleans-cache-hook"]}";

    /// <summary>Builds a chain of derivations that nobody has built before.</summary>
    private async Task<string[]> BuildAsync(string name, int count, string settings)
    {
        await File.WriteAllTextAsync(_folder["chain.nix"], $$"""
            builtins.foldl' (before: n: before ++ [ (derivation {
              name = "{{name}}-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
              args = [ "-ec" "echo {{Guid.NewGuid():N}} ${if before == [] then "" else builtins.elemAt before (n - 2)} > $out" ];
            }) ]) [] (builtins.genList (n: n + 1) {{count}})
            """);
        return (await NixTool.Installed!.RunAsync("nix-build", ["--no-out-link", _folder["chain.nix"]],
            settings: $"substituters =\n{settings}", home: _folder["home"])).OrThrow().Lines;
    }

    private async Task AssertReadableAsync(IEnumerable<string> paths)
    {
        foreach (var path in paths)
            Assert.True(await IsReadableAsync(path), path);
    }

    private async Task<bool> IsReadableAsync(string path)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(_server.Url, $"c/default/{Path.GetFileName(path)[..32]}.narinfo"));
        return answer.StatusCode == HttpStatusCode.OK;
    }

    private async Task<JsonElement> StatusAsync() =>
        JsonDocument.Parse((await RunAsync("queue", "status", "--json")).OrThrow().Output).RootElement;

    private Task<ProcessResult> RunAsync(params string[] arguments) =>
        ProcessRunner.RunAsync(BuiltProgram.Cli, arguments, Environment, timeout: TimeSpan.FromMinutes(2));

    private ProcessRunner Start(string[] arguments) => ProcessRunner.Start(BuiltProgram.Cli, arguments, Environment);

    private Dictionary<string, string?> Environment => new()
    {
        ["HOME"] = _folder["home"],
        ["XDG_CONFIG_HOME"] = null,
        ["NIX_CONFIG"] = "build-users-group =\nsandbox = false\nexperimental-features = nix-command",
    };
}
