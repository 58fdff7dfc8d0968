using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>subjects block | unblock | list</c>: publishers who are refused although their credential is good.</summary>
internal static class SubjectsCommand
{
    public static Command Create(CommonOptions common) => new("subjects", "Publishers who are refused although their credential is good.")
    {
        Block(common),
        Unblock(common),
        List(common),
    };

    private static Command Block(CommonOptions common)
    {
        var pattern = new Argument<string>("PATTERN")
        {
            Description = "Of publishers, such as oidc:ci/1296269 or 'oidc:*1296269*'; * is any characters, ? one."
        };
        var reason = new Option<string>("--reason") { Description = "Why; it is told to whoever is refused.", HelpName = "TEXT" };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("block", "Refuse publishers from now on, and end their open pushes.") { pattern, reason, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new BlockSubjects { Pattern = result.GetRequiredValue(pattern), Reason = result.GetValue(reason) };
            var blocked = await ServerCall.AskAsync(common, result, api => api.BlockAsync(request, cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(blocked, ProtocolJson.Default.Blocked)
                : $"{blocked.Block.Pattern}: blocked; {Text.Count(blocked.EndedPushes, "open push", "open pushes")} ended");
        });
        return command;
    }

    private static Command Unblock(CommonOptions common)
    {
        var which = new Argument<string>("PATTERN|ID") { Description = "As it was blocked, or its ID in the list." };
        var command = new Command("unblock", "Let publishers in again.") { which };
        command.SetAction(async (result, cancellationToken) =>
        {
            var wanted = result.GetRequiredValue(which);
            var lifted = await ServerCall.AskAsync(common, result, async api =>
            {
                var all = (await api.BlocksAsync(false, cancellationToken)).Blocks;
                var block = all.FirstOrDefault(b => b.Pattern == wanted)
                    ?? all.FirstOrDefault(b => b.Id.ToString(CultureInfo.InvariantCulture) == wanted)
                    ?? throw new CliException(ExitCodes.Failed,
                        $"There is no block of '{wanted}'; 'orleans-cache subjects list' tells those that stand.");
                await api.UnblockAsync(block.Id, cancellationToken);
                return block;
            });
            Console.Out.WriteLine($"{lifted.Pattern}: no longer blocked");
        });
        return command;
    }

    private static Command List(CommonOptions common)
    {
        var lifted = new Option<bool>("--lifted") { Description = "Those that were lifted too." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("list", "List who is blocked, since when, and why.") { lifted, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var list = await ServerCall.AskAsync(common, result, api => api.BlocksAsync(result.GetValue(lifted), cancellationToken));
            if (result.GetValue(json))
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(list, ProtocolJson.Default.BlockList));
                return;
            }

            foreach (var line in Text.Table(["ID", "PATTERN", "BY", "SINCE", "REASON"], list.Blocks.Select(Row)))
                Console.Out.WriteLine(line);
        });
        return command;
    }

    private static string[] Row(Block block) =>
    [
        block.Id.ToString(CultureInfo.InvariantCulture), block.Pattern, block.CreatedBy, Text.Time(block.Created),
        (block.Reason ?? "") + (block.Lifted is { } lifted ? $" (lifted {Text.Time(lifted)} by {block.LiftedBy})" : ""),
    ];
}
