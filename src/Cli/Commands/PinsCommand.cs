using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Store;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// <c>pins create | list | show | delete | rollback</c>: named roots that deployments follow and the garbage collector keeps.
/// </summary>
internal static class PinsCommand
{
    private const string NotYet = "it is done; the bucket follows within a minute";

    public static Command Create(CommonOptions common) => new("pins", "Names for paths, which keep them in the cache.")
    {
        CreateOne(common),
        List(common),
        Show(common),
        Delete(common),
        Rollback(common),
    };

    private static Command CreateOne(CommonOptions common)
    {
        var name = PinOptions.Name();
        var path = new Argument<string>("PATH") { Description = "A store path that is in the cache, or a link to one such as ./result." };
        var (expires, keep, ifRevision, json) = (PinOptions.Expires(), PinOptions.KeepRevisions(), PinOptions.IfRevision(), Json());
        var expect = PinOptions.Expect();
        var command = new Command("create", "Make a pin on a path that is in the cache already, or move it there.") { name, path, expires,
            keep, expect, ifRevision, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new SetPin
            {
                Path = StoreArgument.Resolve(result.GetRequiredValue(path)),
                ExpiresSeconds = result.GetValue(expires)?.TotalSeconds,
                KeepRevisions = result.GetValue(keep),
                NarHash = result.GetValue(expect),
            };
            Changed(await ServerCall.AskAsync(common, result, api =>
                api.SetPinAsync(result.GetValue(name), request, result.GetValue(ifRevision), cancellationToken)), result.GetValue(json));
        });
        return command;
    }

    private static Command List(CommonOptions common)
    {
        var namesOnly = new Option<bool>("--names-only") { Description = "Print the names, one a line." };
        var json = Json();
        var command = new Command("list", "List all pins.") { namesOnly, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var list = await ServerCall.AskAsync(common, result, api => api.PinsAsync(cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(list, ProtocolJson.Default.PinList));
            else if (result.GetValue(namesOnly))
                Write(list.Pins.Select(pin => pin.Name.ToString()));
            else
                Write(Text.Table(["NAME", "STORE PATH", "UPDATED AT"],
                    list.Pins.Select(pin => (string[])[pin.Name.ToString(),
                    pin.Path + (pin.BrokenSince is { } since ? $" (broken since {Text.Time(since)})" : ""), Text.Time(pin.Updated)])));
        });
        return command;
    }

    private static Command Show(CommonOptions common)
    {
        var name = PinOptions.Name();
        var json = Json();
        var command = new Command("show", "Show a pin with its history.") { name, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var pin = await ServerCall.AskAsync(common, result, api => api.PinAsync(result.GetValue(name), cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(pin, ProtocolJson.Default.Pin));
            else
                Write(Describe(pin));
        });
        return command;
    }

    private static Command Delete(CommonOptions common)
    {
        var name = PinOptions.Name();
        var ifRevision = PinOptions.IfRevision();
        var command = new Command("delete", "Delete a pin. What only it kept is garbage from then on.") { name, ifRevision };
        command.SetAction(async (result, cancellationToken) =>
        {
            if (!await ServerCall.AskAsync(common, result, api =>
                api.DeletePinAsync(result.GetValue(name), result.GetValue(ifRevision), cancellationToken)))
                await Console.Error.WriteLineAsync(NotYet);
        });
        return command;
    }

    private static Command Rollback(CommonOptions common)
    {
        var name = PinOptions.Name();
        var revision =
            new Argument<long?>("REVISION")
            {
                Description =
            "The revision to go back to, see 'pins show'. Left out: the newest one with another path.",
                Arity = ArgumentArity.ZeroOrOne,
                CustomParser = static result => NumberOption.Parse(result, "REVISION", 1L, long.MaxValue)
            };
        var (ifRevision, json) = (PinOptions.IfRevision(), Json());
        var command = new Command("rollback", "Move a pin back to the path of an earlier revision.") { name, revision, ifRevision, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new RollbackPin { Revision = result.GetValue(revision) };
            Changed(await ServerCall.AskAsync(common, result, api =>
                api.RollBackAsync(result.GetValue(name), request, result.GetValue(ifRevision), cancellationToken)), result.GetValue(json));
        });
        return command;
    }

    private static Option<bool> Json() => new("--json") { Description = "Print the answer of the server as JSON." };

    private static void Changed(Pin pin, bool json)
    {
        Console.Out.WriteLine(json ? JsonSerializer.Serialize(pin, ProtocolJson.Default.Pin)
            : $"{pin.Name}: {pin.Path} (revision {pin.Revision})");
        if (!pin.Written)
            Console.Error.WriteLine(NotYet);
    }

    private static IEnumerable<string> Describe(Pin pin) =>
    [
        $"name      {pin.Name}",
        $"path      {pin.Path}",
        .. Broken(pin),
        $"revision  {pin.Revision}{(pin.Written ? "" : ", not in the bucket yet")}",
        $"created   {Text.Time(pin.Created)}",
        $"updated   {Text.Time(pin.Updated)}",
        $"expires   {(pin.Expires is { } expires ? Text.Time(expires) : "never")}",
        $"keeps     {Text.Count(pin.KeepRevisions, "revision")}",
        "",
        .. Text.Table(
            ["REVISION", "STORE PATH", "CREATED AT", "STATE"],
            (pin.History ?? []).Select(r => (string[])[$"{r.Revision}", r.Path.ToString(), Text.Time(r.Created), r.Kept ? "kept"
                : r.Present ? "there, not kept" : "gone"])),
    ];

    private static string[] Broken(Pin pin) => pin.BrokenSince is { } since
        ? [$"broken    since {Text.Time(since)}: the path was taken back; set the pin again"] : [];

    private static void Write(IEnumerable<string> lines)
    {
        foreach (var line in lines)
            Console.Out.WriteLine(line);
    }
}
