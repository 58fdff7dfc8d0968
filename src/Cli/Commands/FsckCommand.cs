using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// <c>fsck</c>: compares the server's catalog with the bucket. Exits with 1 when they differ, or when the answer was cut off.
/// </summary>
internal static class FsckCommand
{
    public static Command Create(CommonOptions common)
    {
        var json = new Option<bool>("--json") { Description = "Print each finding, and the summary, as a line of JSON." };
        var command = new Command("fsck", "Compare the server's catalog with the bucket. Changes nothing.") { json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var asJson = result.GetValue(json);
            var summary = await ServerCall.AskAsync(common, result, api => api.FsckAsync(
                finding => Console.Out.WriteLine(asJson ? JsonSerializer.Serialize(finding, ProtocolJson.Default.FsckFinding)
                    : Describe(finding)), cancellationToken));
            if (summary is null)
                throw new CliException(ExitCodes.Failed,
                    "The check was cut off before its end, so part of the cache is unchecked. The server's log may tell why; run " +
                        "it again.");
            Console.Out.WriteLine(asJson ? JsonSerializer.Serialize(summary, ProtocolJson.Default.FsckSummary) : Describe(summary));
            return summary.Findings == 0 ? ExitCodes.Ok : ExitCodes.Failed;
        });
        return command;
    }

    internal static string Describe(FsckFinding finding) => string.Join("  ", new[]
    {
        JsonNamingPolicy.KebabCaseLower.ConvertName(finding.Kind.ToString()), finding.Key, finding.Path?.Name, finding.Detail,
    }.Where(part => part is not null));

    internal static string Describe(FsckSummary summary)
    {
        var c = summary.Checked;
        var looked = string.Join(", ", Text.Count(c.Keys, "key"), Text.Count(c.Paths, "path"), Text.Count(c.Objects, "object"),
            Text.Count(c.Pins, "pin"), Text.Count(c.Multiparts, "open multipart upload"));
        return summary.Findings == 0 ? $"{looked}: catalog and bucket agree"
            : string.Create(CultureInfo.InvariantCulture, $"{looked}: {Text.Count(summary.Findings, "finding")}");
    }
}
