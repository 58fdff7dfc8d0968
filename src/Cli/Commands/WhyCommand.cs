using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansCache.Cli.Store;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary><c>why PATH</c>: what keeps a path in the cache, or since when it is condemned and when it will be deleted.</summary>
internal static class WhyCommand
{
    public static Command Create(CommonOptions common)
    {
        var path = new Argument<string>("PATH") { Description = "A store path, its base name or hash, or a link to it such as ./result." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("why", "Tell what keeps a path in the cache, or when it will be deleted.") { path, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var hash = Hash(result.GetValue(path)!);
            var why = await ServerCall.AskAsync(common, result, api => api.WhyAsync(hash, cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(why, ProtocolJson.Default.WhyAnswer) : Describe(why));
        });
        return command;
    }

    internal static string Describe(WhyAnswer why)
    {
        var text = new StringBuilder();
        switch (why.State)
        {
            case "gone":
                return $"{why.Path} is no longer in the cache.";
            case "deleting":
                return $"{why.Path} is being deleted; who pushes it uploads it again.";
            case "condemned":
                text.Append(CultureInfo.InvariantCulture, $"{why.Path} is condemned since {why.CondemnedAt:u}");
                text.Append(why.DeletedFrom is { } from
                    ? $"; a run from {from.ToString("u", CultureInfo.InvariantCulture)} on deletes it. A push or a pin brings it back."
                    : ".");
                break;
            default:
                text.Append(CultureInfo.InvariantCulture, $"{why.Path} is {why.State}");
                text.Append(why.Verification is { } known ? $" ({known})" : "");
                text.Append(why.Root is null ? ". Nothing keeps it: the next run condemns it." : "");
                break;
        }

        if (why.Root is not { } root)
            return text.ToString();
        text.Append(CultureInfo.InvariantCulture,
            $"{(why.State == "condemned" ? "\nSince then it is kept again by " : ", kept by ")}{Root(root)}");
        foreach (var step in why.Chain)
            text.Append(CultureInfo.InvariantCulture, $"\n  -> {step}");
        return text.ToString();
    }

    private static string Root(WhyRoot root)
    {
        var what = root.Kind switch
        {
            "pin" => $"pin {root.Name}",
            "closure" => "a closure that was pushed",
            "push" => $"push {root.Name}, which is under way",
            "publishing" => "a commit that is publishing it",
            _ => $"{root.Kind} {root.Name}",
        };
        return root.Until is { } until ? $"{what}, until {until.ToString("u", CultureInfo.InvariantCulture)}:" : $"{what}:";
    }

    internal static StorePathHash Hash(string argument) => StorePathHash.TryParse(argument, out var hash) ? hash
        : StorePath.TryParse(argument, out var path) ? path.Hash
        : StoreArgument.Resolve(argument).Hash;
}
