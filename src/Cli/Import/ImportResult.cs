using System.Text.Json;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Import;

/// <summary>What became of an import; <c>--json</c> prints it as one line.</summary>
internal sealed record ImportResult(string Source, bool DryRun, ImportTally Tally, IReadOnlyList<Refusal> Refused,
    IReadOnlyList<PinAnswer> Pins, TimeSpan List, TimeSpan Read, TimeSpan Push)
{
    public int ExitCode => Refused.Count > 0 || Pins.Any(pin => pin.Outcome == "failed") ? ExitCodes.Failed : ExitCodes.Ok;

    public string ToText()
    {
        var parts = new List<string> { $"{Tally.Present:N0} there already" };
        if (DryRun)
            parts.Add($"{Tally.Wanted:N0} to be transferred ({Text.Bytes(Tally.WantedBytes)})");
        else if (Tally.Pushes > 0)
            parts.Add($"{Tally.Published:N0} published in {Text.Count(Tally.Pushes, "push", "pushes")}");
        if (Tally.Copied + Tally.Compressed > 0)
            parts.Add($"{Tally.Copied:N0} NARs sent as they are, {Tally.Compressed:N0} compressed anew ({Text.Bytes(Tally.NarBytes)}, sent as " +
                $"{Text.Bytes(Tally.FileBytes)})");
        if (Tally.Conflicts.Count > 0)
            parts.Add($"{Tally.Conflicts.Count:N0} there with other contents, which stay");
        if (Pins.Count > 0)
            parts.Add(string.Join(", ", Pins.GroupBy(pin => pin.Outcome).OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => $"{Text.Count(group.Count(), "pin")} {group.Key.Replace('-', ' ')}")));
        if (Refused.Count > 0)
        {
            var causes = Refused.Count(refusal => refusal.Cause is null);
            parts.Add($"{Refused.Count:N0} refused" + (causes == Refused.Count ? "" : $", of which {Refused.Count - causes:N0} refer to others"));
        }

        return $"{Text.Count(Tally.Paths, "path")} of {Source}: {string.Join("; ", parts)} ({Text.Duration(List + Read + Push)})";
    }

    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("source", Source);
            json.WriteBoolean("dryRun", DryRun);
            json.WriteNumber("paths", Tally.Paths);
            json.WriteNumber("present", Tally.Present);
            json.WriteNumber("wanted", Tally.Wanted);
            json.WriteNumber("wantedBytes", Tally.WantedBytes);
            json.WriteNumber("pushes", Tally.Pushes);
            json.WriteNumber("published", Tally.Published);
            json.WriteNumber("copied", Tally.Copied);
            json.WriteNumber("compressed", Tally.Compressed);
            json.WriteNumber("narBytes", Tally.NarBytes);
            json.WriteNumber("fileBytes", Tally.FileBytes);
            json.WriteNumber("logs", Tally.Logs);
            json.WriteNumber("realisations", Tally.Realisations);
            json.WriteStartArray("conflicts");
            foreach (var conflict in Tally.Conflicts)
                json.WriteStringValue(conflict.ToString());
            json.WriteEndArray();
            WriteRefused(json);
            WritePins(json);
            json.WriteStartObject("seconds");
            json.WriteNumber("list", Seconds(List));
            json.WriteNumber("read", Seconds(Read));
            json.WriteNumber("push", Seconds(Push));
            json.WriteNumber("total", Seconds(List + Read + Push));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    private void WriteRefused(Utf8JsonWriter json)
    {
        json.WriteStartArray("refused");
        foreach (var refusal in Refused)
        {
            json.WriteStartObject();
            json.WriteString("path", refusal.Path);
            json.WriteString("why", refusal.Why);
            if (refusal.Cause is not null)
                json.WriteString("cause", refusal.Cause);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WritePins(Utf8JsonWriter json)
    {
        json.WriteStartArray("pins");
        foreach (var pin in Pins)
        {
            json.WriteStartObject();
            json.WriteString("name", pin.Name);
            json.WriteString("path", pin.Path);
            json.WriteString("outcome", pin.Outcome);
            if (pin.Why is not null)
                json.WriteString("why", pin.Why);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 3);
}
