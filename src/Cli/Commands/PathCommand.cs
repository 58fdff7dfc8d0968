using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary><c>path PATH</c>: what the cache has of a path, who brought it, and who brings it.</summary>
internal static class PathCommand
{
    public static Command Create(CommonOptions common)
    {
        var path = new Argument<string>("PATH") { Description = "A store path, its base name or hash, or a link to it such as ./result." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("path", "Show a path: its NAR, references, referrers, publisher, pins and uploads.") { path, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var hash = WhyCommand.Hash(result.GetValue(path)!);
            var life = await ServerCall.AskAsync(common, result, api => api.PathAsync(hash, cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(life, ProtocolJson.Default.PathLife) : Describe(life));
        });
        return command;
    }

    internal static string Describe(PathLife life)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{life.Path} is {(life.State == "gone" ? "not in the cache" : life.State)}");
        if (life is { State: "condemned", CondemnedAt: { } condemned })
            text.Append(CultureInfo.InvariantCulture, $" since {Text.Time(condemned)}");
        if (life.Nar is { } nar)
        {
            var when = nar.VerifiedAt is { } at ? $" {at.ToString("u", CultureInfo.InvariantCulture)}" : "";
            Line(text, "nar", $"{nar.Hash}, {Text.Bytes(nar.Size)}, {nar.Verification}{when}");
            Line(text, "file", nar.Key is null ? "none"
                : $"{nar.Key}, {nar.State}{(nar.FileSize is { } size ? $", {Text.Bytes(size)}" : "")}");
        }

        if (life.Publisher is { } publisher)
        {
            var group = life.Group is { } name ? $"group {name}, " : "";
            Line(text, "publisher", $"{publisher} ({group}rank {life.Rank ?? 0}){(life.Declared is { } at ? $", since {Text.Time(at)}" : "")}");
        }

        if (life.Pushed is { } pushed)
            Line(text, "pushed", $"as a root, {Text.Time(pushed)}");
        foreach (var pin in life.Pins)
            Line(text, "pin", $"{pin.Name}@{pin.Revision}{(pin.Current ? "" : ", kept for a rollback")}");
        foreach (var upload in life.Uploads)
            Line(text, "upload", $"by {upload.Publisher}, since {Text.Time(upload.Since)}, {Text.Bytes(upload.NarSize)}");
        if (life.Waiting > 0)
            Line(text, "waiting", life.Waiting == 1 ? "1 push" : $"{life.Waiting} pushes");
        List(text, "references", life.References, life.References.Count);
        List(text, "upstream", life.Boundaries, life.Boundaries.Count);
        List(text, "referrers", life.Referrers, life.ReferrerCount);
        return text.ToString();
    }

    private static void List(StringBuilder text, string name, IReadOnlyList<StorePath> paths, long count)
    {
        if (count == 0)
            return;
        Line(text, name, count.ToString("N0", CultureInfo.InvariantCulture));
        foreach (var path in paths)
            text.Append(CultureInfo.InvariantCulture, $"\n  {path}");
        if (count > paths.Count)
            text.Append("\n  …");
    }

    private static void Line(StringBuilder text, string name, string value) =>
        text.Append(CultureInfo.InvariantCulture, $"\n{name,-10}  {value}");
}
