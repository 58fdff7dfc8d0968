using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Deploy;
using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary><c>deploy PIN</c>: brings this machine to what a pin leads to, once or from then on, and back when that fails.</summary>
internal static class DeployCommand
{
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromMinutes(1);

    public static Command Create(CommonOptions common)
    {
        var pin = PinOptions.Name("PIN");
        var options = new DeployOptions();
        var follow = new Option<bool>("--follow") { Description = "Go on, and deploy whatever the pin leads to from now on." };
        var interval = Duration.Option("--interval", "With --follow: how often the pin is looked at. [default: 1m]");
        var command = new Command("deploy", "Bring this machine to the path of a pin, and back when that does not work.") { pin };
        options.AddTo(command);
        command.Options.Add(follow);
        command.Options.Add(interval);
        command.Validators.Add(result =>
        {
            if (result.GetResult(interval) is { Implicit: false } && !result.GetValue(follow))
                result.AddError("--interval belongs to --follow: add that, or leave the interval out.");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            var plan = options.Of(result, result.GetValue(pin));
            var machine = options.MachineOf(result);
            Directory.CreateDirectory(Path.GetDirectoryName(plan.Profile)!);
            var reports = new DeployReports(plan, Console.Error.WriteLine);
            var isFollowing = result.GetValue(follow);
            if (!isFollowing)
                return Tell(await TurnAsync(cancellationToken));
            ServiceManager.TellReady(Environment.GetEnvironmentVariable);
            var agent = new DeployAgent(TurnAsync, result.GetValue(interval) ?? DefaultInterval, TimeProvider.System,
                Console.Error.WriteLine);
            try
            {
                await agent.RunAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // A service that is told to end has ended well.
            }

            return ExitCodes.Ok;

            async Task<Turn> TurnAsync(CancellationToken stop)
            {
                using var server = DeployServer.Open(common.Resolve(result), plan.Pin);
                using var taken = DeployLock.Take(plan);
                var now = plan with { NixOptions = result.GetValue(options.Substitute) ? await server.NixOptionsAsync(stop) : [] };
                try
                {
                    return await new Deployer(now, Console.Error.WriteLine).RunAsync(server.ReadAsync, checksHealth: !isFollowing, stop);
                }
                finally
                {
                    if (server.HasToken && !stop.IsCancellationRequested)
                        await reports.SendAsync((report, c) => server.ReportAsync(machine, report, c), stop);
                }
            }
        });
        return command;
    }

    private static int Tell(Turn turn)
    {
        switch (turn.Outcome)
        {
            case TurnOutcome.InPlace or TurnOutcome.Deployed:
                Console.Out.WriteLine(turn.Text);
                return ExitCodes.Ok;
            case TurnOutcome.FailedBefore or TurnOutcome.RolledBack:
                throw new CliException(ExitCodes.RolledBack, turn.Text);
            default:
                throw new CliException(ExitCodes.NotRolledBack, turn.Text);
        }
    }
}
