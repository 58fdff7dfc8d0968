using System.Diagnostics;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Deploy;

/// <param name="Text">What was done, or why not, for people.</param>
internal sealed record Turn(TurnOutcome Outcome, string Text);

/// <summary>Brings a machine to what a pin leads to, or back to where it was. The lock of the plan is held meanwhile.</summary>
/// <remarks>
/// 1. Go on with what a killed run left: wait for its command, finish its rollback. 2. Ask what the pin leads to, and stop when that is in
/// place, or has failed before. 3. Fetch it under a root. 4. Note the switch, and set the profile. 5. Switch, and check the health. 6. Note
/// that it is deployed; or go back to the former generation, switch to that, and note what failed. From step 4 on nothing cancels.
/// </remarks>
internal sealed class Deployer(DeployPlan plan, Action<string> log)
{
    /// <summary>Runs that may be killed in the middle of one switch before it counts as failed.</summary>
    private const int MaxTries = 2;

    // A machine whose pin does not move tells now and then that it is there, or the server forgets it.
    private static readonly TimeSpan ReportInterval = TimeSpan.FromDays(1);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MinCheck = TimeSpan.FromSeconds(1);

    private readonly NixProfile _profile = new(plan.Profile, plan.NixOptions);

    /// <param name="read">Asks what the pin leads to.</param>
    /// <param name="checksHealth">What is in place is checked, and switched to again when it does not work.</param>
    /// <exception cref="CliException">The pin cannot be read or its path not be fetched; the machine runs what it ran.</exception>
    public async Task<Turn> RunAsync(Func<CancellationToken, Task<DeployTarget>> read, bool checksHealth,
        CancellationToken cancellationToken)
    {
        // 1.
        var note = DeployNote.Load(plan.Note);
        if (note.UnderWay is { Process: { } process } left)
            await PlanCommand.WaitForEndAsync(process, left.ProcessStart, log, cancellationToken);
        if (note.UnderWay is { Fault: { } fault } half)
            return await RollBackAsync(note, half, fault);

        // 2.
        var target = await ReadAsync(read, note.UnderWay, cancellationToken);
        if (note.UnderWay is { Tries: >= MaxTries } killed && killed.Path == target.FullPath)
            return await RollBackAsync(note, killed, "the switch was interrupted, and again when it was repeated");
        if (note.UnderWay is null && await FindReasonNotToAsync(note, target, checksHealth) is { } done)
            return done;

        // 3.
        try
        {
            log($"deploying {target}");
            await _profile.FetchAsync(target.FullPath, cancellationToken);
            var way = NoteOf(note, target);

            // 4.
            note.UnderWay = way;
            note.Save(plan.Note);
            await SetAsync(note, target);

            // 5.
            return await SwitchAsync(note, way) is { } why ? await RollBackAsync(note, note.UnderWay, why) : Deployed(note, way);
        }
        catch (CliException e)
        {
            note.Unsent = ReportOf(target.FullPath, target.Revision, DeploymentOutcome.Failed, e.Message);
            note.Save(plan.Note);
            throw;
        }
    }

    // What a killed run left is finished without the server, too.
    private async Task<DeployTarget> ReadAsync(Func<CancellationToken, Task<DeployTarget>> read, SwitchNote? way,
        CancellationToken cancellationToken)
    {
        try
        {
            return await read(cancellationToken);
        }
        catch (CliException e) when (way is not null && e.ExitCode == ExitCodes.Unreachable)
        {
            log($"{e.Message} The switch that was interrupted is finished meanwhile.");
            return new DeployTarget(PathOf(way.Path), way.Revision);
        }
    }

    private async Task<Turn?> FindReasonNotToAsync(DeployNote note, DeployTarget target, bool checksHealth)
    {
        if (!plan.Retries && note.Failed is { } failed && failed.Path == target.FullPath && failed.Revision == target.Revision)
            return new Turn(TurnOutcome.FailedBefore, $"{target} failed at {Text.Time(failed.Time)} and is not tried again until the pin " +
                $"moves, or with --retry: {failed.Why}");
        if (note.Deployed != target.FullPath || _profile.Current != target.FullPath)
            return null;
        if (checksHealth && await CheckHealthAsync(target.FullPath, note.Former, target.Revision, null) is { } fault)
        {
            log($"{target} is in place, but {fault}; it is switched to again");
            return null;
        }

        if (note.Reported is not { } told || DateTimeOffset.UtcNow - told > ReportInterval)
        {
            note.Unsent ??= ReportOf(target.FullPath, target.Revision, DeploymentOutcome.Deployed, null);
            note.Save(plan.Note);
        }

        return new Turn(TurnOutcome.InPlace, $"{target} is in place already");
    }

