using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary><c>conflicts</c>: what stages of a cache do not agree on, which is a report of what does not build alike.</summary>
internal static class ConflictsCommand
{
    public static Command Create(CommonOptions common)
    {
        var all = new Option<bool>("--all") { Description = "Also what lacks votes, is barred, or waits for what it needs." };
        var json = new Option<bool>("--json") { Description = "Print each path as a line of JSON." };
        var command = new Command("conflicts", "List paths of a cache's stages that do not go to it by themselves.") { all, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            StorePathHash? after = null;
            var isEmpty = true;
            do
            {
                var list = await ServerCall.AskAsync(common, result, api =>
                    api.ConflictsAsync(result.GetValue(all), after, cancellationToken));
                foreach (var conflict in list.Conflicts)
                    Console.Out.WriteLine(result.GetValue(json)
                        ? JsonSerializer.Serialize(conflict, ProtocolJson.Default.PathConflict) : Describe(conflict));
                isEmpty &= list.Conflicts.Count == 0;
                after = list.After;
            }
            while (after is not null);
            if (isEmpty && !result.GetValue(json))
                await Console.Error.WriteLineAsync(result.GetValue(all) ? "No path of a stage waits." : "No stages differ.");
        });
        return command;
    }

    internal static string Describe(PathConflict conflict) => string.Join('\n',
        [$"{conflict.Path}: {Why(conflict)}", .. conflict.Contents.Select(c => "  " + Describe(c, conflict.Contents))]);

    private static string Why(PathConflict conflict) => conflict.Reason switch
    {
        ConflictReason.Differs => $"{Text.Count(conflict.Contents.Count, "content")}",
        ConflictReason.Votes => conflict.Needed is { } needed ? $"{conflict.Votes} of {Text.Count(needed, "vote")}" : "no key has signed it",
        ConflictReason.Waits => "agreed on; it goes with all that it needs",
        ConflictReason.Barred => "barred in the cache",
        _ => "its publisher is blocked in the stage",
    };

    private static string Describe(PathContent content, IReadOnlyList<PathContent> all)
    {
        var who = string.Join(", ", content.Caches.Zip(content.Publishers,
            static (cache, publisher) => publisher.Length > 0 ? $"{cache} ({publisher})" : cache));
        var references = all.Select(c => c.References.Count).Distinct().Count() > 1 ? $", {Text.Count(content.References.Count, "reference")}"
            : "";
        return $"{content.NarHash}, {Text.Bytes(content.NarSize)}{references}{(content.Verified ? "" : ", not read by a server")}: {who}";
    }
}
