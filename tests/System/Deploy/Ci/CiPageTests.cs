using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests.Ci;

/// <summary>The pages of <c>docs/ci</c>, as a new user copies them, each with its vendor's variables and a real server and Nix.</summary>
public sealed partial class CiPageTests
{
    [NixTheory]
    [InlineData("github")]
    [InlineData("forgejo")]
    public async Task A_workflow_builds_pushes_and_reads_with_the_identity_of_its_job(string vendor)
    {
        var page = new CiPage(vendor);
        await using var world = await CiWorld.StartAsync(page, Claims(vendor));
        await world.WriteBuildAsync();
        var job = page.Yaml("job", world)["jobs"]["build"];

        var result = (await new ActionRunner(world).RunAsync(job)).OrThrow();

        await world.ReadBackAsync(Result(world));
        Assert.Matches(@"### OrleansCache\n\n.*\b[1-9][0-9]* published.*\(cache `default` of http", world.Summary);
        if (vendor == "github")
            Assert.Contains("oidc:ci/1296269", result.Output, StringComparison.Ordinal);
        // The next job, which has heard of nothing that is not there, finds it and builds nothing.
        (await NixTool.Installed!.RunAsync("nix-store", ["--delete", "--ignore-liveness", Result(world)])).OrThrow();
        File.Delete(Path.Combine(world.WorkFolder, "result"));
        var next = world.ActionsEnvironment();
        next["XDG_CACHE_HOME"] = Path.Combine(world.WorkFolder, "cache");
        var again = await world.BashAsync("nix-build", next);
        Assert.Contains("copying path", again.OrThrow().Errors, StringComparison.Ordinal);
    }

    [NixFact]
    public async Task A_build_that_fails_fails_the_job_and_what_was_built_before_is_there()
    {
        var page = new CiPage("github");
        await using var world = await CiWorld.StartAsync(page, Claims("github"));
        await world.WriteBuildAsync(fails: true);

        var result = await new ActionRunner(world).RunAsync(page.Yaml("job", world)["jobs"]["build"]);

        Assert.NotEqual(0, result.ExitCode);
        var lower = StorePath().Matches(result.Errors).Select(m => m.Value)
            .First(path => path.EndsWith("-ci-lower.drv", StringComparison.Ordinal));
        var output = (await NixTool.Installed!.RunAsync("nix-store", ["--query", "--outputs", lower])).OrThrow().Output.Trim();
        await world.ReadBackAsync(output);
        // Other tests build in the same store meanwhile, which is pushed, too.
        Assert.Matches("[1-9][0-9]* published", world.Summary);
    }

    [NixFact]
    public async Task A_job_of_somebody_else_reads_and_is_refused_when_it_pushes()
    {
        var page = new CiPage("github");
        await using var world = await CiWorld.StartAsync(page, audience =>
        {
            var claims = ExampleClaims.GitHub(audience);
            claims["repository_owner_id"] = "7";
            return claims;
        });
        await world.WriteBuildAsync();

        var result = await new ActionRunner(world).RunAsync(page.Yaml("job", world)["jobs"]["build"]);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("no rule", result.Errors, StringComparison.Ordinal);
    }

    [NixFact]
    public async Task A_job_of_GitLab_extends_the_template()
    {
        var page = new CiPage("gitlab");
        await using var world = await CiWorld.StartAsync(page, Claims("gitlab"));
        await world.WriteBuildAsync();
        var pipeline = page.Yaml("job", world);
        var (template, job) = (YamlTree.File("ci", "gitlab.yml")[".orleans-cache"], pipeline["build"]);
        var variables = pipeline["variables"].Members.ToDictionary(v => v.Name, v => v.Value.Text);
        var audience = template["id_tokens"]["ORLEANS_CACHE_ID_TOKEN"]["aud"].Text;

        Assert.Equal(".orleans-cache", job["extends"].Text);
        Assert.EndsWith("/ci/gitlab.yml", pipeline["include"].Items.Single()["remote"].Text, StringComparison.Ordinal);
        var environment = world.GitLabEnvironment(variables[audience.TrimStart('$')]);
        foreach (var (name, value) in variables)
            environment[name] = value;
        var result = await world.BashAsync(
            string.Join('\n', template["before_script"].Items.Concat(job["script"].Items).Select(line => line.Text)), environment);

        Assert.Contains("oidc:ci/20", result.OrThrow().Output, StringComparison.Ordinal);
        Assert.Matches("[1-9][0-9]* published", result.Errors);
        await world.ReadBackAsync(Result(world));
    }

    [NixFact]
    public async Task A_finished_build_of_Hydra_is_pushed()
    {
        if (Programs.Find("jq") is null)
            throw new InvalidOperationException("jq is not installed (eng/test as root installs what the tests need)");
        var page = new CiPage("hydra");
        await using var world = await CiWorld.StartAsync(null, Claims("github"));
        await using var closure = await GeneratedClosure.MakeAsync(3);
        var environment = world.Environment();
        environment["PATH"] = $"{Path.GetDirectoryName(BuiltProgram.Cli)}:{Environment.GetEnvironmentVariable("PATH")}";
        var admin = new Dictionary<string, string?>(environment)
        {
            ["ORLEANS_CACHE_URL"] = world.Server.Url.ToString(),
            ["ORLEANS_CACHE_TOKEN_FILE"] = world.Server.TokenFile,
        };
        var json = Path.Combine(world.WorkFolder, "build.json");
        await File.WriteAllTextAsync(json, new JsonObject
        {
            ["build"] = 7,
            ["finished"] = true,
            ["outputs"] = new JsonArray(new JsonObject { ["name"] = "out", ["path"] = closure.Root }),
        }.ToJsonString());
        environment["HYDRA_JSON"] = json;

        (await world.BashAsync(page["token", world], admin)).OrThrow();
        var command = Command().Match(page["hydra", world]).Groups[1].Value;
        // Hydra gives it to /bin/sh.
        (await ProcessRunner.RunAsync("/bin/sh", ["-c", command], environment, folder: world.WorkFolder)).OrThrow();

        await world.ReadBackAsync(closure.Root);
    }

    private static Func<string, JsonObject> Claims(string vendor) => vendor switch
    {
        "github" => ExampleClaims.GitHub,
        "forgejo" => ExampleClaims.Forgejo,
        _ => ExampleClaims.GitLab,
    };

    private static string Result(CiWorld world) =>
        File.ResolveLinkTarget(Path.Combine(world.WorkFolder, "result"), returnFinalTarget: true)!.FullName;

    [GeneratedRegex("/nix/store/[0-9a-z]{32}-[0-9A-Za-z+._?=-]+[0-9A-Za-z]")]
    private static partial Regex StorePath();

    [GeneratedRegex("command = (.*)\n")]
    private static partial Regex Command();
}
