using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>deployments</c>: which machine says that it runs what.</summary>
internal static class DeploymentsCommand
{
    public static Command Create(CommonOptions common)
    {
        var pin = PinOptions.Pin("Only machines that follow this pin.");
        var behind = new Option<bool>("--behind") { Description = "Only machines that do not run what their pin leads to now." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("deployments", "Tell which machine runs which revision of which pin.") { pin, behind, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var list = await ServerCall.AskAsync(common, result, api => api.DeploymentsAsync(cancellationToken));
            var wanted = new DeploymentList
            {
                Deployments = [.. list.Deployments.Where(d => (result.GetValue(pin) is not { } name || d.Pin == name)
                    && (d.Behind || !result.GetValue(behind)))],
            };
            if (result.GetValue(json))
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(wanted, ProtocolJson.Default.DeploymentList));
                return;
            }

            foreach (var line in Text.Table(["PIN", "MACHINE", "REVISION", "STORE PATH", "SINCE", "STATE", "SEEN"],
                wanted.Deployments.Select(Row)))
                Console.Out.WriteLine(line);
        });
        return command;
    }

    private static string[] Row(Deployment d) =>
    [
        d.Pin.ToString(), d.Machine.ToString(), d.Revision?.ToString(CultureInfo.InvariantCulture) ?? "-", d.Path?.ToString() ?? "-",
        d.Since is { } since ? Text.Time(since) : "-", State(d), Text.Time(d.Seen),
    ];

    private static string State(Deployment d)
    {
        var state = d.Behind ? "behind" : "current";
        if (d.Last.Outcome == DeploymentOutcome.Deployed)
            return state;
        var what = d.Last.Revision is { } revision ? string.Create(CultureInfo.InvariantCulture, $"revision {revision}")
            : d.Last.Path.ToString();
        return $"{state}: {what} {(d.Last.Outcome == DeploymentOutcome.RolledBack ? "rolled back" : "failed")}";
    }
}
