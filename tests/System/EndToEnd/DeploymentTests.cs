using System.Text.Json;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary><c>deploy</c> as a machine runs it, with real profiles of Nix.</summary>
public sealed class DeploymentTests(DeploymentTests.OneServer fixture) : IClassFixture<DeploymentTests.OneServer>
{
    private const int RolledBack = 5;
    private const int NotRolledBack = 6;

    [NixFact]
    public async Task A_machine_gets_what_the_pin_leads_to_and_does_nothing_when_it_has_it()
    {
        await using var machine = Machine();
        var first = await machine.PushAsync("1");

        var deployed = (await machine.DeployAsync()).OrThrow();
        var again = (await machine.DeployAsync()).OrThrow();
        var second = await machine.PushAsync("2");
        (await machine.DeployAsync()).OrThrow();

        Assert.Contains($"deployed {first} (revision 1)", deployed.Output, StringComparison.Ordinal);
        Assert.Contains("in place already", again.Output, StringComparison.Ordinal);
        Assert.Equal([$"go 1 pin={machine.Pin} former=", $"go 2 pin={machine.Pin} former={first}"], machine.Switched);
        Assert.Equal(second, machine.Current);
        Assert.Null(new FileInfo(machine.Profile + "-next").LinkTarget);
    }

    [NixFact]
    public async Task What_does_not_become_healthy_is_rolled_back_each_time_and_is_not_tried_again_unasked()
    {
        await using var machine = Machine();
        var good = await machine.PushAsync("good");
        (await machine.DeployAsync()).OrThrow();
        var bad = await machine.PushAsync("bad", isHealthy: false);

        var failed = await machine.DeployAsync();
        var noted = await machine.DeployAsync();
        var switches = machine.Switched.Length;
        var retried = await machine.DeployAsync("--retry");
        await machine.PushAsync("worse", isHealthy: false);
        var next = await machine.DeployAsync();

        Assert.Equal([RolledBack, RolledBack, RolledBack, RolledBack], new[] { failed, noted, retried, next }.Select(r => r.ExitCode));
        Assert.Contains("the health check ended with code 1", failed.Errors, StringComparison.Ordinal);
        Assert.Contains("not tried again until the pin moves", noted.Errors, StringComparison.Ordinal);
        Assert.Equal(3, switches);
        Assert.Equal(["good", "bad", "good", "bad", "good", "worse", "good"], machine.Switched.Select(line => line.Split(' ')[1]));
        Assert.Contains($"former={bad}", machine.Switched[2], StringComparison.Ordinal);
        Assert.Equal(good, machine.Current);
    }

    [NixFact]
    public async Task A_switch_that_fails_is_rolled_back_and_the_rollback_may_fail_too()
    {
        await using var machine = Machine();
        var good = await machine.PushAsync("good", $"test ! -e {machine["broken"]} || exit 1");
        (await machine.DeployAsync()).OrThrow();
        await machine.PushAsync("bad", "exit 3");

        var rolledBack = await machine.DeployAsync();
        File.WriteAllText(machine["broken"], "");
        var stuck = await machine.DeployAsync("--retry");

        Assert.Equal((RolledBack, NotRolledBack), (rolledBack.ExitCode, stuck.ExitCode));
        Assert.Contains("the switch ended with code 3; rolled back", rolledBack.Errors, StringComparison.Ordinal);
        Assert.Contains("the rollback failed, too: the switch ended with code 1", stuck.Errors, StringComparison.Ordinal);
        Assert.Equal(good, machine.Current);
    }

    [NixFact]
    public async Task The_first_deployment_has_nothing_to_go_back_to()
    {
        await using var machine = Machine();
        await machine.PushAsync("bad", isHealthy: false);

        Assert.Equal(NotRolledBack, (await machine.DeployAsync()).ExitCode);

        var good = await machine.PushAsync("good");
        (await machine.DeployAsync()).OrThrow();
        Assert.Equal(good, machine.Current);
    }

    [NixFact]
    public async Task A_run_that_is_killed_in_its_switch_is_finished_by_the_next_one_which_waits_for_the_switch()
    {
        await using var machine = Machine();
        await machine.PushAsync("1");
        (await machine.DeployAsync()).OrThrow();
        var second = await machine.PushAsync("2", $"while test -e {machine["hold"]}; do sleep 0.1; done; echo end >> {machine["ends"]}");
        File.WriteAllText(machine["hold"], "");
        // The switch that is left would keep the pipes of the test open.
        await using (var killed = ProcessRunner.Start("/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>&1", "sh", .. machine.Command()],
            machine.Environment()))
        {
            await Eventually.BecomesTrueAsync(() => machine.Switched.Length == 2);
            killed.Kill9();
            await killed.WaitAsync();
        }

        await using var next = machine.Start();
        await Eventually.BecomesTrueAsync(() => next.Errors.Contains("waiting for the end", StringComparison.Ordinal));
        Assert.Equal(2, machine.Switched.Length);
        File.Delete(machine["hold"]);

