using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>audit</c>: who did what, newest first.</summary>
internal static class AuditCommand
{
    private static readonly TimeSpan Usual = TimeSpan.FromDays(7);

    public static Command Create(CommonOptions common)
    {
        var since = Duration.Option("--since", "Lines of this time, such as 12h or 30d. [default: 7d]");
        var by = new Option<string>("--by") { Description = "Only what this publisher did, such as token:7.", HelpName = "PUBLISHER" };
        var action = new Option<string>("--action")
        {
            Description = "Only this action, such as commit or pin.move; 'pin' is all of pins.",
            HelpName = "ACTION"
        };
        var limit = NumberOption.Create("--limit", 1, int.MaxValue, "Lines at most. [default: all]", "-n");
        var json = new Option<bool>("--json") { Description = "Print each line as a line of JSON." };
        var command = new Command("audit", "Tell who published, pinned, collected, and made tokens; newest first.") { since, by, action,
            limit, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var start = DateTimeOffset.UtcNow - (result.GetValue(since) ?? Usual);
            var left = result.GetValue(limit) ?? int.MaxValue;
            string? after = null;
            do
            {
                var page = await ServerCall.AskAsync(common, result, api =>
                    api.AuditAsync(start, result.GetValue(by), result.GetValue(action), after, cancellationToken));
                foreach (var line in page.Lines.Take(left))
                    Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(line, ProtocolJson.Default.AuditLine)
                        : Print(line));
                left -= Math.Min(left, page.Lines.Count);
                after = page.Next;
            }
            while (after is not null && left > 0);
        });
        return command;
    }

    private static string Print(AuditLine line) => string.Join("  ",
        ((string?[])[Text.Time(line.At), line.Publisher, line.Address ?? "-", line.Action, line.Subject, line.Path,
            line.Detail?.GetRawText()]).Where(cell => cell is not null));
}
