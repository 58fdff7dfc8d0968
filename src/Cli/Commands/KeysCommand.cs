using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>keys list | add | rotate | activate | verify | retire</c>: the keys that sign a cache's paths.</summary>
internal static class KeysCommand
{
    public static Command Create(CommonOptions common) => new("keys", "The keys that sign the paths of a cache.")
    {
        List(common),
        Add(common, "add", "Add a key that signs with the others, what is there and what comes.", replaces: false),
        Add(common, "rotate", "Add a key that takes the place of the others once all is signed with it.", replaces: true),
        Change(common, "activate", "Let a key sign again.", KeyState.Active),
        Change(common, "verify", "Let a key sign nothing any more; readers still trust it.", KeyState.Verifying),
        Change(common, "retire", "Tell readers of a key no longer.", KeyState.Retired),
    };

    private static Command List(CommonOptions common)
    {
        var json = Json();
        var command = new Command("list", "List the keys, and how far the signing with a new one is.") { json };
        command.SetAction(async (result, cancellationToken) =>
            Write(await ServerCall.AskAsync(common, result, api => api.KeysAsync(cancellationToken)), result.GetValue(json)));
        return command;
    }

    private static Command Add(CommonOptions common, string verb, string description, bool replaces)
    {
        var name = new Option<string>("--name")
        {
            Description = "Its name, such as cache.example.org-2 (default: that of the last key, with the next number).",
            HelpName = "NAME",
        };
        var json = Json();
        var command = new Command(verb, description) { name, json };
        command.SetAction(async (result, cancellationToken) => Write(await ServerCall.AskAsync(common, result, api =>
            api.AddKeyAsync(new AddKey { Name = result.GetValue(name), Replaces = replaces }, cancellationToken)), result.GetValue(json)));
        return command;
    }

    private static Command Change(CommonOptions common, string verb, string description, KeyState state)
    {
        var name = new Argument<string>("KEY") { Description = "Its name." };
        var force = new Option<bool>("--force") { Description = "Also when no other key has signed all that is there." };
        var json = Json();
        var command = new Command(verb, description) { name, json };
        if (state != KeyState.Active)
            command.Options.Add(force);
        command.SetAction(async (result, cancellationToken) => Write(await ServerCall.AskAsync(common, result, (Api api) =>
            api.SetKeyAsync(result.GetRequiredValue(name),
                new SetKey { State = state, Force = state != KeyState.Active && result.GetValue(force) }, cancellationToken)),
            result.GetValue(json)));
        return command;
    }

    private static Option<bool> Json() => new("--json") { Description = "Print the answer of the server as JSON." };

    private static void Write(KeyList list, bool asJson)
    {
        if (asJson)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(list, ProtocolJson.Default.KeyList));
            return;
        }

        foreach (var line in Text.Table(["STATE", "PUBLIC KEY", "SECRET", ""], list.Keys.Select(Row)))
            Console.Out.WriteLine(line);
    }

    private static string[] Row(CacheKey key) =>
    [
        key.State.ToString().ToLowerInvariant(), key.PublicKey, key.InFile ? "file" : "catalog",
        key.Signing ? string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"signs what is there: {100 * (key.Progress ?? 0):0} %") : "",
    ];
}
