using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>promote</c>: a cache takes closures over from another of the same server, whose store copies them itself.</summary>
internal static class PromoteCommand
{
    public static Command Create(CommonOptions common)
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description = "Store paths, their base names or hashes, or links to them such as ./result.",
            Arity = ArgumentArity.ZeroOrMore
        };
        var from = CacheOption("--from", "The cache that has them.");
        var to = CacheOption("--to", "The cache that takes them over.");
        var pin = PinOptions.Pin("A pin of the source, instead of paths: the path that it has now.");
        var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing; say what would be done." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("promote", "Take closures over from another cache. The store copies them: no bytes pass here.") { paths,
            from, to, pin, dryRun, json };
        command.Validators.Add(result =>
        {
            // Not their values: see WithdrawCommands.
            if (result.GetResult(paths) is { Tokens.Count: > 0 } == result.GetResult(pin) is { Implicit: false })
                result.AddError("Name paths, or a pin of the source with --pin: one of the two.");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new PromoteRequest
            {
                From = result.GetRequiredValue(from),
                Paths = [.. (result.GetValue(paths) ?? []).Select(WhyCommand.Hash)],
                Pin = result.GetValue(pin),
                DryRun = result.GetValue(dryRun),
            };
            var target = result.GetRequiredValue(to);
            var promotion = await ServerCall.AskAsync(common, result, (_, patient) =>
                patient.PromoteAsync(target, request, Tell, cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(promotion, ProtocolJson.Default.Promotion));
            else
                Console.Out.WriteLine(Describe(promotion, target));
            if (promotion.Conflicts.Count > 0)
                await Console.Error.WriteLineAsync($"{target} has {Text.Count(promotion.Conflicts.Count, "path")} with other contents, " +
                    $"{promotion.Conflicts[0]} for one, and {(promotion.DryRun ? "would keep" : "keeps")} its own.");
        });
        return command;
    }

    internal static string Describe(Promotion promotion, string target)
    {
        var would = promotion.DryRun ? "would be " : "";
        var signers = promotion.Keys.Count > 0 ? $"; {target} signs with {string.Join(", ", promotion.Keys)}" : "";
        var told = string.Create(CultureInfo.InvariantCulture,
            $"{Text.Count(promotion.Paths, "path")}: {promotion.Present} present, {promotion.Published} {would}new in {target}; {Text.Count(promotion.Copied, "NAR")} {would}copied by the store ({Text.Bytes(promotion.Bytes)}){signers}");
        return string.Join('\n', [.. promotion.Roots.Select(r => r.ToString()), told]);
    }

    private static void Tell(PromotionProgress progress) => Console.Error.WriteLine(progress.WaitsFor is { } reason
        ? $"waiting: {reason}"
        : string.Create(CultureInfo.InvariantCulture,
            $"{progress.Copied} of {Text.Count(progress.Of, "NAR")} copied, {Text.Bytes(progress.Bytes)}"));

    private static Option<string> CacheOption(string name, string description)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "CACHE", Required = true };
        option.Validators.Add(result =>
        {
            try
            {
                if (result.Tokens is [var only])
                    ServerSettings.RequireCacheName(only.Value, name);
            }
            catch (CliException e)
            {
                result.AddError(e.Message);
            }
        });
        return option;
    }
}
