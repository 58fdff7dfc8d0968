using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>The NixOS modules: what they declare, the units that come out, and these units at work.</summary>
public sealed class NixModuleTests
{
    private const string Full = """
        { services.orleans-cache = {
            enable = true; listen = "127.0.0.1:5751"; openFirewall = true;
            postgres = "Host=/run/postgresql;Username=orleans-cache"; environmentFile = "/run/keys/postgres";
            tokenFile = "/run/keys/token"; signKeyFiles = [ "/run/keys/a" "/run/keys/b" ];
            s3 = { bucket = "b"; endpoint = "https://s3.example.org"; accessKeyFile = "/run/keys/s3-access"; secretKeyFile = "/run/keys/s3-secret"; };
            caches.team = { settings.private = true; keyFiles = [ "/run/keys/team" ]; };
            gc = { schedule = "0 3 * * *"; olderThan = "90d"; };
            access.issuers = [ { name = "ci"; issuer = "https://ci.example.org"; rules = [ ]; } ];
            settings = { quota-stored-gib = 500; s3-path-style = true; };
            nginx = { enable = true; hostName = "cache.example.org"; };
            push = { enable = true; url = "https://cache.example.org"; tokenFile = "/run/keys/push"; exclude = [ "*-secret" "50% $HOME" ]; };
            deploy = { enable = true; url = "https://cache.example.org"; tokenFile = "/run/keys/deploy"; machine = "web-1";
              pins.web = { profile = "/nix/var/nix/profiles/system"; switch = "bin/switch-to-configuration switch"; health = "test 50% -ne 3"; }; };
            reader = { enable = true; caches.own = { url = "https://cache.example.org"; publicKeys = [ "cache-1:AAAA" ]; }; };
        }; }
        """;

    [NixModulesFact]
    public async Task Systemd_knows_every_setting_of_every_unit()
    {
        using var folder = new TempFolder("oc-units-");
        var modules = await NixModules.EvaluateAsync(Full, Link(folder));
        foreach (var (name, text) in modules.Units)
            await File.WriteAllTextAsync(folder[name], text);

        Assert.Equal(
            ["orleans-cache-deploy-web.service", "orleans-cache-queue.service", "orleans-cache-queue.socket", "orleans-cache-queue.timer",
                "orleans-cache-server.service"],
            modules.Units.Select(unit => unit.Name).Order(StringComparer.Ordinal));
        foreach (var (name, _) in modules.Units)
        {
            var verified = await ProcessRunner.RunAsync("systemd-analyze", ["verify", "--man=no", folder[name]]);
            Assert.DoesNotContain("orleans-cache", verified.Errors, StringComparison.Ordinal);
        }
    }

    [NixModulesFact]
    public async Task Secrets_come_as_credentials_and_all_else_as_options_of_the_server()
    {
        var modules = await NixModules.EvaluateAsync(Full);
        var server = modules.Unit("orleans-cache-server.service");
        var environment = server.OwnEnvironment;

        Assert.Equal("%d/sign-key-0 %d/sign-key-1", environment["ORLEANS_CACHE_SIGN_KEY"]);
        Assert.Equal("%d/token-file-0", environment["ORLEANS_CACHE_SERVER_TOKEN_FILE"]);
        Assert.Equal("%d/s3-secret-key-file-0", environment["ORLEANS_CACHE_S3_SECRET_KEY_FILE"]);
        Assert.Equal(("500", "true", "127.0.0.1/32"), (environment["ORLEANS_CACHE_QUOTA_STORED_GIB"],
            environment["ORLEANS_CACHE_S3_PATH_STYLE"], environment["ORLEANS_CACHE_PROXY_ADDRESS"]));
        Assert.Equal(
            ["cache-team-key-0:/run/keys/team", "s3-access-key-file-0:/run/keys/s3-access", "s3-secret-key-file-0:/run/keys/s3-secret",
                "sign-key-0:/run/keys/a", "sign-key-1:/run/keys/b", "token-file-0:/run/keys/token"],
            server.All("LoadCredential").Order(StringComparer.Ordinal));
        Assert.Contains("/run/credentials/orleans-cache-server.service/cache-team-key-0",
            await File.ReadAllTextAsync(environment["ORLEANS_CACHE_CACHES"]), StringComparison.Ordinal);
        Assert.Equal("/run/keys/postgres", server.Last("EnvironmentFile"));
        Assert.Equal([80, 443, 5751], modules.Ports.Order());
        Assert.Equal("http://127.0.0.1:5751",
            modules.Host("cache.example.org").GetProperty("locations").GetProperty("/").GetProperty("proxyPass").GetString());
        // A percent sign is one, and a dollar too.
        Assert.EndsWith("""queue run "--exclude" "*-secret" "--exclude" "50%% $$HOME" """.Trim(),
            modules.Unit("orleans-cache-queue.service").Last("ExecStart"), StringComparison.Ordinal);
    }