    // What the machine goes back to: what worked before, and never what is known to have failed.
    private SwitchNote NoteOf(DeployNote note, DeployTarget target)
    {
        var (former, generation) = note.UnderWay is { } killed ? (killed.Former, killed.FormerGeneration)
            : _profile.Current is { } current && current != target.FullPath && current != note.Failed?.Path
                ? (current, _profile.Generation)
                : note.Deployed is { } deployed && deployed != target.FullPath ? (deployed, null) : (note.Former, note.FormerGeneration);
        return new SwitchNote
        {
            Path = target.FullPath,
            Revision = target.Revision,
            Former = former == target.FullPath ? null : former,
            FormerGeneration = generation,
            Tries = note.UnderWay?.Path == target.FullPath ? note.UnderWay.Tries + 1 : 1,
        };
    }

    private async Task SetAsync(DeployNote note, DeployTarget target)
    {
        try
        {
            await _profile.SetAsync(target.FullPath);
        }
        catch (CliException) when (_profile.Current != target.FullPath)
        {
            // Nothing has changed.
            note.UnderWay = null;
            throw;
        }
    }

    /// <summary>Null: it was switched to and works; else why not.</summary>
    private async Task<string?> SwitchAsync(DeployNote note, SwitchNote way)
    {
        if (plan.Switch is { } command
            && await new PlanCommand(plan, command, way.Path, way.Former, way.Revision).RunAsync("the switch", null, Note) is { } fault)
            return fault;
        return await CheckHealthAsync(way.Path, way.Former, way.Revision, plan.HealthTimeout);

        void Note(int process)
        {
            note.UnderWay = (note.UnderWay ?? way) with { Process = process, ProcessStart = PlanCommand.StartOf(process) };
            note.Save(plan.Note);
        }
    }

    /// <param name="limit">How long it may fail; null: it is run once.</param>
    private async Task<string?> CheckHealthAsync(string path, string? former, long? revision, TimeSpan? limit)
    {
        if (plan.Health is not { } text)
            return null;
        var command = new PlanCommand(plan, text, path, former, revision);
        var clock = Stopwatch.StartNew();
        for (var pause = FirstPause; ; pause = pause * 2 < MaxPause ? pause * 2 : MaxPause)
        {
            var left = (limit ?? plan.HealthTimeout) - clock.Elapsed;
            var fault = await command.RunAsync("the health check", left > MinCheck ? left : MinCheck, null);
            if (fault is null || limit is null)
                return fault;
            if (clock.Elapsed + pause > limit)
                return $"{fault}, still after {Text.Duration(clock.Elapsed)}";
            await Task.Delay(pause);
        }
    }

    private Turn Deployed(DeployNote note, SwitchNote way)
    {
        (note.Deployed, note.Former, note.FormerGeneration) = (way.Path, way.Former, way.FormerGeneration);
        (note.UnderWay, note.Failed) = (null, null);
        note.Unsent = ReportOf(way.Path, way.Revision, DeploymentOutcome.Deployed, null);
        note.Save(plan.Note);
        return new Turn(TurnOutcome.Deployed, $"deployed {new DeployTarget(PathOf(way.Path), way.Revision)}");
    }

    // 6.
    private async Task<Turn> RollBackAsync(DeployNote note, SwitchNote way, string fault)
    {
        var failed = new DeployTarget(PathOf(way.Path), way.Revision);
        log($"{failed}: {fault}; going back to {way.Former ?? "nothing, as there was none before"}");
        note.Failed = new FailedNote(way.Path, way.Revision, fault, DateTimeOffset.UtcNow);
        note.UnderWay = way with { Fault = fault };
        note.Save(plan.Note);
        var why = way.Former is null ? "there is no former deployment" : await BringBackAsync(note, way);
        note.Deployed = why is null ? way.Former : null;
        (note.UnderWay, note.Former, note.FormerGeneration) = (null, null, null);
        var text = why is null ? $"{fault}; rolled back to {way.Former}" : $"{fault}; the rollback failed, too: {why}";
        note.Unsent = ReportOf(way.Path, way.Revision, why is null ? DeploymentOutcome.RolledBack : DeploymentOutcome.Failed, text);
        note.Save(plan.Note);
        return new Turn(why is null ? TurnOutcome.RolledBack : TurnOutcome.NotRolledBack, $"{failed}: {text}");
    }

    private async Task<string?> BringBackAsync(DeployNote note, SwitchNote way)
    {
        try
        {
            await _profile.ReturnAsync(way.Former!, way.FormerGeneration);
            // The commands are told the other way round: they go to the former path, and come from the one that failed.
            return await SwitchAsync(note, way with { Path = way.Former!, Former = way.Path, Revision = null });
        }
        catch (CliException e)
        {
            return e.Message;
        }
    }

    private static StorePath PathOf(string fullPath) => StorePath.Parse(fullPath);

    private static DeploymentReport ReportOf(string path, long? revision, DeploymentOutcome outcome, string? message) => new()
    {
        Path = PathOf(path),
        Revision = revision,
        Outcome = outcome,
        Message = message is null ? null : Text.Printable(message.ReplaceLineEndings(" ")),
        Time = DateTimeOffset.UtcNow,
    };
}
