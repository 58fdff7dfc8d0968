using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Queue;

/// <summary>What waits in a queue and why, and what it has done.</summary>
internal sealed record QueueStatus
{
    /// <summary>So many names are told to a person.</summary>
    private const int MaxShown = 20;

    public required string Queue { get; init; }

    /// <summary>Paths that wait, each once.</summary>
    public required int Waiting { get; init; }

    /// <summary>Since when the oldest file of the spool is there.</summary>
    public DateTimeOffset? OldestSince { get; init; }

    public required bool DaemonRuns { get; init; }

    public required bool Paused { get; init; }

    /// <summary>Hooks add no more; what they miss is found in Nix's database.</summary>
    public required bool Full { get; init; }

    public Trouble? Trouble { get; init; }

    public required IReadOnlyDictionary<string, HeldPath> Held { get; init; }

    public required QueueCounts Counts { get; init; }

    /// <summary>What was not pushed and will not be, the newest last.</summary>
    public required IReadOnlyList<NamedPath> NotPushed { get; init; }

    /// <exception cref="CliException">The queue's state cannot be read.</exception>
    public static QueueStatus Of(QueueFolder folder, DateTimeOffset now)
    {
        var state = QueueState.Load(folder.State);
        var names = Spool.Names(folder);
        var paths = names.SelectMany(name => Spool.Read(folder, name)).Select(path => path.ToString()).ToHashSet(StringComparer.Ordinal);
        return new QueueStatus
        {
            Queue = folder.Path,
            Waiting = paths.Count + state.Found,
            OldestSince = names.Count > 0 && long.TryParse(names[0].Split('-')[0], out var ticks) && ticks <= now.UtcTicks
                ? new DateTimeOffset(ticks, TimeSpan.Zero) : null,
            DaemonRuns = QueueLock.IsTaken(folder),
            Paused = File.Exists(folder.Paused),
            Full = File.Exists(folder.Full),
            Trouble = state.Trouble,
            Held = state.Held,
            Counts = new QueueCounts(state.Published, state.Present, state.LeftOut, state.Lost, state.GivenUp),
            NotPushed = state.Named,
        };
    }

    public string ToJson() => JsonSerializer.Serialize(this, QueueStatusJson.Default.QueueStatus);

    public string ToText()
    {
        var text = new StringBuilder();
        text.Append($"queue      {Queue}\n");
        var oldest = OldestSince is { } since ? $", the oldest since {Text.Time(since)}" : "";
        text.Append($"waiting    {Text.Count(Waiting, "path")}{oldest}\n");
        var marks = (Paused ? "; paused" : "") + (Full ? "; full: hooks add no more" : "");
        text.Append($"daemon     {(DaemonRuns ? "runs" : "does not run")}{marks}\n");
        if (Trouble is { } trouble)
            text.Append($"trouble    since {Text.Time(trouble.Since)}, tried {Text.Count(trouble.Tries, "time")}, " +
                $"next {Text.Time(trouble.Next)}: {trouble.Why}\n");
        text.Append($"so far     {Counts.Published:N0} published, {Counts.Present:N0} there already, {Counts.LeftOut:N0} left out, " +
            $"{Counts.Lost:N0} lost, {Counts.GivenUp:N0} given up");
        foreach (var (path, held) in Held.Take(MaxShown))
            text.Append($"\nheld       {path}, tried {Text.Count(held.Tries, "time")}, next {Text.Time(held.Next)}: {held.Why}");
        if (Held.Count > MaxShown)
            text.Append($"\nheld       … and {Held.Count - MaxShown:N0} more (--json)");
        foreach (var named in NotPushed.TakeLast(MaxShown))
            text.Append($"\n{named.What,-10} {named.Path}, {Text.Time(named.Time)}: {named.Why}");
        return text.ToString();
    }
}

/// <summary>What became of paths so far.</summary>
internal sealed record QueueCounts(long Published, long Present, long LeftOut, long Lost, long GivenUp);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(QueueStatus))]
internal sealed partial class QueueStatusJson : JsonSerializerContext;