    [NixModulesFact]
    public async Task An_agent_of_a_pin_has_its_commands_as_variables_and_ends_as_the_packaged_one_does()
    {
        var unit = (await NixModules.EvaluateAsync(Full)).Unit("orleans-cache-deploy-web.service");
        var packaged = new SystemdUnit(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "packaging", "systemd",
            "orleans-cache-deploy@.service")));
        var environment = unit.OwnEnvironment;

        Assert.Equal(("bin/switch-to-configuration switch", "test 50% -ne 3", "1m", "web-1", "%d/token"),
            (environment["ORLEANS_CACHE_DEPLOY_SWITCH"], environment["ORLEANS_CACHE_DEPLOY_HEALTH"],
                environment["ORLEANS_CACHE_DEPLOY_HEALTH_TIMEOUT"], environment["ORLEANS_CACHE_DEPLOY_MACHINE"],
                environment["ORLEANS_CACHE_TOKEN_FILE"]));
        Assert.EndsWith("orleans-cache deploy web --follow --interval 1m", unit.Last("ExecStart"), StringComparison.Ordinal);
        Assert.EndsWith("orleans-cache deploy %i --follow", packaged.Last("ExecStart"), StringComparison.Ordinal);
        Assert.All(["Type", "KillMode", "TimeoutStopSec", "Restart", "RestartSec"],
            setting => Assert.Equal(packaged.Last(setting), unit.Last(setting)));
    }

    [NixModulesTheory]
    [InlineData("deployer", "orleans-cache-deploy-web.service")]
    [InlineData("server", "orleans-cache-server.service")]
    [InlineData("builder", "orleans-cache-queue.service")]
    public async Task What_the_page_says_makes_a_unit(string block, string unit)
    {
        var modules = await NixModules.EvaluateAsync(Block(block));

        Assert.Contains(unit, modules.Units.Select(u => u.Name));
    }

    [NixModulesFact]
    public async Task A_reader_of_the_page_trusts_the_cache_that_it_reads_from()
    {
        var modules = await NixModules.EvaluateAsync(Block("reader"));

        Assert.Equal(("https://cache.example.org", "cache-1:AAAA"),
            (modules.Nix("substituters")[0].GetString(), modules.Nix("trusted-public-keys")[0].GetString()));
    }

    [NixModulesFact]
    public async Task A_Mac_of_the_page_has_the_hook_and_a_daemon_of_launchd_that_pushes()
    {
        var modules = await NixModules.EvaluateAsync(Block("mac"), "/programs", darwin: true);
        var daemon = modules.Daemon("orleans-cache-queue");
        var environment = daemon.GetProperty("EnvironmentVariables");

        Assert.Equal("/programs/bin/orleans-cache-hook", modules.Nix("post-build-hook").GetString());
        Assert.Equal(["/programs/bin/orleans-cache", "queue", "run", "--exclude", "*-secret"],
            daemon.GetProperty("ProgramArguments").EnumerateArray().Select(word => word.GetString()!));
        Assert.Equal(("https://cache.example.org", "/etc/orleans-cache-token"), (environment.GetProperty("ORLEANS_CACHE_URL").GetString(),
            environment.GetProperty("ORLEANS_CACHE_TOKEN_FILE").GetString()));
        Assert.True(daemon.GetProperty("KeepAlive").GetBoolean());
        Assert.Empty(modules.Units);
    }

    [NixModulesTheory]
    [InlineData("{ services.orleans-cache.nginxx.enable = true; }", "nginxx' does not exist")]
    [InlineData("{ services.orleans-cache = { enable = true; s3.accessKeyFile = \"/a\"; }; }", "belong together")]
    [InlineData("{ services.orleans-cache = { enable = true; listen = 5751; }; }", "not of type")]
    public async Task A_wrong_configuration_is_refused(string configuration, string says)
    {
        var result = await NixModules.RunAsync(configuration);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(says, result.Errors, StringComparison.Ordinal);
    }

    [NixModulesTheory]
    [InlineData("orleans-cache-server.service")]
    [InlineData("orleans-cache-queue.service")]
    public async Task The_units_are_hardened_as_those_of_packaging(string name)
    {
        var ours = (await NixModules.EvaluateAsync(Full)).Unit(name);
        var lines = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "packaging", "systemd", name));
        var packaged = new SystemdUnit(string.Join('\n', lines.SkipWhile(l => !l.StartsWith("# Hardening", StringComparison.Ordinal))
            .TakeWhile(l => l != "[Install]")));

        var settings = packaged.Names.Distinct().ToList();
        Assert.Contains("SystemCallFilter", settings);
        Assert.All(settings, setting => Assert.Equal(packaged.All(setting).Select(Truth), ours.All(setting).Select(Truth)));

        static string Truth(string value) => value switch { "yes" => "true", "no" => "false", _ => value };
    }

    [NixModulesFact]
    public async Task What_a_builder_builds_arrives_at_the_server_and_a_reader_gets_it()
    {
        using var folder = new TempFolder("oc-nixos-");
        var url = $"http://127.0.0.1:{FreePort.Next()}";
        var secret = (await NixTool.Installed!.RunAsync("nix", ["key", "generate-secret", "--key-name", "cache-1"])).OrThrow().Output;
        var key = (await NixTool.Installed.RunAsync("nix", ["key", "convert-secret-to-public"], input: secret)).OrThrow().Output.Trim();
        Directory.CreateDirectory(folder["keys"]);
        await File.WriteAllTextAsync(folder["keys/sign"], secret);
        await File.WriteAllTextAsync(folder["keys/token"], "a-token-that-may-do-everything\n");
        foreach (var file in Directory.GetFiles(folder["keys"]))
            UnixMode.Set(file, UnixMode.Own);
        var modules = await NixModules.EvaluateAsync($$"""
            { services.orleans-cache = {
                enable = true; listen = "{{url["http://".Length..]}}";
                tokenFile = "{{folder["keys/token"]}}"; signKeyFiles = [ "{{folder["keys/sign"]}}" ];
                caches.team.settings = { priority = 7; };
                push = { enable = true; url = "{{url}}"; tokenFile = "{{folder["keys/token"]}}"; };
                reader = { enable = true; caches.own = { url = "{{url}}"; publicKeys = [ "{{key}}" ]; }; };
            }; }
            """, Link(folder));

        await using var server = Start(modules.Unit("orleans-cache-server.service"), folder, "state");
        await server.WaitForLineAsync(l => l == $"ready at {url}", TimeSpan.FromMinutes(5));
        using var http = new HttpClient();
        Assert.Contains("Priority: 7", await http.GetStringAsync(new Uri($"{url}/c/team/nix-cache-info")), StringComparison.Ordinal);
        await using var queue = Start(modules.Unit("orleans-cache-queue.service"), folder, "queue");
        await Eventually.BecomesTrueAsync(() => File.Exists(folder["queue/state.json"]), describe: () => queue.Errors);

        var built = await BuildAsync(folder, modules.Nix("post-build-hook").GetString()!);
        (await ProcessRunner.RunAsync(folder["bin/orleans-cache"], ["queue", "flush", "--wait", "--queue", folder["queue"]])).OrThrow();

        using var store = new TempFolder("oc-read-");
        (await NixTool.Installed.SubstituteAsync(store.Path, modules.Nix("substituters")[0].GetString()!,
            modules.Nix("trusted-public-keys")[0].GetString()!, [built])).OrThrow();
        (await NixTool.Installed.VerifyAsync(store.Path)).OrThrow();
        server.Terminate();
        Assert.Equal(0, await server.WaitAsync());
    }

    /// <summary>A configuration of docs/install.md.</summary>
    private static string Block(string name) =>
        File.ReadAllText(Path.Combine(Repository.Root, "docs", "install.md")).Split($"```nix {name}\n")[1].Split("```")[0];

    /// <summary>Starts what a unit says, as ourselves: its state and its credentials are in folders of the test.</summary>
    private static ProcessRunner Start(SystemdUnit unit, TempFolder folder, string state)
    {
        var credentials = folder[$"{state}-credentials"];
        Directory.CreateDirectory(credentials);
        foreach (var credential in unit.All("LoadCredential").Select(line => line.Split(':', 2)))
            File.Copy(credential[1], Path.Combine(credentials, credential[0]));
        var environment = CacheCli.Environment(folder.Path);
        foreach (var (name, value) in unit.Environment())
            environment[name] = value.Replace("%d", credentials, StringComparison.Ordinal)
                .Replace($"/var/lib/{unit.StateDirectory}", folder[state], StringComparison.Ordinal);
        // There is no daemon of Nix; and nixpkgs' packages are none of Debian's.
        environment["NIX_REMOTE"] = null;
        environment["NIX_CONFIG"] = "build-users-group =\nexperimental-features = nix-command";
        environment["ORLEANS_CACHE_POSTGRES_BIN"] = null;
        environment["PATH"] = Environment.GetEnvironmentVariable("PATH");
        return ProcessRunner.Start(unit.Command[0], unit.Command.Skip(1), environment, folder: "/", signalAtExit: "TERM");
    }

    private static async Task<string> BuildAsync(TempFolder folder, string hook)
    {
        Directory.CreateDirectory(folder["home/.config/orleans-cache"]);
        // A hook finds root's queue by itself; this one is not root's.
        await File.WriteAllTextAsync(folder["home/.config/orleans-cache/config"], $"queue = {folder["queue"]}\n");
        await File.WriteAllTextAsync(folder["app.nix"], $$"""
            derivation {
              name = "app"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-ec" "echo {{Guid.NewGuid():N}} > $out" ];
            }
            """);
        return (await NixTool.Installed!.RunAsync("nix-build", ["--no-out-link", folder["app.nix"]],
            settings: $"substituters =\npost-build-hook = {hook}", home: folder["home"])).OrThrow().Lines[0];
    }

    /// <summary>A folder with the programs as a package has them.</summary>
    private static string Link(TempFolder folder)
    {
        Directory.CreateDirectory(folder["bin"]);
        File.CreateSymbolicLink(folder["bin/orleans-cache"], BuiltProgram.Cli);
        File.CreateSymbolicLink(folder["bin/orleans-cache-hook"], BuiltProgram.Cli);
        File.CreateSymbolicLink(folder["bin/orleans-cache-server"], BuiltProgram.Server);
        return folder.Path;
    }
}
