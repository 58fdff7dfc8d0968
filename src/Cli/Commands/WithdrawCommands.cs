using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>paths</c>, <c>evict</c> and <c>bars list | lift</c>: the paths of a publisher, and their withdrawal.</summary>
internal static class WithdrawCommands
{
    private static readonly string[] TimeForms = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK",
        "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    public static Command Paths(CommonOptions common)
    {
        var by = By();
        by.Required = true;
        var (since, json) = (Since(), Json());
        var command = new Command("paths", "List what a publisher has published.") { by, since, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var paths = await ServerCall.AskAsync(common, result, api =>
                api.PublishedAsync(result.GetRequiredValue(by), result.GetValue(since), cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(new PublishedPaths { Paths = paths }, ProtocolJson.Default.PublishedPaths));
            else
                Write(Text.Table(["PUBLISHED AT", "STATE", "STORE PATH"],
                    paths.Select(p => (string[])[Time(p.Published), p.State, p.Path.ToString()])));
        });
        return command;
    }

    public static Command Evict(CommonOptions common)
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description =
            "Store paths, their base names or hashes, or links to them such as ./result.",
            Arity = ArgumentArity.ZeroOrMore
        };
        var (by, since, json) = (By(), Since(), Json());
        var nar = new Option<bool>("--bar-nar")
        {
            Description =
            "Evict every path with the same contents too, and bar these under any path."
        };
        var reason = new Option<string>("--reason") { Description = "Why; 'bars list' tells it.", HelpName = "TEXT" };
        var yes = new Option<bool>("--yes") { Description = "Evict. Without this option the command only lists what would go." };
        var command = new Command("evict", "Withdraw paths, with all that refers to them, and bar their contents.") { paths, by, since,
            nar, reason, yes, json };
        command.Validators.Add(result =>
        {
            // Not their values: reading them here would convert them, and skip their validation
            // (findings/command-validator-reads-value.sh).
            var named = result.GetResult(paths) is { Tokens.Count: > 0 };
            if (named == result.GetResult(by) is { Implicit: false })
                result.AddError("Name paths, or a publisher with --by: one of the two.");
            else if (named && result.GetResult(since) is { Implicit: false })
                result.AddError("--since needs --by.");
        });
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new EvictRequest
            {
                Paths = result.GetValue(paths) is { Length: > 0 } named ? [.. named.Select(WhyCommand.Hash)] : null,
                By = result.GetValue(by),
                Since = result.GetValue(since),
                Nar = result.GetValue(nar),
                Reason = result.GetValue(reason),
                DryRun = true,
            };
            var eviction = await ServerCall.AskAsync(common, result, api => api.EvictAsync(request, static _ => { }, cancellationToken));
            var doIt = result.GetValue(yes);
            if (!result.GetValue(json))
                Write(Describe(eviction, doIt));
            if (doIt)
                eviction = await ServerCall.AskAsync(common, result, api =>
                    api.EvictAsync(request with { DryRun = false }, Tell, cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(eviction, ProtocolJson.Default.Eviction));
            else
                Console.Out.WriteLine(doIt ? $"{Text.Count(eviction.Total, "path")} taken back."
                    : "Nothing was done. With --yes they are taken back.");
        });
        return command;
    }

    public static Command Bars(CommonOptions common)
    {
        var lifted = new Option<bool>("--lifted") { Description = "Those that were lifted too." };
        var json = Json();
        var list = new Command("list", "List the bars: contents that may not come back.") { lifted, json };
        list.SetAction(async (result, cancellationToken) =>
        {
            var bars = await ServerCall.AskAsync(common, result, api => api.BarsAsync(result.GetValue(lifted), cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(bars, ProtocolJson.Default.BarList));
            else
                Write(Text.Table(["ID", "STORE PATH", "NAR HASH", "BY", "SINCE", "REASON"], bars.Bars.Select(Row)));
        });

        var id = new Argument<long?>("ID")
        {
            Description = "Of the bar, as 'bars list' tells it.",
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = static result => NumberOption.Parse(result, "ID", 1L, long.MaxValue)
        };
        var lift = new Command("lift", "Let the content come back.") { id };
        lift.SetAction(async (result, cancellationToken) =>
        {
            var bar = result.GetValue(id)!.Value;
            await ServerCall.AskAsync(common, result, async api =>
            {
                await api.LiftBarAsync(bar, cancellationToken);
                return true;
            });
            Console.Out.WriteLine($"{bar.ToString(CultureInfo.InvariantCulture)}: lifted");
        });
        return new Command("bars", "Contents that were taken back, and may not come back.") { list, lift };
    }

    private static IEnumerable<string> Describe(Eviction eviction, bool doIt)
    {
        yield return $"{Text.Count(eviction.Total, "path")} {(doIt ? "will" : "would")} go:";
        foreach (var line in Text.Table(["WHY", "PUBLISHER", "PUBLISHED AT", "STORE PATH"],
            eviction.Paths.Select(p => (string[])[Why(p.Because), p.Publisher, Time(p.Published), p.Path.ToString()])))
            yield return line;
        if (eviction.Total > eviction.Paths.Count)
            yield return $"and {eviction.Total - eviction.Paths.Count} more";
        foreach (var pin in eviction.Pins)
            yield return $"pin {pin.Name} {(doIt ? "breaks" : "would break")}: {pin.Path}";
    }

    private static void Tell(Eviction running) => Console.Error.WriteLine(running.WaitsFor.Count > 0
        ? $"waiting for the commit of push {running.WaitsFor[0]}, which names some of it"
        : running.Refusal ?? $"taking {Text.Count(running.Total, "path")} back");

    private static string[] Row(Bar bar) =>
    [
        bar.Id.ToString(CultureInfo.InvariantCulture), bar.Path.ToString(), bar.NarHash + (bar.Nar ? " (any path)" : ""), bar.CreatedBy,
            Time(bar.Created),
        (bar.Reason ?? "") + (bar.Lifted is { } lifted ? $" (lifted {Text.Time(lifted)} by {bar.LiftedBy})" : ""),
    ];

    private static string Why(EvictionCause cause) => cause switch
    {
        EvictionCause.Selected => "named",
        EvictionCause.Nar => "same NAR",
        _ => "refers to it",
    };

    private static string Time(DateTimeOffset? time) => time is { } known ? Text.Time(known) : "before";

    private static Option<string> By() =>
        new("--by")
        {
            Description = "The publisher: token:ID, oidc:RULE/ID, file:DIGEST, or legacy for what is older than publishers.",
            HelpName = "PUBLISHER"
        };

    private static Option<bool> Json() => new("--json") { Description = "Print the answer of the server as JSON." };

    /// <summary>A point in time, or a duration before now.</summary>
    private static Option<DateTimeOffset?> Since() => new("--since")
    {
        Description = "Only what was published since: a time such as 2026-05-01T12:00Z, or how long ago, such as 12h.",
        HelpName = "TIME",
        CustomParser = argument =>
        {
            var text = argument.Tokens[^1].Value;
            if (DurationText.TryParse(text, out var ago, out _))
                return DateTimeOffset.UtcNow - ago;
            if (DateTimeOffset.TryParseExact(text, TimeForms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
                return time;
            argument.AddError($"--since has '{text}': a time such as 2026-05-01T12:00Z or a duration such as 12h is wanted.");
            return null;
        },
    };

    private static void Write(IEnumerable<string> lines)
    {
        foreach (var line in lines)
            Console.Out.WriteLine(line);
    }
}
