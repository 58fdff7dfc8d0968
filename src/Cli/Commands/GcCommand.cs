using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// <c>gc</c>: starts a run of the garbage collector and waits for it; <c>gc status</c>, <c>gc history</c>, <c>gc cancel</c>.
/// </summary>
internal static class GcCommand
{
    private const int UsualRuns = 20;

    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    public static Command Create(CommonOptions common)
    {
        var olderThan = Duration.Option("--older-than", "Keep closures that were pushed within this time. [default: the server's, 720h]");
        var failedUploads = Duration.Option("--failed-uploads-older-than",
            "End pushes that were silent for this time, and delete what they uploaded. [default: the server's, 6h]");
        var grace = Duration.Option("--grace", "Delete what has been condemned for this time. [default: the server's, 6h]");
        var force = new Option<bool>("--force") { Description = "No grace. As safe as with one; readers that hold an old narinfo notice." };
        var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing, count what would be done." };
        var noWait = new Option<bool>("--no-wait") { Description = "Start the run and do not wait for its end." };
        var json = Json("Print the run as one line of JSON on standard output.");
        var command = new Command("gc", "Delete what nothing keeps any more.")
        {
            olderThan, failedUploads, grace, force, dryRun, noWait, json, Status(common), History(common), Cancel(common),
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            // Not in a validator: there the value may be no duration.
            if (result.GetValue(force) && result.GetValue(grace) > TimeSpan.Zero)
                throw new CliException(ExitCodes.Usage, "--force means no grace, and --grace asks for one: give one of them.");
            var request = new GcRequest
            {
                OlderThanSeconds = result.GetValue(olderThan)?.TotalSeconds,
                FailedUploadsOlderThanSeconds = result.GetValue(failedUploads)?.TotalSeconds,
                GraceSeconds = result.GetValue(grace)?.TotalSeconds,
                Force = result.GetValue(force),
                DryRun = result.GetValue(dryRun),
            };
            // Random, so that a request that is sent again after a lost answer joins the run that it started.
            var run = await ServerCall.AskAsync(common, result, async (first, patient) =>
            {
                var started = await first.StartGcAsync(request, $"cli-{Guid.NewGuid():n}", cancellationToken);
                return result.GetValue(noWait) ? started : await WaitAsync(patient, started, cancellationToken);
            });
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(run, ProtocolJson.Default.GcRun));
            else
                Console.Out.WriteLine(run.State == GcState.Running
                    ? $"run {run.Id} is under way; 'orleans-cache gc status' tells how far it is" : GcText.Statistics(run));
            if (!GcText.IsWell(run))
                throw new CliException(ExitCodes.Failed, GcText.End(run));
        });
        return command;
    }

    private static async Task<GcRun> WaitAsync(Api api, GcRun run, CancellationToken cancellationToken)
    {
        using var line = StatusLine.Create();
        try
        {
            while (run.State == GcState.Running)
            {
                line.Show(GcText.Headline(run), GcText.Counts(run));
                // A run lasts for minutes; this asks as often as a person looks.
                await Task.Delay(Poll, cancellationToken);
                run = await api.GcRunAsync(run.Id, cancellationToken);
            }

            return run;
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            line.Clear();
            throw new CliException(ExitCodes.Interrupted,
                $"no longer waiting; run {run.Id} goes on. 'orleans-cache gc status' tells how far it is, 'orleans-cache gc cancel' stops it.", e);
        }
    }

    private static Command Status(CommonOptions common)
    {
        var json = Json("Print the answer of the server as JSON.");
        var command = new Command("status", "Tell what the garbage collector does, and when it will run.") { json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var status = await ServerCall.AskAsync(common, result, api => api.GcStatusAsync(cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(status, ProtocolJson.Default.GcStatus)
                : GcText.Status(status));
        });
        return command;
    }

    private static Command History(CommonOptions common)
    {
        var limit = NumberOption.Create("--limit", 1, 100, $"Runs to list, at most 100. [default: {UsualRuns}]", "-n");
        var json = Json("Print the answer of the server as JSON.");
        var command = new Command("history", "List the runs, newest first.") { limit, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var history = await ServerCall.AskAsync(common, result, api =>
                api.GcHistoryAsync(result.GetValue(limit) ?? UsualRuns, cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(history, ProtocolJson.Default.GcHistory)
                : GcText.Table(history.Runs));
        });
        return command;
    }

    private static Command Cancel(CommonOptions common)
    {
        var command = new Command("cancel",
            "Stop the run under way. What it has condemned stays condemned, and comes back when it is pushed.");
        command.SetAction(async (result, cancellationToken) =>
        {
            var run = await ServerCall.AskAsync(common, result, async api =>
            {
                try
                {
                    return await api.CancelGcAsync(cancellationToken);
                }
                catch (CacheException e) when (e.Name == "unknown-gc-run")
                {
                    return null;
                }
            });
            Console.Out.WriteLine(run is null ? "no run is under way" : $"run {run.Id} stops within seconds");
        });
        return command;
    }

    private static Option<bool> Json(string description) => new("--json") { Description = description };
}
