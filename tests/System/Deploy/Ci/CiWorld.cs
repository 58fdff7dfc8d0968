using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests.Ci;

/// <summary>
/// A server that lets in the jobs of a page; the issuer of their tokens; the forge that gives a job its token and has the client's release;
/// and a runner's folders. The claims are invented, the tokens are signed.
/// </summary>
internal sealed class CiWorld : IAsyncDisposable
{
    private const string RequestSecret = "secret-of-this-job";
    private const string Release = "/example/orleans-cache/releases/download/v0.1.0/orleans-cache-linux-";
    private const string GitLabClient = "/orleans-cache-linux-x64";

    private readonly TempFolder _folder = new("oc-ci-");
    private readonly OidcProvider _provider = new();
    private readonly HttpListener _forge = new();
    private readonly Func<string, JsonObject> _claims;
    private readonly Task _serving;
    private readonly string _forgeUrl = $"http://127.0.0.1:{FreePort.Next()}";
    private ServerProcess? _server;

    private CiWorld(Func<string, JsonObject> claims)
    {
        _claims = claims;
        _forge.Prefixes.Add(_forgeUrl + "/");
        _forge.Start();
        _serving = ServeAsync();
    }

    public ServerProcess Server => _server!;

    public string WorkFolder => _folder["work"];

    public string Summary => File.Exists(_folder["summary"]) ? File.ReadAllText(_folder["summary"]) : "";

    /// <summary>Where an action of the forge <c>example/orleans-cache@v0.1.0</c> runs.</summary>
    public Dictionary<string, string> ActionContext => new()
    {
        ["github.server_url"] = _forgeUrl,
        ["github.action_repository"] = "example/orleans-cache",
        ["github.action_ref"] = "v0.1.0",
        ["github.action_path"] = Repository.Root,
    };

    /// <param name="page">Says who is let in; null: nobody but by tokens.</param>
    /// <param name="claims">Of a job's token, for an audience.</param>
    public static async Task<CiWorld> StartAsync(CiPage? page, Func<string, JsonObject> claims)
    {
        var world = new CiWorld(claims);
        Directory.CreateDirectory(world.WorkFolder);
        Directory.CreateDirectory(world._folder["home/.config/nix"]);
        // Of this machine's substituters none.
        await File.WriteAllTextAsync(world._folder["home/.config/nix/nix.conf"], "substituters =\n");
        string[] options = [];
        if (page is not null)
        {
            await File.WriteAllTextAsync(world._folder["access.json"], page["access", world]);
            options = ["--access", world._folder["access.json"]];
        }

        world._server = await ServerProcess.StartAsync(options);
        return world;
    }

    /// <summary>A page's text, with the addresses and places of the test.</summary>
    public string Local(string text)
    {
        var local = text.Replace("https://token.actions.githubusercontent.com", _provider.Url, StringComparison.Ordinal)
            .Replace("https://forgejo.example.org/api/actions", _provider.Url, StringComparison.Ordinal)
            .Replace("https://gitlab.example.com", _provider.Url, StringComparison.Ordinal)
            .Replace("https://example.org/orleans-cache-linux-x64", $"{_forgeUrl}{GitLabClient}", StringComparison.Ordinal)
            .Replace("/etc/orleans-cache/token", _folder["work/token"], StringComparison.Ordinal);
        return _server is null ? local
            : local.Replace("https://cache.example.org", _server.Url.ToString().TrimEnd('/'), StringComparison.Ordinal);
    }

    /// <summary>What a runner of GitHub's or Forgejo's actions tells a step.</summary>
    public Dictionary<string, string?> ActionsEnvironment() => new(Environment())
    {
        ["CI"] = "true",
        ["GITHUB_ACTIONS"] = "true",
        ["GITHUB_SERVER_URL"] = _forgeUrl,
        ["GITHUB_PATH"] = _folder["path"],
        ["GITHUB_STEP_SUMMARY"] = _folder["summary"],
        ["RUNNER_TEMP"] = _folder.Path,
        ["ACTIONS_ID_TOKEN_REQUEST_URL"] = $"{_forgeUrl}/token?api-version=2.0",
        ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = RequestSecret,
        // What steps have added to it.
        ["PATH"] = string.Join(':', [.. File.Exists(_folder["path"]) ? File.ReadLines(_folder["path"]).Reverse() : [],
            System.Environment.GetEnvironmentVariable("PATH")]),
    };

    /// <summary>What GitLab's runner tells a job.</summary>
    public Dictionary<string, string?> GitLabEnvironment(string audience) => new(Environment())
    {
        ["CI"] = "true",
        ["GITLAB_CI"] = "true",
        ["CI_PROJECT_ID"] = "20",
        ["CI_SERVER_URL"] = _provider.Url,
        ["ORLEANS_CACHE_ID_TOKEN"] = _provider.Issue(_claims(audience)),
    };

    /// <summary>Neither settings nor a Nix configuration of whoever runs the tests.</summary>
    public Dictionary<string, string?> Environment() => new(CacheCli.Environment(_folder["home"]))
    {
        ["HOME"] = _folder["home"],
        ["XDG_CONFIG_HOME"] = null,
        ["XDG_CACHE_HOME"] = null,
        ["NIX_CONFIG"] = "build-users-group =\nsandbox = false\nexperimental-features = nix-command",
    };

    public Task<ProcessResult> BashAsync(string script, Dictionary<string, string?> environment) =>
        ProcessRunner.RunAsync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script], environment, folder: WorkFolder);

    /// <summary>Writes a <c>default.nix</c> whose top needs another path, neither of which was ever built.</summary>
    /// <param name="fails">The top's build fails.</param>
    public async Task WriteBuildAsync(bool fails = false) =>
        await File.WriteAllTextAsync(Path.Combine(WorkFolder, "default.nix"), $$"""
            let
              make = name: script: derivation {
                inherit name; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; args = [ "-ec" script ];
              };
              lower = make "ci-lower" "echo {{Guid.NewGuid():N}} > $out";
            in make "ci-top" "cat ${lower} > $out; {{(fails ? "exit 3" : "")}}"
            """);

    /// <summary>Substitutes what was built into an empty store, its signatures required.</summary>
    public async Task ReadBackAsync(string path)
    {
        using var store = new TempFolder("oc-read-");
        (await NixTool.Installed!.SubstituteAsync(store.Path, Server.Url.ToString(), Server.PublicKey, [path])).OrThrow();
        (await NixTool.Installed.VerifyAsync(store.Path)).OrThrow();
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        await _provider.DisposeAsync();
        // Stop alone would give the port away, and Close after it listens once more.
        _forge.Close();
        await _serving;
        _folder.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _forge.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            var body = Answer(context.Request);
            context.Response.StatusCode = body is null ? 404 : 200;
            await context.Response.OutputStream.WriteAsync(body ?? []);
            context.Response.Close();
        }
    }

    private byte[]? Answer(HttpListenerRequest request) => request.Url!.AbsolutePath switch
    {
        "/token" when request.Headers["Authorization"] == $"Bearer {RequestSecret}" =>
            Encoding.UTF8.GetBytes(new JsonObject
            {
                ["value"] = _provider.Issue(_claims(request.QueryString["audience"]!)),
            }.ToJsonString()),
        Release + "x64" or Release + "arm64" or GitLabClient => File.ReadAllBytes(BuiltProgram.Cli),
        _ => null,
    };
}
