using System.Globalization;
using System.Text;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>Prints runs of the garbage collector for people and scripts.</summary>
internal static class GcText
{
    private const int NameWidth = 36;
    private const string OldVersions =
        "The bucket is versioned: what was deleted stays there as old versions, and takes its space, until the bucket's lifecycle rule removes them.";

    /// <summary>The names are documented and stable.</summary>
    public static string Statistics(GcRun run) => string.Join('\n', new (string Name, long Value)[]
    {
        ("failed-uploads-deleted", run.FailedUploadsDeleted),
        ("old-closures-deleted", run.OldClosuresDeleted),
        ("objects-marked-for-deletion", run.ObjectsMarkedForDeletion),
        ("objects-deleted-after-grace-period", run.ObjectsDeletedAfterGracePeriod),
        ("objects-failed-to-delete", run.ObjectsFailedToDelete),
        ("bytes-freed", run.BytesFreed),
    }.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Name,-NameWidth}{s.Value}")))
        + (run.KeepsOldVersions == true ? $"\n{OldVersions}" : "") + (run.DryRun ? "\nThis was a dry run: nothing has been changed." : "");

    public static string Headline(GcRun run) => $"run {run.Id.ToString(CultureInfo.InvariantCulture)}: {run.Phase}";

    public static string Counts(GcRun run) => string.Create(CultureInfo.InvariantCulture,
        $"{run.Paths:N0} paths, {run.Objects:N0} objects; {run.ObjectsMarkedForDeletion:N0} marked, " +
            $"{run.ObjectsDeletedAfterGracePeriod:N0} deleted, {Text.Bytes(run.BytesFreed)} freed");

    /// <summary>False when somebody has to act on the run.</summary>
    public static bool IsWell(GcRun run) => run.State is GcState.Running || run is { State: GcState.Done, Error: null };

    /// <summary>How a run ended that did not end well.</summary>
    public static string End(GcRun run) => run.State == GcState.Done
        ? $"Run {run.Id} is done, but {Text.Count(run.ObjectsFailedToDelete, "object")} could not be deleted. {run.Error} Deleting them " +
            "is tried again, without another run."
        : run.State == GcState.Failed
        ? $"Run {run.Id} failed: {run.Error ?? "the server's log tells why"}. Nothing that is kept was touched; start another."
        : $"Run {run.Id} was cancelled.";

    public static string Status(GcStatus status)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $"current   {(status.Current is { } current ? $"{Headline(current)}, since {current.Started:u}\n          {Counts(current)}" : "no run is under way")}\n");
        text.Append(CultureInfo.InvariantCulture,
            $"last      {(status.Last is { } last ? $"run {last.Id}: {Word(last)}, {last.Finished:u}, {last.ObjectsDeletedAfterGracePeriod:N0} deleted, {Text.Bytes(last.BytesFreed)} freed" : "none")}\n");
        text.Append(status.Schedule is { } schedule ? $"schedule  {schedule} (UTC)" : "schedule  none: it runs only when asked");
        if (status.Next is { } next)
            text.Append(CultureInfo.InvariantCulture, $", next at {next:u}");
        if (status.Fired is { } fired)
            text.Append(CultureInfo.InvariantCulture, $"\nfired     {fired.At:u}, {(fired.Run is { } run ? $"run {run}" : $"and no run was started: {fired.Refusal}")}");
        if (status.Started is { } started)
            text.Append(CultureInfo.InvariantCulture, $"\nstarted   run {started.Run}, {started.At:u}, by {started.By}");
        return text.ToString();
    }

    public static string Table(IReadOnlyList<GcRun> runs)
    {
        if (runs.Count == 0)
            return "no run yet";
        string[] head = ["RUN", "STATE", "STARTED", "TOOK", "BY", "MARKED", "DELETED", "FREED"];
        var rows = runs.Select(r => new[]
        {
            r.Id.ToString(CultureInfo.InvariantCulture), Word(r), r.Started.ToString("u", CultureInfo.InvariantCulture),
                r.Finished is { } end ? Text.Duration(end - r.Started) : "",
            r.Scheduled ? "schedule" : "request", r.ObjectsMarkedForDeletion.ToString("N0", CultureInfo.InvariantCulture),
            r.ObjectsDeletedAfterGracePeriod.ToString("N0", CultureInfo.InvariantCulture), Text.Bytes(r.BytesFreed),
        }).Prepend(head).ToList();
        var widths = head.Select((_, column) => rows.Max(row => row[column].Length)).ToArray();
        return string.Join('\n',
            rows.Select(row => string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()));
    }

    private static string Word(GcRun run) => (run.DryRun ? "dry, " : "") + run.State switch
    {
        GcState.Running => run.Phase,
        GcState.Done => "done",
        GcState.Cancelled => "cancelled",
        _ => "failed",
    };
}
