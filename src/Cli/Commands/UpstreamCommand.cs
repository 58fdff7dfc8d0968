using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>upstream status</c>: what rests on the cache's upstreams, and what they have lost.</summary>
internal static class UpstreamCommand
{
    public static Command Create(CommonOptions common) => new("upstream", "What the cache leaves to its upstreams.") { Status(common) };

    internal static string Describe(UpstreamReport report)
    {
        if (report.Upstreams.Count == 0 && report.Boundaries == 0)
            return "The cache has no upstreams: it stores all that is pushed.";
        var text = new StringBuilder();
        foreach (var upstream in report.Upstreams)
            text.Append(CultureInfo.InvariantCulture, $"upstream    {upstream}\n");
        text.Append(CultureInfo.InvariantCulture, $"boundaries  {report.Boundaries:N0}, {report.LostCount:N0} of them lost");
        foreach (var lost in report.Lost)
        {
            var others = lost.Referrers > 1 ? $" and {Text.Count(lost.Referrers - 1, "other path")} need it" : " needs it";
            text.Append(CultureInfo.InvariantCulture,
                $"\n  {lost.Path}\n    not at {lost.Upstream} since {Text.Time(lost.Since)}; {lost.Referrer.BaseName}{others}");
        }

        return text.ToString();
    }

    private static Command Status(CommonOptions common)
    {
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("status", "Show the upstreams, and the paths that they had and have no more.") { json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var report = await ServerCall.AskAsync(common, result, api => api.UpstreamsAsync(cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(report, ProtocolJson.Default.UpstreamReport)
                : Describe(report));
        });
        return command;
    }
}