        Assert.Equal(0, await next.WaitAsync());
        Assert.Equal(second, machine.Current);
        Assert.Equal(3, machine.Switched.Length);
        Assert.Equal(2, File.ReadAllLines(machine["ends"]).Length);
    }

    [NixFact]
    public async Task A_switch_that_is_killed_each_time_is_rolled_back()
    {
        await using var machine = Machine();
        var good = await machine.PushAsync("1");
        (await machine.DeployAsync()).OrThrow();
        await machine.PushAsync("2", $"kill -9 $(cat {machine["pid"]}); exit 0");
        for (var run = 0; run < 2; run++)
        {
            await using var killed = ProcessRunner.Start("/bin/sh", ["-c", $"echo $$ > {machine["pid"]}; exec \"$@\"", "sh",
                .. machine.Command()], machine.Environment());
            Assert.Equal(137, await killed.WaitAsync());
        }

        var last = await machine.DeployAsync();

        Assert.Equal(RolledBack, last.ExitCode);
        Assert.Contains("interrupted", last.Errors, StringComparison.Ordinal);
        Assert.Equal(good, machine.Current);
    }

    [NixFact]
    public async Task Two_runs_do_not_deploy_to_one_profile_at_once()
    {
        await using var machine = Machine();
        await machine.PushAsync("1", $"while test -e {machine["hold"]}; do sleep 0.1; done");
        File.WriteAllText(machine["hold"], "");
        await using var first = machine.Start();
        await Eventually.BecomesTrueAsync(() => machine.Switched.Length == 1);

        var second = await machine.DeployAsync();

        File.Delete(machine["hold"]);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("Another run deploys to", second.Errors, StringComparison.Ordinal);
        Assert.Equal(0, await first.WaitAsync());
        Assert.Single(machine.Switched);
    }

    [NixFact]
    public async Task An_agent_follows_the_pin_tries_no_bad_revision_again_and_ends_after_its_switch()
    {
        await using var machine = Machine();
        var good = await machine.PushAsync("1");
        await using var agent = machine.Start("--follow", "--interval", "1s");
        await Eventually.BecomesTrueAsync(() => machine.Current == good && machine.Switched.Length == 1);
        await machine.PushAsync("2", "exit 1");
        await Eventually.BecomesTrueAsync(() => agent.Errors.Contains("not tried again", StringComparison.Ordinal),
            describe: () => agent.Errors);
        Assert.Equal(["1", "2", "1"], machine.Switched.Select(line => line.Split(' ')[1]));
        Assert.Equal(good, machine.Current);

        var third = await machine.PushAsync("3", $"while test -e {machine["hold"]}; do sleep 0.1; done");
        File.WriteAllText(machine["hold"], "");
        await Eventually.BecomesTrueAsync(() => machine.Switched.Length == 4);
        agent.Terminate();
        Assert.False(agent.HasExited);
        File.Delete(machine["hold"]);

        Assert.Equal(0, await agent.WaitAsync());
        Assert.Equal(third, machine.Current);
        Assert.Contains($"\"deployed\": \"{third}\"", await File.ReadAllTextAsync(machine.Profile + ".deploy.json"),
            StringComparison.Ordinal);
    }

    [NixFact]
    public async Task An_agent_outlives_its_server_and_reports_when_that_is_back()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var machine = new DeployMachine { Server = server, Pin = "web" };
        var first = await machine.PushAsync("1");
        await using var agent = machine.Start("--follow", "--interval", "1s");
        await Eventually.BecomesTrueAsync(() => machine.Current == first && machine.Switched.Length == 1);

        await server.StopAsync();
        await Eventually.BecomesTrueAsync(() => agent.Errors.Contains("no connection", StringComparison.Ordinal),
            describe: () => agent.Errors);
        Assert.False(agent.HasExited);
        await server.RestartAsync();
        var second = await machine.PushAsync("2");
        await Eventually.BecomesTrueAsync(() => machine.Current == second && machine.Switched.Length == 2);

        await Eventually.BecomesTrueAsync(async () => (await machine.RunAsync("deployments", "--json")).Output.Contains("\"revision\":2",
            StringComparison.Ordinal));
        agent.Terminate();
        Assert.Equal(0, await agent.WaitAsync());
    }

    [NixFact]
    public async Task Machines_report_with_a_token_that_may_do_nothing_else_and_those_behind_are_listed()
    {
        await using var machine = Machine();
        machine.TokenFile = machine["token"];
        var token = await machine.RunAsync("tokens", "create", "--name", machine.Pin, "--scope", "deploy", "--pins", machine.Pin);
        await File.WriteAllTextAsync(machine["token"], token.OrThrow().Output);
        var good = await machine.PushAsync("1");
        (await machine.DeployAsync()).OrThrow();
        Assert.Empty(await ListAsync(machine, "--behind"));

        await machine.PushAsync("2", "exit 1");
        await machine.DeployAsync();

        var row = Assert.Single(await ListAsync(machine, "--behind"));
        Assert.Equal(("web-1", 1, Path.GetFileName(good), true), (row.GetProperty("machine").GetString(),
            row.GetProperty("revision").GetInt32(), row.GetProperty("path").GetString(), row.GetProperty("behind").GetBoolean()));
        Assert.Equal(("rolled-back", 2), (row.GetProperty("last").GetProperty("outcome").GetString(),
            row.GetProperty("last").GetProperty("revision").GetInt32()));
        Assert.Contains("behind: revision 2 rolled back", (await machine.RunAsync("deployments")).OrThrow().Output,
            StringComparison.Ordinal);
    }

    private DeployMachine Machine() => new() { Server = fixture.Server, Pin = $"web-{Guid.NewGuid():n}" };

    private static async Task<List<JsonElement>> ListAsync(DeployMachine machine, params string[] more) =>
        [.. JsonDocument.Parse((await machine.RunAsync(["deployments", "--pin", machine.Pin, "--json", .. more])).OrThrow().Output)
            .RootElement.GetProperty("deployments").EnumerateArray()];

    public sealed class OneServer : IAsyncLifetime
    {
        public ServerProcess Server { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            if (Programs.Missing("nix-store", "nix-env") is null)
                Server = await ServerProcess.StartAsync();
        }

        public async Task DisposeAsync()
        {
            if (Server is not null)
                await Server.DisposeAsync();
        }
    }
}
