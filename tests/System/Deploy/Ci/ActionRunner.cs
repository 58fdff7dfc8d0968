using System.Text.RegularExpressions;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests.Ci;

/// <summary>Runs the steps of a workflow's job as a runner does, as far as our pages need one: shell steps, and our own action.</summary>
internal sealed partial class ActionRunner(CiWorld world)
{
    /// <summary>The steps of others, which bring what this machine has: the sources and Nix.</summary>
    private static readonly string[] Known = ["actions/checkout@", "cachix/install-nix-action@"];

    /// <summary>Returns the result of the last step that ran; a step that fails ends the job.</summary>
    public async Task<ProcessResult> RunAsync(YamlTree job)
    {
        ProcessResult? last = null;
        foreach (var step in job["steps"].Items)
        {
            if (Known.Any(known => step["uses"].Text.StartsWith(known, StringComparison.Ordinal)))
                continue;
            last = step["uses"].IsThere ? await RunActionAsync(step) : await world.BashAsync(step["run"].Text, world.ActionsEnvironment());
            if (last.ExitCode != 0)
                return last;
        }

        return last!;
    }

    private async Task<ProcessResult> RunActionAsync(YamlTree use)
    {
        Assert.EndsWith("example/orleans-cache@v0.1.0", use["uses"].Text, StringComparison.Ordinal);
        var action = YamlTree.File("action.yml");
        var values = world.ActionContext;
        foreach (var (name, input) in action["inputs"].Members)
        {
            Assert.True(input["default"].IsThere || use["with"][name].IsThere, $"the input {name} is required");
            values[$"inputs.{name}"] = use["with"][name].IsThere ? use["with"][name].Text : input["default"].Text;
        }

        Assert.All(use["with"].Members, member => Assert.Contains($"inputs.{member.Name}", values.Keys));
        Assert.Equal("composite", action["runs"]["using"].Text);
        ProcessResult? last = null;
        foreach (var step in action["runs"]["steps"].Items)
        {
            if (step["if"].IsThere && values[NotEmpty().Match(step["if"].Text).Groups[1].Value].Length == 0)
                continue;
            Assert.Equal("bash", step["shell"].Text);
            var environment = world.ActionsEnvironment();
            foreach (var (name, value) in step["env"].Members)
                environment[name] = Expression().Replace(value.Text, m => values[m.Groups[1].Value]);
            last = await world.BashAsync(step["run"].Text, environment);
            if (last.ExitCode != 0)
                return last;
        }

        return last!;
    }

    [GeneratedRegex(@"\$\{\{ ([a-z_.]+) \}\}")]
    private static partial Regex Expression();

    [GeneratedRegex("^(inputs\\.[a-z]+) != ''$")]
    private static partial Regex NotEmpty();
}
