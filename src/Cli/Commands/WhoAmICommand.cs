using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>whoami</c>: what the credential in use may do, and why.</summary>
internal static class WhoAmICommand
{
    public static Command Create(CommonOptions common)
    {
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("whoami", "Tell who the server takes you for, and what you may do.") { json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var who = await ServerCall.AskAsync(common, result, api => api.WhoAmIAsync(cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(who, ProtocolJson.Default.WhoAmI));
            else
                Write(who);
        });
        return command;
    }

    /// <summary>What a permit allows, in the words of <c>tokens list</c>.</summary>
    internal static string Allows(IReadOnlyList<TokenScope> scopes, IReadOnlyList<PinPattern>? pins) =>
        string.Join(',', scopes.Select(s => s.ToString().ToLowerInvariant())) + (pins is null ? "" : $" (pins {string.Join(' ', pins)})");

    private static void Write(WhoAmI who)
    {
        Console.Out.WriteLine($"publisher    {Text.Printable(who.Subject)}");
        Console.Out.WriteLine($"credential   {Kind(who.Kind)}");
        Console.Out.WriteLine($"trust group  {Text.Printable(who.Group)}");
        if (who.Expires is { } end)
            Console.Out.WriteLine($"until        {Text.Time(end)}");
        if (who.Caches.Count == 0)
        {
            Console.Out.WriteLine("may          nothing");
            return;
        }

        Console.Out.WriteLine();
        foreach (var line in Text.Table(["CACHES", "ALLOWS", "RANK", "RULE"], who.Caches.Select(c => (string[])
            [string.Join(' ', c.Caches), Allows(c.Scopes, c.Pins), c.Rank == 1 ? "1" : "0", c.Rule ?? ""])))
            Console.Out.WriteLine(line);
    }

    private static string Kind(string kind) => kind switch
    {
        "anonymous" => "none",
        "file" => "a token of the server's token file",
        "token" => "a token",
        "oidc" => "a token of an OIDC issuer",
        "cert" => "a certificate",
        _ => kind,
    };
}
